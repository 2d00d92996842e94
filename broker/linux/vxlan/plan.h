/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is to know of the machines of a network that is on several hosts. It is made of
 * what the policy knows: the addresses that interfaces have asked for and that their machines have
 * leased; and of what the kernel has heard of these machines, which is all there is of one without
 * a lease. What the kernel says is so is elsewhere.h's. Where they differ something is to be told.
 * On the policy's thread.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_PLAN_H
#define VMNET_BROKER_LINUX_VXLAN_PLAN_H

#include "broker/interface.h"
#include "elsewhere.h"
#include "telling.h"

struct plan {
	/* What it is made of: the caller's to set, and to keep until it is made. */
	const struct network *network;
	struct elsewhere *elsewhere;
	void (*on_brought)(struct interface *interface, struct in_addr address); /* machines.h's */
	const struct address_list *last_given; /* what was made, and told of, last time */
	const struct address_list *last_routes; /* those that there are */
	bool is_to_be_confirmed; /* what the kernel knows already, so that it does not forget */

	/* What is made: for the caller to take, and to set to zero where it does. */
	struct address_list given; /* who is here, but for those who were only heard of; sorted */
	struct address_list routes; /* to whom there are to be any; sorted */
	struct change *changes;
	size_t n_changes;
	bool is_outdated; /* on_brought was called: to be made again, also after an error */

	/* Its own. */
	struct machine *here; /* sorted */
	size_t n_here;
	bool failed; /* memory is short */
};

/* To be called once, with plan_clear() afterwards. Returns 0, or -ENOMEM: not all is made. */
int plan_make(struct plan *plan);

/* Frees what is made and was not taken. */
void plan_clear(struct plan *plan);

#endif
