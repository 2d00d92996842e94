/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which machine has which address on a network that is on several hosts: as the kernel says of
 * here, and a routing daemon of elsewhere. What was known of elsewhere is kept for a while: of a
 * machine that moves it is withdrawn there before it is attached here. No system calls.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_KNOWN_H
#define VMNET_BROKER_LINUX_VXLAN_KNOWN_H

#include "host/neighbours.h"

/* Machines' addresses of a network, at most: whoever is on it can make them. */
#define KNOWN_MAX 65536U

/* How long what has gone is kept. */
#define KNOWN_GONE_USEC ((uint64_t)600 * 1000 * 1000)

enum known_place {
	KNOWN_HERE,
	KNOWN_ELSEWHERE,
	KNOWN_GONE, /* was elsewhere */
};

/* Of an address: whose it is, or was last. */
struct known {
	struct known *next; /* of those in one bucket by their addresses, */
	struct known *next_of_mac; /* and by their MAC addresses: of one that may be all */
	struct known **link_of_mac;
	struct known *next_here; /* all others that are here */
	struct known **link_here;
	struct neighbour neighbour;
	enum known_place place;
	bool is_kept; /* when it goes from here */
	unsigned int round; /* of known_begin(), when it was said last */
	uint64_t gone_usec;
};

/* All zero: none. */
struct known_addresses {
	struct known **buckets;
	struct known **buckets_of_mac; /* as many */
	size_t n_buckets;
	size_t n;
	struct known *here;
	unsigned int round;
};

/*
 * What is said of an address. place: KNOWN_HERE or KNOWN_ELSEWHERE. Returns what is known of it, or
 * NULL when there is no room or no memory for more. *is_new: it is somebody else's, or elsewhere,
 * than it was.
 */
struct known *known_set(struct known_addresses *all, const struct neighbour *neighbour,
			enum known_place place, bool *is_new);

/* Nobody has it any more. now: of the loop's clock. */
void known_unset(struct known_addresses *all, struct known *known, uint64_t now);

/* Of whom family and address are given. NULL: nothing is known. */
struct known *known_find(const struct known_addresses *all, const struct neighbour *neighbour);

/* All will be said anew; and was: who was not among them has gone. */
void known_begin(struct known_addresses *all);
void known_end(struct known_addresses *all, uint64_t now);

/* Forgets what has gone a while ago. */
void known_tidy(struct known_addresses *all, uint64_t now);

/*
 * The IPv4 address in a subnet that a MAC address has, or had last, elsewhere. Returns false when
 * none is known.
 */
bool known_ipv4(const struct known_addresses *all, const struct ipv4_subnet *subnet,
		const struct mac_address *mac, struct in_addr *address);

void known_clear(struct known_addresses *all);

#endif
