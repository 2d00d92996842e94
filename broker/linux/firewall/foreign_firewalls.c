/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts rules into other programs' chains that would drop machines' packets, and takes them back.
 * What those chains are is told by host/ruleset.h and host/foreign_table.h.
 *
 * Every table of nftables sees every packet: what ours accept, another
 * program's may still drop. Where one has a chain for input, output or forward
 * that stops whatever none of its rules are about (see ruleset.c), rules of ours
 * are put into that chain, right before the stop:
 *
 *	forward		from and to the network's bridge. What of it passes is
 *			up to our own table, which sees it as well.
 *	input		DHCP, DNS and ICMP from the bridge; nothing else
 *	output		the answers, to the bridge; nothing else
 *
 * Of a network on several hosts the host's own device there is let pass as the bridge is, but
 * for DHCP, and what comes from the other hosts at the VXLAN's port.
 *
 * A table that stops what the host itself sends is a VPN's kill switch, or its
 * like. In its forward only what machines of a network send each other is let
 * pass, so that no packet leaves the host by a rule of ours, unless the network
 * has "bypass_kill_switch". That holds whether a tunnel is there or not: who may
 * use it is for these rules to say.
 *
 * They stand after the other program's own rules, so that all that these drop
 * stays dropped. The comment "vmnet-broker NETWORK" tells them from everybody
 * else's. A chain whose rules know the bridge already is left as it is, but for the VXLAN's
 * port: a zone of firewalld, or what the administrator has allowed.
 *
 * A stop at the end of forward also keeps strangers from other programs'
 * networks, those of Docker's containers for one. Machines stay such strangers:
 * see others_chain.h.
 *
 * Rules in the tables of iptables-nft may use only what iptables itself
 * understands, or it refuses to work on these tables: hence no sets and no
 * connection states. The older x_tables of iptables-legacy are out of reach of
 * nftables, and so are tables that have an owner; doctor names both.
 *
 * When others change their rules, or a default route, all of this is looked at
 * again. What is in its place stays untouched, so that two programs that do the
 * same have an end.
 */
#include "foreign_firewalls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memstream.h"
#include "broker/broker.h"
#include "broker/linux/linux.h"
#include "broker/linux/shortage.h"
#include "host/foreign_table.h"
#include "host/names.h"
#include "host/nftables.h"
#include "host/ruleset.h"
#include "others_chain.h"

/* All_DHCP_Relay_Agents_and_Servers */
#define DHCPV6_SERVERS "ff02::1:2"

#define UNLISTED "other packet filters cannot be looked at; memory may be short"

/* A network that is there; network_config is the policy's, these are copies. */
struct opened {
	struct opened *next;
	char name[NETWORK_NAME_MAX + 1];
	char bridge[INTERFACE_NAME_SIZE];
	char external[INTERFACE_NAME_SIZE]; /* "": whatever routes say */
	char gateway[INET_ADDRSTRLEN];
	char ipv6_gateway[INET6_ADDRSTRLEN]; /* "": no IPv6 */
	/* Of a network on several hosts: */
	char own[INTERFACE_NAME_SIZE]; /* the host's own device there; "": it is on one */
	char own_address[INET_ADDRSTRLEN];
	uint16_t vxlan_port;
	int family; /* of hosts */
	union forwarding_address *hosts; /* the others */
	size_t n_hosts;
	bool shared;
	bool bypass; /* of rules that close the host's own way out */
	bool isolated;
	bool dhcp;
	bool dns;
	struct others_chain others;
	bool refused; /* that a table refuses our rules has been logged */
	bool kept_in; /* that a kill switch is left alone has been logged */
};

static struct opened *networks;

/* What is to be done to a chain, as it is written down. */
struct visit {
	FILE *file;
	struct foreign_tables *tables;
	json_t *list; /* of the chain's table */
	const struct base_chain *chain;
	const struct opened *network; /* NULL: it goes */
	const char *name; /* of the network */
	bool is_known; /* the chain has its own word about the network's bridge */
	char place[24]; /* "handle N", or "" for the chain's end */
	size_t n_rules; /* written, or counted when file is NULL */
};

