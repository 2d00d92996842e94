/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines of a network that is on several hosts: the kernel is told which addresses those
 * that are here have, from which a routing daemon learns what to tell the other hosts, and has a
 * route to each. What is known of those elsewhere (elsewhere.h) is asked here. On the policy's
 * thread; what is told is told on network_worker.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_MACHINES_H
#define VMNET_BROKER_LINUX_VXLAN_MACHINES_H

#include "broker/interface.h"
#include "elsewhere.h"

struct machines;

/*
 * Of an active network that is on several hosts, which outlives it.
 * on_brought: called when a machine is heard to have brought an address along, which is to be its
 *	interface's own from now on.
 * on_entry: see elsewhere.h.
 * Returns it, for machines_free(), or NULL when memory is short.
 */
struct machines *machines_new(struct network *network,
			      void (*on_brought)(struct interface *interface,
						 struct in_addr address),
			      elsewhere_entry_function *on_entry);

/* The network's devices and addresses may be others: to be called after each job of its. */
void machines_follow(struct machines *self, const struct elsewhere_links *links);

/* Others than before are attached, or what they have leased has changed: they are told of soon. */
void machines_changed(struct machines *self);

/*
 * Whose an address is, here or on another host, or was there a while ago; NULL: nobody's that
 * is known of. wanted: of which MAC is not looked at. *is_elsewhere: it is there now. It is valid
 * until the loop's next turn.
 */
const struct mac_address *machines_known(struct machines *self, const struct neighbour *wanted,
					 bool *is_elsewhere);

/*
 * The IPv4 addresses of machines: that are here, by what the kernel has heard; or that are
 * elsewhere now, and have one that this host gives. list: gets max at most. Returns their number.
 */
size_t machines_list_here(struct machines *self, struct neighbour *list, size_t max);
size_t machines_list_elsewhere(struct machines *self, struct neighbour *list, size_t max);

/* The address that a machine has on another host, or had a while ago. Returns whether it has. */
bool machines_moved(struct machines *self, const struct mac_address *mac, struct in_addr *address);

/* What is under way ends by itself. NULL is allowed. */
void machines_free(struct machines *self);

#endif
