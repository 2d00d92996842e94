/* SPDX-License-Identifier: Apache-2.0 */
/* Goes through the candidates. */
#include "subnet.h"

#include <errno.h>
#include <stdlib.h>

#include "array.h"

#define LENGTH 24

/*
 * The /24s to choose from, by their first 24 bits, in the order of preference.
 * Home routers like the first ones of 192.168.0.0/16, and other programs' default
 * networks those of 10.0.0.0/8.
 */
static const struct block {
	uint32_t first;
	uint32_t last;
} blocks[] = {
	{ 0xc0a840, 0xc0a8ff }, /* 192.168.64.0 to 192.168.255.0 */
	{ 0x0a4000, 0x0affff }, /* 10.64.0.0 to 10.255.255.0 */
	{ 0xac1000, 0xac1fff }, /* 172.16.0.0 to 172.31.255.0 */
};

int ranges_add(struct ranges *ranges, const struct range *range)
{
	struct range *items = array_grow(ranges->items, ranges->n_items, sizeof(*items));

	if (!items)
		return -ENOMEM;
	ranges->items = items;
	items[ranges->n_items++] = *range;
	return 0;
}

void ranges_clear(struct ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct ranges){ 0 };
}

/* shortest_route: routes that are shorter do not count. */
static const struct range *find_ipv4(const struct ranges *ranges, const struct ipv4_subnet *subnet,
				     unsigned int shortest_route)
{
	for (size_t i = 0; i < ranges->n_items; i++) {
		const struct range *range = &ranges->items[i];

		if (range->ipv4.length > 0 &&
		    (!range->is_route || range->ipv4.length >= shortest_route) &&
		    ipv4_subnet_overlaps(&range->ipv4, subnet))
			return range;
	}
	return NULL;
}

const struct range *ranges_find_ipv4(const struct ranges *ranges, const struct ipv4_subnet *subnet)
{
	return find_ipv4(ranges, subnet, subnet->length);
}

const struct range *ranges_find_ipv6(const struct ranges *ranges, const struct ipv6_prefix *prefix)
{
	for (size_t i = 0; i < ranges->n_items; i++)
		if (ranges->items[i].ipv6.length > 0 &&
		    ipv6_prefix_overlaps(&ranges->items[i].ipv6, prefix))
			return &ranges->items[i];
	return NULL;
}

static bool choose_of(const struct block *block, const struct ranges *taken,
		      unsigned int shortest_route, struct ipv4_subnet *subnet)
{
	struct ipv4_subnet candidate = { .length = LENGTH };
	const struct range *obstacle;

	for (uint32_t i = block->first; i <= block->last;
	     i = (ntohl(ipv4_subnet_last(&obstacle->ipv4).s_addr) >> 8) + 1) {
		candidate.address.s_addr = htonl(i << 8);
		obstacle = find_ipv4(taken, &candidate, shortest_route);
		if (!obstacle) {
			*subnet = candidate;
			return true;
		}
	}
	return false;
}

static bool choose(const struct ranges *taken, unsigned int shortest_route,
		   struct ipv4_subnet *subnet)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (choose_of(&blocks[i], taken, shortest_route, subnet))
			return true;
	return false;
}

int subnet_choose(const struct ranges *taken, struct ipv4_subnet *subnet)
{
	return choose(taken, 0, subnet) || choose(taken, LENGTH, subnet) ? 0 : -1;
}