/* Rules */

__attribute__((format(printf, 2, 3))) static void write_rule(struct visit *visit,
							     const char *format, ...)
{
	const struct base_chain *chain = visit->chain;
	va_list arguments;

	visit->n_rules++;
	if (!visit->file)
		return;
	(void)fprintf(visit->file, "%s rule %s %s %s %s ", *visit->place ? "insert" : "add",
		      chain->family, chain->table, chain->name, visit->place);
	va_start(arguments, format);
	(void)vfprintf(visit->file, format, arguments);
	va_end(arguments);
	(void)fprintf(visit->file, " accept comment \"" RULESET_COMMENT "%s\"\n", visit->name);
}

/* Rules that close the host's own way out keep that of machines closed. */
static bool may_go_out(const struct visit *visit)
{
	return visit->network->shared &&
	       (visit->network->bypass || !ruleset_closes_host(visit->list, visit->chain));
}

static void write_forward(struct visit *visit)
{
	const struct opened *network = visit->network;

	if (may_go_out(visit)) {
		write_rule(visit, "iifname \"%s\"", network->bridge);
		write_rule(visit, "oifname \"%s\"", network->bridge);
		if (*network->own) {
			write_rule(visit, "iifname \"%s\"", network->own);
			write_rule(visit, "oifname \"%s\"", network->own);
		}
	} else if (!network->isolated || *network->own) {
		/* With br_netfilter frames from port to port are forwarded, too. */
		write_rule(visit, "iifname \"%s\" oifname \"%s\"", network->bridge,
			   network->bridge);
	}
}

/* What rules call the bridge, and the host's address and port. */
struct side {
	const char *bridge, *address, *port;
};

static const struct side asking = { "iifname", "daddr", "dport" };
static const struct side answering = { "oifname", "saddr", "sport" };

static void write_dns(struct visit *visit, const struct side *side, const char *bridge,
		      const char *family, const char *address)
{
	write_rule(visit, "%s \"%s\" %s %s %s udp %s 53", side->bridge, bridge, family,
		   side->address, address, side->port);
	write_rule(visit, "%s \"%s\" %s %s %s tcp %s 53", side->bridge, bridge, family,
		   side->address, address, side->port);
}

static void write_ipv4_services(struct visit *visit, const struct side *side)
{
	const struct opened *network = visit->network;

	if (network->dhcp)
		write_rule(visit, "%s \"%s\" ip protocol udp udp %s 67", side->bridge,
			   network->bridge, side->port);
	if (network->dns)
		write_dns(visit, side, network->bridge, "ip", network->gateway);
	write_rule(visit, "%s \"%s\" ip protocol icmp", side->bridge, network->bridge);
	if (!*network->own)
		return;
	if (network->dns)
		write_dns(visit, side, network->own, "ip", network->own_address);
	write_rule(visit, "%s \"%s\" ip protocol icmp", side->bridge, network->own);
}

static void write_ipv6_services(struct visit *visit, const struct side *side)
{
	const struct opened *network = visit->network;
	const char *server = side == &asking ? DHCPV6_SERVERS : GATEWAY_LINK_LOCAL;

	if (network->dhcp)
		write_rule(visit, "%s \"%s\" ip6 %s %s udp %s 547", side->bridge, network->bridge,
			   side->address, server, side->port);
	if (network->dns) {
		write_dns(visit, side, network->bridge, "ip6", network->ipv6_gateway);
		write_dns(visit, side, network->bridge, "ip6", GATEWAY_LINK_LOCAL);
	}
	write_rule(visit, "%s \"%s\" meta l4proto icmpv6", side->bridge, network->bridge);
	if (*network->own)
		write_rule(visit, "%s \"%s\" meta l4proto icmpv6", side->bridge, network->own);
}

static void write_services(struct visit *visit, const struct side *side)
{
	const char *family = visit->chain->family;

	if (strcmp(family, "ip6") != 0)
		write_ipv4_services(visit, side);
	if (strcmp(family, "ip") != 0 && *visit->network->ipv6_gateway)
		write_ipv6_services(visit, side);
}

