/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of the host that a client asks for with an interface: who may have them, who has them
 * already among networks and machines, and where they lead. What the host's own programs have is
 * found when they are made to lead there (broker/linux/network/forwarded.h).
 */
#ifndef VMNET_BROKER_INTERFACE_PORTS_H
#define VMNET_BROKER_INTERFACE_PORTS_H

#include "interface.h"

/*
 * Judges the ports, and completes the options: each has where it leads to, which is an address
 * that the interface gets for that if it has asked for none. Without ports it does nothing.
 *
 * mac: the interface's.
 *
 * Returns 0, or -1 with error.
 */
int interface_ports_check(const struct client *client, const struct network *network,
			  const struct mac_address *mac, struct interface_options *options,
			  struct error *error);

/* How many of LIMIT_USER_PORTS they are. */
unsigned int interface_ports_kept(const struct interface_options *options);

#endif
