/* SPDX-License-Identifier: Apache-2.0 */
/* Hash tables by addresses and by MAC addresses; those that are here are a few, and a list, too. */
#include "known.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 64U

static size_t bucket_of(const struct known_addresses *all, const void *bytes, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const uint8_t *byte = bytes; size > 0; byte++, size--)
		hash = (hash ^ *byte) * UINT64_C(0x100000001b3);
	return (hash ^ hash >> 32) & (all->n_buckets - 1);
}

static struct known **bucket(const struct known_addresses *all, const struct neighbour *neighbour)
{
	return &all->buckets[bucket_of(all, &neighbour->address, address_size(neighbour->family))];
}

static struct known **bucket_of_mac(const struct known_addresses *all,
				    const struct mac_address *mac)
{
	return &all->buckets_of_mac[bucket_of(all, mac, sizeof(*mac))];
}

static bool is_of(const struct known *known, const struct neighbour *neighbour)
{
	return known->neighbour.family == neighbour->family &&
	       memcmp(&known->neighbour.address, &neighbour->address,
		      address_size(neighbour->family)) == 0;
}

struct known *known_find(const struct known_addresses *all, const struct neighbour *neighbour)
{
	struct known *known = all->n_buckets ? *bucket(all, neighbour) : NULL;

	while (known && !is_of(known, neighbour))
		known = known->next;
	return known;
}

static void enter(struct known_addresses *all, struct known *known)
{
	struct known **by_address = bucket(all, &known->neighbour);
	struct known **by_mac = bucket_of_mac(all, &known->neighbour.mac);

	known->next = *by_address;
	*by_address = known;
	known->next_of_mac = *by_mac;
	known->link_of_mac = by_mac;
	if (known->next_of_mac)
		known->next_of_mac->link_of_mac = &known->next_of_mac;
	*by_mac = known;
}

static void leave(struct known_addresses *all, struct known *known)
{
	struct known **link = bucket(all, &known->neighbour);

	while (*link != known)
		link = &(*link)->next;
	*link = known->next;
	*known->link_of_mac = known->next_of_mac;
	if (known->next_of_mac)
		known->next_of_mac->link_of_mac = known->link_of_mac;
}

/* Without memory for more buckets the lists in them get longer. */
static void grow(struct known_addresses *all)
{
	struct known_addresses grown = *all;

	grown.n_buckets = all->n_buckets ? 2 * all->n_buckets : BUCKETS_MIN;
	grown.buckets = calloc(grown.n_buckets, sizeof(struct known *));
	grown.buckets_of_mac = calloc(grown.n_buckets, sizeof(struct known *));
	if (!grown.buckets || !grown.buckets_of_mac) {
		free(grown.buckets);
		free(grown.buckets_of_mac);
		return;
	}
	for (size_t i = 0; i < all->n_buckets; i++) {
		for (struct known *next, *known = all->buckets[i]; known; known = next) {
			next = known->next;
			enter(&grown, known);
		}
	}
	free(all->buckets);
	free(all->buckets_of_mac);
	all->buckets = grown.buckets;
	all->buckets_of_mac = grown.buckets_of_mac;
	all->n_buckets = grown.n_buckets;
}

static void leave_here(struct known *known)
{
	if (!known->link_here)
		return;
	*known->link_here = known->next_here;
	if (known->next_here)
		known->next_here->link_here = known->link_here;
	known->link_here = NULL;
}

static void enter_here(struct known_addresses *all, struct known *known)
{
	if (known->link_here)
		return;
	known->next_here = all->here;
	known->link_here = &all->here;
	if (all->here)
		all->here->link_here = &known->next_here;
	all->here = known;
}

static void forget(struct known_addresses *all, struct known *known)
{
	leave(all, known);
	leave_here(known);
	all->n--;
	free(known);
}

void known_tidy(struct known_addresses *all, uint64_t now)
{
	for (size_t i = 0; i < all->n_buckets; i++) {
		for (struct known *next, *known = all->buckets[i]; known; known = next) {
			next = known->next;
			if (known->place == KNOWN_GONE && now - known->gone_usec > KNOWN_GONE_USEC)
				forget(all, known);
		}
	}
}

static struct known *add(struct known_addresses *all, const struct neighbour *neighbour)
{
	struct known *known;

	if (all->n == KNOWN_MAX)
		known_tidy(all, UINT64_MAX);
	if (all->n >= all->n_buckets)
		grow(all);
	known = all->n_buckets && all->n < KNOWN_MAX ? calloc(1, sizeof(*known)) : NULL;
	if (!known)
		return NULL;
	known->neighbour = *neighbour;
	enter(all, known);
	all->n++;
	known->place = KNOWN_GONE;
	return known;
}

struct known *known_set(struct known_addresses *all, const struct neighbour *neighbour,
			enum known_place place, bool *is_new)
{
	struct known *known = known_find(all, neighbour);

	*is_new = !known || known->place != place ||
		  !mac_address_equal(&known->neighbour.mac, &neighbour->mac);
	if (!known)
		known = add(all, neighbour);
	if (!known)
		return NULL;
	if (*is_new)
		known->is_kept = place == KNOWN_ELSEWHERE;
	if (!mac_address_equal(&known->neighbour.mac, &neighbour->mac)) {
		leave(all, known);
		known->neighbour = *neighbour;
		enter(all, known);
	}
	known->place = place;
	known->round = all->round;
	if (place == KNOWN_HERE)
		enter_here(all, known);
	else
		leave_here(known);
	return known;
}

void known_unset(struct known_addresses *all, struct known *known, uint64_t now)
{
	if (known->place == KNOWN_GONE)
		return;
	if (!known->is_kept) {
		forget(all, known);
		return;
	}
	leave_here(known);
	known->place = KNOWN_GONE;
	known->gone_usec = now;
}

void known_begin(struct known_addresses *all)
{
	all->round++;
}

void known_end(struct known_addresses *all, uint64_t now)
{
	for (size_t i = 0; i < all->n_buckets; i++) {
		for (struct known *next, *known = all->buckets[i]; known; known = next) {
			next = known->next;
			if (known->round != all->round)
				known_unset(all, known, now);
		}
	}
}

/* Where it is counts more than where it was. */
static bool is_better(const struct known *known, const struct known *best)
{
	if (!best || (known->place == KNOWN_ELSEWHERE) != (best->place == KNOWN_ELSEWHERE))
		return !best || known->place == KNOWN_ELSEWHERE;
	return known->gone_usec > best->gone_usec;
}

bool known_ipv4(const struct known_addresses *all, const struct ipv4_subnet *subnet,
		const struct mac_address *mac, struct in_addr *address)
{
	const struct known *known = all->n_buckets ? *bucket_of_mac(all, mac) : NULL;
	const struct known *best = NULL;

	for (; known; known = known->next_of_mac)
		if (known->neighbour.family == AF_INET && known->place != KNOWN_HERE &&
		    mac_address_equal(&known->neighbour.mac, mac) &&
		    ipv4_subnet_contains(subnet, known->neighbour.address.ipv4) &&
		    is_better(known, best))
			best = known;
	if (best)
		*address = best->neighbour.address.ipv4;
	return best;
}

void known_clear(struct known_addresses *all)
{
	for (size_t i = 0; i < all->n_buckets; i++) {
		for (struct known *next, *known = all->buckets[i]; known; known = next) {
			next = known->next;
			free(known);
		}
	}
	free(all->buckets);
	free(all->buckets_of_mac);
	*all = (struct known_addresses){ 0 };
}
