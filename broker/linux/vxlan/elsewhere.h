/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel has been told of the other hosts of a network: which of them there are, and
 * which machines have which addresses there; and what it hears of machines here. While there is
 * such a network its notifications of neighbours are read, and nothing else is asked of it but
 * what there is already, at the start, and when too much was told at once. Entries by which frames
 * find the hosts are told on. On the policy's thread.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_ELSEWHERE_H
#define VMNET_BROKER_LINUX_VXLAN_ELSEWHERE_H

#include "broker/broker.h"
#include "known.h"

struct elsewhere;

/* The devices that are listened to: their indices; 0: there is none. */
struct elsewhere_links {
	int bridge;
	int vxlan;
	int own_port;
};

/*
 * Somebody else has added or removed an entry of the VXLAN device or the host's own port: a message
 * of RTM_NEWNEIGH or RTM_DELNEIGH. NULL: some of these may have been lost. Where a routing daemon
 * tells of the hosts, what it adds is not told of.
 */
typedef void elsewhere_entry_function(struct network *network, const struct nlmsghdr *message);

/*
 * Of an active network that is on several hosts, which outlives it.
 * on_changed: called when anybody is heard of, here or elsewhere, who was not there before, or has
 *	gone.
 * Returns it, for elsewhere_free(), or NULL when memory is short.
 */
struct elsewhere *elsewhere_new(struct network *network, elsewhere_entry_function *on_entry,
				void (*on_changed)(void *userdata), void *userdata);

/*
 * Its devices may be others. To be called after each job of the network's. Returns 0 or a
 * negative errno: nothing is heard of.
 */
int elsewhere_follow(struct elsewhere *self, const struct elsewhere_links *links);

/* To be called now and then: what was known a while ago is forgotten. */
void elsewhere_look(struct elsewhere *self);

/* All addresses that are known. */
struct known_addresses *elsewhere_known(struct elsewhere *self);

/* NULL is allowed. */
void elsewhere_free(struct elsewhere *self);

#endif