/*
 * What machines elsewhere send comes in by these, and what goes to them leaves by these: as their
 * packets do, not where the host may send nothing itself.
 */
static void write_vxlan(struct visit *visit, const struct side *side)
{
	const struct opened *network = visit->network;
	const bool is_ipv4 = network->family == AF_INET;
	char address[INET6_ADDRSTRLEN];

	if (strcmp(visit->chain->family, is_ipv4 ? "ip6" : "ip") == 0 ||
	    (side == &answering && !network->bypass))
		return;
	for (size_t i = 0; i < network->n_hosts; i++)
		write_rule(visit, "%s %s %s udp dport %u", is_ipv4 ? "ip" : "ip6",
			   side == &asking ? "saddr" : "daddr",
			   inet_ntop(network->family, &network->hosts[i], address, sizeof(address)),
			   network->vxlan_port);
}

static void write_rules(struct visit *visit)
{
	const char *hook = visit->chain->hook;
	const struct side *side = strcmp(hook, "input") == 0 ? &asking : &answering;

	if (strcmp(hook, "forward") == 0) {
		write_forward(visit);
		return;
	}
	if (!visit->is_known)
		write_services(visit, side);
	write_vxlan(visit, side);
}

/* Others' chains */

/* Whether our rules are as many as they should be, with nobody else's between them and the end. */
static bool is_in_place(const struct visit *visit, const struct chain_end *end, size_t n_wanted)
{
	size_t n_own = 0;
	bool apart = false;
	bool passed = false;
	json_t *item;
	size_t i;

	json_array_foreach(visit->list, i, item) {
		json_t *rule = ruleset_rule(item, visit->chain);

		if (!ruleset_rule_is_in(rule, visit->chain->name))
			continue;
		passed = passed || rule == end->rule;
		if (ruleset_rule_is_own(rule, visit->name)) {
			n_own++;
			apart = apart || passed;
		} else if (n_own && !passed && !ruleset_rule_is_own(rule, NULL)) {
			apart = true;
		}
	}
	return n_own == n_wanted && !apart;
}

static void remove_rules(const struct visit *visit)
{
	const struct base_chain *chain = visit->chain;
	json_t *item;
	size_t i;

	json_array_foreach(visit->list, i, item) {
		json_t *rule = ruleset_rule(item, chain);

		if (ruleset_rule_is_in(rule, chain->name) && ruleset_rule_is_own(rule, visit->name))
			(void)fprintf(visit->file,
				      "delete rule %s %s %s handle %" JSON_INTEGER_FORMAT "\n",
				      chain->family, chain->table, chain->name,
				      json_integer_value(json_object_get(rule, "handle")));
	}
}

/* Whether the network's packets are stopped, and nobody else has decided about all of them. */
static bool is_in_the_way(struct visit *visit, const struct chain_end *end)
{
	if (!visit->network || !end->stops)
		return false;
	visit->is_known =
		ruleset_names_interface(visit->list, visit->chain, visit->network->bridge, false);
	return !visit->is_known ||
	       (*visit->network->own && strcmp(visit->chain->hook, "forward") != 0);
}

/*
 * Writes what has to be done to one chain. again: also when all seems to be in
 * its place. Returns whether packets through it depend on us.
 */
static bool visit_chain(struct visit *visit, bool again)
{
	struct chain_end end = ruleset_chain_end(visit->list, visit->chain);
	bool opens = is_in_the_way(visit, &end);
	struct visit count = *visit;

	count.file = NULL;
	if (opens)
		write_rules(&count);
	if (count.n_rules ? !again && is_in_place(visit, &end, count.n_rules)
			  : is_in_place(visit, &end, 0))
		return opens;
	remove_rules(visit);
	if (!opens)
		return false;
	if (end.rule)
		(void)snprintf(visit->place, sizeof(visit->place), "handle %" JSON_INTEGER_FORMAT,
			       json_integer_value(json_object_get(end.rule, "handle")));
	write_rules(visit);
	return true;
}

