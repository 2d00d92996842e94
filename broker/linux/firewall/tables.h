/* SPDX-License-Identifier: Apache-2.0 */
/* The two tables of a network's rules, each written by a file of its own: for rules.c alone. */
#ifndef VMNET_BROKER_LINUX_FIREWALL_TABLES_H
#define VMNET_BROKER_LINUX_FIREWALL_TABLES_H

#include <stdio.h>

#include "rules.h"

/* What both are written from. */
struct rules {
	FILE *file;
	const struct network_config *config;
	const char *bridge;
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char gateway[INET_ADDRSTRLEN];
	uint32_t gateway_value; /* host byte order */
	bool has_ipv6;
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	struct in6_addr ipv6_prefix;
	struct in6_addr ipv6_gateway;
	struct mac_address bridge_mac;
	uint32_t port_group;
	bool ipv6_loopback;
	uid_t server;
};

/* What passes to, from and through the host. */
void write_inet_table(const struct rules *rules);

/* What machines say to each other and to the host. */
void write_bridge_table(const struct rules *rules);

/* The start of a table, in place of an older one; it ends with a line that has a "}". */
void write_table_start(const struct rules *rules, const char *family);

/*
 * Accepts what is from an address of the network, or from none yet, to another of
 * the network or to everybody: in a chain of either table.
 */
void write_within_network(const struct rules *rules);

/* An IPv6 address as the digits of one number, without the 0x. */
void write_address_bits(const struct rules *rules, const struct in6_addr *address);

#endif
