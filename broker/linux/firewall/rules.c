/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the text together: two tables, of the same name. The one of family inet (inet_table.c) is
 * about packets that the host handles, the one of family bridge (bridge_table.c) about every
 * frame of a machine.
 *
 * An accept here is only the end of our own objections: rules of others have
 * their say in tables of theirs.
 *
 * What is dropped otherwise is never let pass by a set or map: while a table is
 * replaced, those of the old one are empty already for the packets still in it.
 */
#include "rules.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/memstream.h"
#include "tables.h"

void write_table_start(const struct rules *rules, const char *family)
{
	const char *name = rules->config->name;

	/* To add it first makes deleting it succeed, whether it was there or not. */
	(void)fprintf(rules->file,
		      "add table %s " FIREWALL_TABLE_PREFIX "%s\n"
		      "delete table %s " FIREWALL_TABLE_PREFIX "%s\n"
		      "table %s " FIREWALL_TABLE_PREFIX "%s {\n",
		      family, name, family, name, family, name);
}

/* From 224.0.0.0 on nothing is one host's: multicast, broadcast. */
void write_within_network(const struct rules *rules)
{
	(void)fprintf(rules->file,
		      "ip saddr %s ip daddr %s accept\n"
		      "ip saddr %s ip daddr >= 224.0.0.0 accept\n"
		      "ip saddr 0.0.0.0 accept\n"
		      "ip6 saddr fe80::/10 ip6 daddr ff00::/8 accept\n"
		      "ip6 saddr :: accept\n",
		      rules->subnet, rules->subnet, rules->subnet);
	if (rules->has_ipv6)
		(void)fprintf(rules->file,
			      "ip6 saddr %s ip6 daddr %s accept\n"
			      "ip6 saddr %s ip6 daddr ff00::/8 accept\n",
			      rules->prefix, rules->prefix, rules->prefix);
}

void write_address_bits(const struct rules *rules, const struct in6_addr *address)
{
	for (size_t i = 0; i < sizeof(address->s6_addr); i++)
		(void)fprintf(rules->file, "%02x", address->s6_addr[i]);
}

char *firewall_rules(const struct network_config *config, const struct network_addresses *addresses,
		     uint32_t port_group, bool ipv6_loopback, uid_t server)
{
	struct rules rules = {
		.config = config,
		.bridge = addresses->bridge,
		.gateway_value = ntohl(addresses->ipv4_gateway.s_addr),
		.has_ipv6 = addresses->ipv6_prefix.length != 0,
		.bridge_mac = addresses->bridge_mac,
		.port_group = port_group,
		.ipv6_loopback = ipv6_loopback,
		.server = server,
	};
	char *text;
	size_t size;

	ipv4_subnet_format(&addresses->ipv4_subnet, rules.subnet);
	inet_ntop(AF_INET, &addresses->ipv4_gateway, rules.gateway, sizeof(rules.gateway));
	if (rules.has_ipv6) {
		ipv6_prefix_format(&addresses->ipv6_prefix, rules.prefix);
		rules.ipv6_prefix = addresses->ipv6_prefix.address;
		rules.ipv6_gateway = addresses->ipv6_gateway;
	}
	rules.file = open_memstream(&text, &size);
	if (!rules.file)
		return NULL;
	write_inet_table(&rules);
	write_bridge_table(&rules);
	return memstream_close(rules.file, &text);
}

char *firewall_rules_removal(const char *network)
{
	char *text;

	if (asprintf(&text,
		     "add table inet " FIREWALL_TABLE_PREFIX "%s\n"
		     "delete table inet " FIREWALL_TABLE_PREFIX "%s\n"
		     "add table bridge " FIREWALL_TABLE_PREFIX "%s\n"
		     "delete table bridge " FIREWALL_TABLE_PREFIX "%s\n",
		     network, network, network, network) < 0)
		return NULL;
	return text;
}

bool firewall_name_is_plain(const char *interface)
{
	for (const char *c = interface; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("._-@:", *c))
			return false;
	}
	return *interface != '\0' && *interface != '-';
}
