/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks in the operating system: when they are made, repaired and removed. Above stands
 * broker/network.h, which decides; below parts.h, which does it step by step on network_worker,
 * the second thread. The functions here are for the policy's thread.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_NETWORK_H
#define VMNET_BROKER_LINUX_NETWORK_NETWORK_H

#include "broker/linux/dnsmasq/reservations.h"
#include "parts.h"

/*
 * Takes over a network with an interface that an earlier broker left. What is not as
 * it should be is put right by network_repair(), when it has its interfaces.
 * config: taken over (the reference, too), whatever is returned.
 * bridge: the index of its bridge, 0 when it is gone.
 * Returns the network, now the policy's, or NULL when memory is short.
 */
struct network *network_adopt(struct broker *broker, struct network_config *config,
			      const struct network_addresses *addresses, int bridge);

/*
 * Removes what an earlier broker left of a network that nobody uses.
 * config: what is known of it, NULL when nothing is; taken over.
 * addresses: the same; bridge "" when unknown.
 * bridge: the index of its bridge, 0 when it is gone.
 *
 * Returns 0, or -ENOMEM and it stays.
 */
int network_remove_leftover(const char *name, struct network_config *config,
			    const struct network_addresses *addresses, int bridge);

/*
 * Something has happened to a network: looks, at once or as soon as it is
 * active, puts right what is not as it should be, and reports as the network's
 * fault what it cannot.
 */
void network_repair(struct network *network, enum repair repair);

/*
 * Before an interface is attached: a machine that was on another host of the network a while ago,
 * and has not asked for an address, has asked for the one that it had there.
 */
void network_keep_address(struct network *network, struct interface *interface);

/*
 * An interface is about to be attached: what it asks for is reserved, what its machine had in a
 * former life is not its own any more. former: gets the addresses of that.
 * Returns 0, or a negative errno when what it asks for cannot be.
 */
int network_reserve(struct network *network, struct interface *interface,
		    struct former_addresses *former);

/* Other machines are attached. */
void network_machines_changed(const struct network *network);

/* An interface has gone. */
void network_unreserve(const struct network *network, const struct interface *interface);

/*
 * Has ports lead to an interface that is to be made: request->done() is called when they do, or
 * cannot. What it points to is its owner's, and stays until then.
 */
void network_forward(struct network *network, struct port_request *request);

/*
 * An interface's ports do not lead to it any more: it has none, and the next job for its network,
 * which the caller asks for, takes them away.
 */
void network_leave_ports(struct network *network, struct interface *interface);

/* An interface was attached. */
void network_has_machines(const struct network *network);

/* The index of the network's bridge, 0 while it has none. */
int network_bridge(const struct network *network);

/* Its devices if it is on several hosts, as of the last job. */
const struct vxlan_devices *network_vxlan(const struct network *network);

/* Whether the link of one of its interfaces is joined to the bridge as it has to be. */
bool network_has_port(const struct network *network, const struct link *link);

/* At the end of the process: what is active stays for the next broker. */
void networks_forget(struct broker *broker);

#endif
