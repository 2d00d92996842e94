/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two tables that all networks share, each written by a file of its own: for rules.c alone.
 * What a file writes is what the table has at least, and all of it of one network.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_TABLES_H
#define VMNET_BROKER_LINUX_FIREWALL_TABLES_H

#include <stdio.h>

#include "rules.h"

/* What both are written from. */
struct rules {
	const char *family; /* of the table that is being written */
	FILE *declared; /* its chains, without rules */
	FILE *emptied; /* commands that take the rules from each */
	FILE *file; /* its maps and chains */
	size_t n_elements; /* of the network, in all maps */
	const struct network_config *config;
	const struct firewall_place *place;
	const char *name; /* of the network */
	const char *bridge;
	struct ipv4_subnet ipv4_subnet;
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char gateway[INET_ADDRSTRLEN];
	uint32_t gateway_value; /* host byte order */
	bool has_ipv6;
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	struct in6_addr ipv6_prefix;
	struct in6_addr ipv6_gateway;
	struct mac_address bridge_mac;
	/* Of a network on several hosts: */
	const struct vxlan_host *host; /* this one; NULL: the network is on one */
	char own[INTERFACE_NAME_SIZE]; /* the host's own device */
};

/* What passes to, from and through the host. */
void write_inet_table(struct rules *rules);

/* What machines say to each other and to the host. */
void write_bridge_table(struct rules *rules);

/*
 * What either table has besides, of a network on several hosts: chains, and what is in others'
 * chains of the network. See vxlan_rules.c.
 */
void write_vxlan_in_inet(const struct rules *rules);
void write_vxlan_between(const struct rules *rules);
void write_vxlan_in_bridge(const struct rules *rules);
void write_vxlan_claims(const struct rules *rules);

/* A chain's rules by which a frame that may be of a machine finds the chain of its protocol. */
void write_protocols(const struct rules *rules);

/*
 * The start of a chain, whose rules follow, and a line that has a "}".
 *
 * hook: "type ... hook ... priority ..." of a base chain; NULL: it has none.
 */
void write_chain(const struct rules *rules, const char *name, const char *hook);

/* The same of a chain of the network's own. */
void write_own_chain(const struct rules *rules, const char *kind, const char *hook);

/* Rules of a chain by which all packets of ours find their network's; no other gets any further. */
void write_way(const struct rules *rules, const char *name, const char *match);

/*
 * What keys of a map are. Links are known by their groups: see firewall.h. The kernel
 * finds keys faster in as much room as networks will ever need.
 */
#define KEY_GROUP "type devgroup : verdict\nsize 4096"
#define KEY_SUBNET "type ipv4_addr : verdict\nflags interval"
#define KEY_PREFIX "type ipv6_addr : verdict\nflags interval"
#define KEY_ADVERTISED "typeof @th,256,128 : verdict"

/*
 * A map with the network's one element, which leads to the network's chain of
 * that kind.
 *
 * key: NULL: it has none there.
 * how: "goto" or "jump".
 */
void write_map(struct rules *rules, const char *name, const char *type, const char *key,
	       const char *how, const char *kind);

/* The same for groups of links: each leads to its kind of chain, or, that being NULL, nowhere. */
struct group_element {
	uint32_t group;
	const char *kind;
};

void write_group_map(struct rules *rules, const char *name, const char *how,
		     const struct group_element *elements, size_t n);

/* A rule for what comes by bridges of ours ("iif"), or leaves by them ("oif"). */
void write_for_bridges(const struct rules *rules, const char *side, const char *verdict);

/*
 * Both ends of a connection are told, when it begins, what fits through the routes
 * to either: a way out may be narrower than the network, and what says so may be lost on its
 * way.
 */
void write_segment_size(const struct rules *rules);

/* The label of a connection to a forwarded port, one of 128 that connections can have. */
#define CAME_IN_ELSEWHERE 118U

/* Ports are forwarded, and connections to them may begin elsewhere than behind the uplink. */
bool has_other_ways_in(const struct rules *rules);

/* A rule that leads what matches to the network's chain of that kind. */
__attribute__((format(printf, 3, 4))) void write_goto(const struct rules *rules, const char *kind,
						      const char *format, ...);

/*
 * Accepts what is from an address of the network, or from none yet, to another of
 * the network or to everybody: in a chain of either table.
 */
void write_within_network(const struct rules *rules);

/* An address of IPv6 as the digits of one number, without the 0x. */
void address_bits_format(const struct in6_addr *address, char text[2 * sizeof(*address) + 1]);

#endif