/* All of them */

static void warn_once(const struct base_chain *chain, struct opened *network, const char *reason)
{
	if (!network || network->refused)
		return;
	network->refused = true;
	log_warning(network->name,
		    "table %s %s of another packet filter stops its machines' packets, and cannot "
		    "be changed (\"vmnetctl doctor\" knows the remedy): %s",
		    chain->family, chain->table, reason);
}

/* Packets are stopped by the chain of the visit. */
static void tell_of_kill_switch(const struct visit *visit, struct opened *network)
{
	if (network->kept_in || !network->shared || may_go_out(visit))
		return;
	network->kept_in = true;
	log_info(network->name,
		 "table %s %s of another packet filter closes the host's own way out, and its "
		 "machines' with it (\"bypass_kill_switch\" lets them pass)",
		 visit->chain->family, visit->chain->table);
}

/* network: NULL, when it goes; what it leaves behind nobody would remove. */
static int check(const struct opened *network, int result)
{
	return network ? result : shortage_check(result);
}

/* Runs what a visit has written, if anything. */
static void run(struct visit *visit, struct opened *network, char *text)
{
	struct error error;
	int result;

	if (text && !*text) {
		free(text);
		return;
	}
	result = check(network, nftables_run(text, &error));
	if (result < 0)
		warn_once(visit->chain, network, error.reason);
	foreign_tables_forget(visit->tables);
}

static bool forwards_so_far(const struct opened *network)
{
	return network && network->others.text;
}

static int keep_others(struct opened *network)
{
	if (!network->shared)
		return 0;
	return others_chain_keep(&network->others, network->name, network->external);
}

/* One chain in one transaction: a table that refuses ours keeps nothing else from being done. */
static bool change_chain(struct visit *visit, struct opened *network, bool again)
{
	bool forwards;
	char *text;
	size_t size;

	visit->file = open_memstream(&text, &size);
	if (!visit->file) {
		run(visit, network, NULL);
		return forwards_so_far(network);
	}
	forwards = visit_chain(visit, again) && strcmp(visit->chain->hook, "forward") == 0;
	if (forwards)
		tell_of_kill_switch(visit, network);
	text = memstream_close(visit->file, &text);
	if (forwards && keep_others(network) < 0)
		free(text);
	else
		run(visit, network, text);
	return forwards;
}

/* Only its owner may change the table. */
static void complain_of_owner(struct visit *visit, struct opened *network, uint32_t owner)
{
	struct chain_end end = ruleset_chain_end(visit->list, visit->chain);
	char reason[64];

	if (!is_in_the_way(visit, &end))
		return;
	write_rules(visit);
	(void)snprintf(reason, sizeof(reason), "process %" PRIu32 " keeps it for itself", owner);
	if (visit->n_rules)
		warn_once(visit->chain, network, reason);
}

/*
 * Returns whether packets are forwarded through the chain by our rules. When it
 * cannot be listed, they may be if they were so far.
 */
static bool look_at_chain(const struct base_chain *chain, struct foreign_tables *tables,
			  struct opened *network, const char *name, bool again)
{
	struct visit visit = { .chain = chain, .tables = tables, .network = network, .name = name };
	struct foreign_table table;
	bool forwards = false;

	if (check(network, foreign_table_get(chain, &table)) < 0 ||
	    (table.owner && (!network || network->refused)))
		return false;
	visit.list = foreign_table_list(tables, chain, &table);
	if (!visit.list) {
		(void)check(network, -errno);
		return forwards_so_far(network);
	}
	if (table.owner)
		complain_of_owner(&visit, network, table.owner);
	else
		forwards = change_chain(&visit, network, again);
	json_decref(visit.list);
	return forwards;
}

/* network: NULL, when it goes. */
static void look_at_chains(struct foreign_tables *tables, struct opened *network, const char *name,
			   bool again)
{
	struct base_chain chain;
	bool forwards = false;
	json_t *item;
	size_t i;

	if (network)
		network->others.is_right = false;
	json_array_foreach(tables->chains, i, item) {
		if (ruleset_chain(item, &chain) == 0 &&
		    look_at_chain(&chain, tables, network, name, again))
			forwards = true;
	}
	if (network && !forwards)
		others_chain_empty(&network->others, network->name);
}

