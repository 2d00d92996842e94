/* SPDX-License-Identifier: Apache-2.0 */
/* Goes through the candidates. The first ones of 192.168.0.0/16 are left to home routers. */
#include "subnet.h"

#include <errno.h>
#include <stdlib.h>

#include "array.h"

#define FIRST_SUBNET 64U
#define LAST_SUBNET 255U

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

const struct range *ranges_find_ipv4(const struct ranges *ranges, const struct ipv4_subnet *subnet)
{
	for (size_t i = 0; i < ranges->n_items; i++)
		if (ranges->items[i].ipv4.length > 0 &&
		    ipv4_subnet_overlaps(&ranges->items[i].ipv4, subnet))
			return &ranges->items[i];
	return NULL;
}

const struct range *ranges_find_ipv6(const struct ranges *ranges, const struct ipv6_prefix *prefix)
{
	for (size_t i = 0; i < ranges->n_items; i++)
		if (ranges->items[i].ipv6.length > 0 &&
		    ipv6_prefix_overlaps(&ranges->items[i].ipv6, prefix))
			return &ranges->items[i];
	return NULL;
}

int subnet_choose(const struct ranges *taken, struct ipv4_subnet *subnet)
{
	for (uint32_t i = FIRST_SUBNET; i <= LAST_SUBNET; i++) {
		struct ipv4_subnet candidate = {
			.address.s_addr = htonl(UINT32_C(192) << 24 | UINT32_C(168) << 16 | i << 8),
			.length = 24,
		};

		if (!ranges_find_ipv4(taken, &candidate)) {
			*subnet = candidate;
			return 0;
		}
	}
	return -1;
}
