/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's way to the machines of its networks, where a VPN's routing rules would lead what
 * is for them elsewhere. Below stands precedence.h. On network_worker.
 */
#ifndef VMNET_BROKER_LINUX_ROUTING_REACH_H
#define VMNET_BROKER_LINUX_ROUTING_REACH_H

#include "broker/broker.h"

/*
 * Has a network's machines found, as the host's rules are now; its devices are there.
 * To be called again when something of it has changed.
 *
 * link: the index of the one by which the host finds them: the bridge, or of a network that is on
 * several hosts this one's own end.
 *
 * Returns 0, or -1 with error.
 */
int reach_open(const struct network_addresses *addresses, int link, struct error *error);

/*
 * Takes it back for networks that go together, with the last ones that there are.
 * bridges: theirs, n in all. Returns 0 or a negative errno.
 */
int reach_close(const char *const *bridges, size_t n);

#endif
