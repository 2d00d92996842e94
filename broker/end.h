/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending networks and interfaces by the wish of somebody who does not hold them. Only on systems
 * where the broker makes interfaces (interface.h), and can end a machine's part in a network.
 */
#ifndef VMNET_BROKER_END_H
#define VMNET_BROKER_END_H

#include "broker.h"

/*
 * Ends a network: its interfaces, its holds, and with a last word the connections of the clients
 * that hold it, but for the one that asks. Or one interface of it alone. For root, and for those
 * whose user's all that is.
 * device: the interface's; "": all of the network.
 * what: gets that which is about to go, for platform_gone(); NULL when there is nothing.
 * Returns 0, or -1 with error.
 */
int broker_end(struct client *client, const char *network, const char *device, const void **what,
	       struct error *error);

#endif
