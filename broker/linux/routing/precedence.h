/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's routing rules, and their place among the host's: after the one that knows the
 * host's own addresses, before all that are for every packet. Below stands host/rule.h, above
 * reach.h and uplink.h, which say where a rule leads. On network_worker.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef VMNET_BROKER_LINUX_ROUTING_PRECEDENCE_H
#define VMNET_BROKER_LINUX_ROUTING_PRECEDENCE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct precedence {
	/* The caller's: */
	int family;
	uint32_t table; /* where the rule leads */
	const char *bridge; /* whose packets alone it leads; NULL: it leads all */
	/* precedence_find()'s: */
	uint32_t priority; /* where it has its place */
	uint32_t rival; /* the first rule of somebody else's for every packet; UINT32_MAX: none */
	bool is_overtaken; /* by that one, before which there is no place */
	bool is_needed; /* the host's own routes are not asked first */
	uint32_t local; /* the rule that knows the host's own addresses */
	bool main_is_seen;
	uint32_t present[4]; /* where it stands now */
	size_t n_present;
};

/* Looks at the host's rules. There is none of a family that the host does not have. */
int precedence_find(struct precedence *self);

/* Has the rule stand at its place, and nowhere else. */
int precedence_keep(const struct precedence *self);

/* Has it stand nowhere. */
int precedence_remove(const struct precedence *self);

/* Whether a message of rtnetlink about a rule has to do with where ours stand. On any thread. */
bool precedence_is_concerned(const struct nlmsghdr *message);

#endif
