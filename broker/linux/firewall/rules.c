/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the text together: two tables of the same name, which all networks share. The one of
 * family inet (inet_table.c) is about packets that the host handles, the one of family bridge
 * (bridge_table.c) about every frame of a machine.
 *
 * However many networks there are, a packet passes one chain of a hook, and finds by a map, as a
 * rule by the interface it comes from or leaves by, the chain of its network: KIND-NAME. So what
 * others' packets pay does not depend on us:
 *
 *	base chain	is it of a bridge of ours, by some bits of its group?
 *	a way		which one is it of, by all of them? None: it is dropped
 *	own chain	what this network has to say
 *
 * An accept here is only the end of our own objections: rules of others have
 * their say in tables of theirs.
 *
 * A network's chains and elements are replaced in one transaction, before and
 * after which each packet finds all of them. No element ever leads to anything
 * but its network's chain of one kind, so that to add it again changes nothing.
 */
#include "rules.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memstream.h"
#include "tables.h"

void write_chain(const struct rules *rules, const char *name, const char *hook)
{
	(void)fprintf(rules->declared, "chain %s {\n", name);
	if (hook)
		(void)fprintf(rules->declared, "%s; policy accept;\n", hook);
	(void)fprintf(rules->declared, "}\n");
	(void)fprintf(rules->emptied, "flush chain %s " FIREWALL_TABLE " %s\n", rules->family,
		      name);
	(void)fprintf(rules->file, "chain %s {\n", name);
}

void write_own_chain(const struct rules *rules, const char *kind, const char *hook)
{
	char name[32 + NETWORK_NAME_MAX];

	(void)snprintf(name, sizeof(name), "%s-%s", kind, rules->name);
	write_chain(rules, name, hook);
}

void write_way(const struct rules *rules, const char *name, const char *match)
{
	write_chain(rules, name, NULL);
	(void)fprintf(rules->file, "%s\n%s}\n", match, rules->place->is_shared ? "" : "drop\n");
}

void write_map(struct rules *rules, const char *name, const char *type, const char *key,
	       const char *how, const char *kind)
{
	(void)fprintf(rules->file, "map %s {\n%s\n", name, type);
	if (key) {
		(void)fprintf(rules->file, "elements = { %s : %s %s-%s }\n", key, how, kind,
			      rules->name);
		rules->n_elements++;
	}
	(void)fprintf(rules->file, "}\n");
}

void write_group_map(struct rules *rules, const char *name, const char *how,
		     const struct group_element *elements, size_t n)
{
	const char *before = "elements = { ";

	(void)fprintf(rules->file, "map %s {\n" KEY_GROUP "\n", name);
	for (size_t i = 0; i < n; i++) {
		if (!elements[i].kind)
			continue;
		(void)fprintf(rules->file, "%s0x%08" PRIx32 " : %s %s-%s", before,
			      elements[i].group, how, elements[i].kind, rules->name);
		before = ", ";
		rules->n_elements++;
	}
	(void)fprintf(rules->file, *before == ',' ? " }\n}\n" : "}\n");
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

void address_bits_format(const struct in6_addr *address, char text[2 * sizeof(*address) + 1])
{
	for (size_t i = 0; i < sizeof(*address); i++)
		(void)sprintf(text + 2 * i, "%02x", address->s6_addr[i]);
}

static void write_old_removal(FILE *file, const char *network)
{
	/* To add it first makes deleting it succeed, whether it was there or not. */
	(void)fprintf(file,
		      "add table inet " FIREWALL_OLD_TABLE_PREFIX "%s\n"
		      "delete table inet " FIREWALL_OLD_TABLE_PREFIX "%s\n"
		      "add table bridge " FIREWALL_OLD_TABLE_PREFIX "%s\n"
		      "delete table bridge " FIREWALL_OLD_TABLE_PREFIX "%s\n",
		      network, network, network, network);
}

static void write_table(struct rules *rules, const char *family, void (*write)(struct rules *rules))
{
	rules->family = family;
	(void)fprintf(rules->declared, "table %s " FIREWALL_TABLE " {\n", family);
	(void)fprintf(rules->file, "table %s " FIREWALL_TABLE " {\n", family);
	write(rules);
	(void)fprintf(rules->declared, "}\n");
	(void)fprintf(rules->file, "}\n");
}

/* What was written, one after the other, or NULL when memory was short. Frees the parts. */
static char *join(char *parts[3])
{
	char *text;

	if (!parts[0] || !parts[1] || !parts[2] ||
	    asprintf(&text, "%s%s%s", parts[0], parts[1], parts[2]) < 0)
		text = NULL;
	for (size_t i = 0; i < 3; i++)
		free(parts[i]);
	return text;
}

static char *write_tables(struct rules *rules)
{
	FILE **const files[] = { &rules->declared, &rules->emptied, &rules->file };
	char *texts[3];
	size_t sizes[3];
	size_t n = 0;

	while (n < 3 && (*files[n] = open_memstream(&texts[n], &sizes[n])))
		n++;
	if (n == 3) {
		write_table(rules, "inet", write_inet_table);
		write_table(rules, "bridge", write_bridge_table);
		if (rules->place->replaces)
			write_old_removal(rules->file, rules->name);
	}
	for (size_t i = 0; i < 3; i++)
		texts[i] = i < n ? memstream_close(*files[i], &texts[i]) : NULL;
	return join(texts);
}

char *firewall_rules(const struct network_config *config, const struct network_addresses *addresses,
		     const struct firewall_place *place, size_t *n_elements)
{
	struct rules rules = {
		.config = config,
		.place = place,
		.name = config->name,
		.bridge = addresses->bridge,
		.ipv4_subnet = addresses->ipv4_subnet,
		.gateway_value = ntohl(addresses->ipv4_gateway.s_addr),
		.has_ipv6 = addresses->ipv6_prefix.length != 0,
		.bridge_mac = addresses->bridge_mac,
		.host = network_host(config, addresses),
	};
	char *text;

	ipv4_subnet_format(&addresses->ipv4_subnet, rules.subnet);
	inet_ntop(AF_INET, &addresses->ipv4_gateway, rules.gateway, sizeof(rules.gateway));
	if (rules.has_ipv6) {
		ipv6_prefix_format(&addresses->ipv6_prefix, rules.prefix);
		rules.ipv6_prefix = addresses->ipv6_prefix.address;
		rules.ipv6_gateway = addresses->ipv6_gateway;
	}
	if (rules.host)
		own_name(addresses->bridge, rules.own);
	text = write_tables(&rules);
	*n_elements = rules.n_elements;
	return text;
}

const char *firewall_chain_network(const char *chain)
{
	const char *dash = strchr(chain, '-');

	return dash ? dash + 1 : "";
}

bool firewall_name_is_plain(const char *interface)
{
	for (const char *c = interface; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("._-@:", *c))
			return false;
	}
	return *interface != '\0' && *interface != '-';
}
