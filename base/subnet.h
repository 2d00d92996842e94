/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses are free: a choice from what is taken, without asking anybody, so that it
 * can be tested anywhere. What the host has taken is told by host/ranges.h.
 */
#ifndef VMNET_BASE_SUBNET_H
#define VMNET_BASE_SUBNET_H

#include "address.h"

#define RANGE_OWNER_SIZE 80

/* Addresses that somebody uses; one of the two lengths is 0. */
struct range {
	struct ipv4_subnet ipv4;
	struct ipv6_prefix ipv6;
	bool is_route; /* what is narrower goes before it: only the rest is its own */
	char owner[RANGE_OWNER_SIZE]; /* who, in words: it follows "is in use by" */
	unsigned int link; /* whose name follows those words: its index; 0: none does */
};

struct ranges {
	struct range *items;
	size_t n_items;
};

/* Copies range. Returns 0 or -ENOMEM. */
int ranges_add(struct ranges *ranges, const struct range *range);
void ranges_clear(struct ranges *ranges);

/*
 * The first range that is in the way, or NULL when the addresses are free. All
 * that overlaps is, but for a route of IPv4 that is broader than the subnet.
 */
const struct range *ranges_find_ipv4(const struct ranges *ranges, const struct ipv4_subnet *subnet);
const struct range *ranges_find_ipv6(const struct ranges *ranges, const struct ipv6_prefix *prefix);

/*
 * Chooses the first free /24 of those of 192.168.0.0/16, 10.0.0.0/8 and
 * 172.16.0.0/12, in that order: one that no route covers, if there is any.
 *
 * Returns 0, or -1 when none is free, and leaves subnet alone.
 */
int subnet_choose(const struct ranges *taken, struct ipv4_subnet *subnet);

#endif