/* Of one network. Returns 0, or a negative errno when the chains cannot be listed. */
static int look_again(struct opened *network, const char *name)
{
	struct foreign_tables tables;
	int result = foreign_tables_open(&tables);

	if (result < 0)
		return result;
	look_at_chains(&tables, network, name, true);
	foreign_tables_close(&tables);
	return 0;
}

static struct opened **find(const char *name)
{
	struct opened **link = &networks;

	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

/* Returns 0 or -ENOMEM. */
static int fill_vxlan(struct opened *opened, const struct network_config *config,
		      const struct network_addresses *addresses)
{
	const struct vxlan *vxlan = &config->vxlan;

	free(opened->hosts);
	opened->hosts = NULL;
	opened->n_hosts = 0;
	opened->own[0] = '\0';
	if (!addresses->vxlan_host)
		return 0;
	opened->hosts = calloc(vxlan->n_hosts, sizeof(*opened->hosts));
	if (!opened->hosts)
		return -ENOMEM;
	for (size_t i = 0; i < vxlan->n_hosts; i++)
		if (i + 1 != addresses->vxlan_host)
			opened->hosts[opened->n_hosts++] = vxlan->hosts[i].address;
	own_name(addresses->bridge, opened->own);
	inet_ntop(AF_INET, &addresses->own_ipv4, opened->own_address, sizeof(opened->own_address));
	opened->family = vxlan->family;
	opened->vxlan_port = vxlan->port;
	return 0;
}

static int fill(struct opened *opened, const struct network_config *config,
		const struct network_addresses *addresses)
{
	(void)snprintf(opened->name, sizeof(opened->name), "%s", config->name);
	(void)snprintf(opened->bridge, sizeof(opened->bridge), "%s", addresses->bridge);
	(void)snprintf(opened->external, sizeof(opened->external), "%s",
		       config->external_interface ? config->external_interface : "");
	inet_ntop(AF_INET, &addresses->ipv4_gateway, opened->gateway, sizeof(opened->gateway));
	if (addresses->ipv6_prefix.length)
		inet_ntop(AF_INET6, &addresses->ipv6_gateway, opened->ipv6_gateway,
			  sizeof(opened->ipv6_gateway));
	opened->shared = config->mode == NETWORK_SHARED;
	opened->bypass = config->bypass_kill_switch;
	opened->isolated = config->isolated;
	opened->dhcp = config->dhcp;
	opened->dns = config->dns_proxy;
	return fill_vxlan(opened, config, addresses);
}

int foreign_firewalls_open(const struct network_config *config,
			   const struct network_addresses *addresses, struct error *error)
{
	struct opened **link = find(config->name);

	if (!*link)
		*link = calloc(1, sizeof(**link));
	if (*link && fill(*link, config, addresses) == 0) {
		others_chain_forget(&(*link)->others);
		if (look_again(*link, (*link)->name) == 0)
			return 0;
	}
	return error_set(error, ERROR_CREATE_FAILED, UNLISTED);
}

int foreign_firewalls_close(const char *network, struct error *error)
{
	struct opened **link = find(network);
	struct opened *opened = *link;
	int result;

	if (opened) {
		*link = opened->next;
		others_chain_forget(&opened->others);
		free(opened->hosts);
		free(opened);
	}
	result = look_again(NULL, network);
	if (result < 0)
		(void)error_set(error, ERROR_CREATE_FAILED, UNLISTED);
	return result;
}

void foreign_firewalls_refresh(void)
{
	struct foreign_tables tables;

	if (!networks)
		return;
	if (foreign_tables_open(&tables) < 0) {
		log_warning(NULL, UNLISTED);
		return;
	}
	for (struct opened *network = networks; network; network = network->next)
		look_at_chains(&tables, network, network->name, false);
	foreign_tables_close(&tables);
}
