/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: packet filters of Docker, firewalld, ufw and
 * others. Each table of the kernel sees each packet, so that one which drops
 * what it does not know drops machines' packets, whatever the broker's says.
 *
 * The broker puts rules of its own into such tables, see
 * broker/linux/neighbours.c. What is named here is where it could not: a
 * network is there, and a chain that stops what it does not know has no rule
 * about the network's bridge. The kernel's older filter is out of its reach.
 */
#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../broker/linux/names.h"
#include "../../broker/linux/ruleset.h"
#include "../doctor.h"
#include "doctor.h"

static bool has_chain(json_t *list, const struct base_chain *like, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		json_t *chain = json_object_get(item, "chain");
		const char *family, *table, *text;

		if (json_unpack(chain, "{s:s, s:s, s:s}", "family", &family, "table", &table,
				"name", &text) == 0 &&
		    strcmp(family, like->family) == 0 && strcmp(table, like->table) == 0 &&
		    strcmp(text, name) == 0)
			return true;
	}
	return false;
}

#define UFW_FORWARD "ufw route allow in on vmb-+ && ufw route allow out on vmb-+"
#define FIREWALLD_REMEDY "cp " FIREWALLD_ZONE " /etc/firewalld/zones && firewall-cmd --reload"
#define ACCEPT_FORWARD(program, chain) \
	program " -I " chain " -i vmb-+ -j ACCEPT && " program " -I " chain " -o vmb-+ -j ACCEPT"
#define ACCEPT_INPUT(program, port)                                                \
	program " -I INPUT -i vmb-+ -p udp --dport " port " -j ACCEPT && " program \
		" -I INPUT -i vmb-+ -p udp --dport 53 -j ACCEPT && " program       \
		" -I INPUT -i vmb-+ -p tcp --dport 53 -j ACCEPT"
#define IPTABLES_INPUT ACCEPT_INPUT("iptables", "67")
#define IP6TABLES_INPUT ACCEPT_INPUT("ip6tables", "547")

/*
 * What a program's rules are known by, and how to have it let machines pass.
 * In the order of looking: some stand on others' tables.
 */
static const struct neighbour {
	const char *name;
	const char *table;
	const char *chain; /* one that it makes; NULL: any */
	const char *family; /* NULL: any */
	const char *forward;
	const char *input;
} neighbours[] = {
	{ "ufw", "filter", "ufw-user-forward", "ip", UFW_FORWARD,
	  "ufw allow in on vmb-+ to any port 53 && ufw allow in on vmb-+ to any port 67 proto udp" },
	{ "ufw", "filter", "ufw6-user-forward", "ip6", UFW_FORWARD,
	  "ufw allow in on vmb-+ to any port 53 && ufw allow in on vmb-+ to any port 547 proto udp" },
	{ "firewalld", "firewalld", NULL, NULL, FIREWALLD_REMEDY, FIREWALLD_REMEDY },
	{ "Docker", "filter", "DOCKER-USER", "ip", ACCEPT_FORWARD("iptables", "DOCKER-USER"),
	  IPTABLES_INPUT },
	{ "Docker", "filter", "DOCKER-USER", "ip6", ACCEPT_FORWARD("ip6tables", "DOCKER-USER"),
	  IP6TABLES_INPUT },
	{ "iptables", "filter", NULL, "ip", ACCEPT_FORWARD("iptables", "FORWARD"), IPTABLES_INPUT },
	{ "ip6tables", "filter", NULL, "ip6", ACCEPT_FORWARD("ip6tables", "FORWARD"),
	  IP6TABLES_INPUT },
};

/* The kernel's older packet filter, which has its own chains for each family. */
static const struct old_filter {
	const char *program;
	const char *tables; /* a file that is empty while it is not used */
	const char *list;
	const char *forward;
	const char *input;
} old_filters[] = {
	{ "iptables-legacy", "/proc/net/ip_tables_names", "iptables-legacy -S",
	  ACCEPT_FORWARD("iptables-legacy", "FORWARD"), ACCEPT_INPUT("iptables-legacy", "67") },
	{ "ip6tables-legacy", "/proc/net/ip6_tables_names", "ip6tables-legacy -S",
	  ACCEPT_FORWARD("ip6tables-legacy", "FORWARD"), ACCEPT_INPUT("ip6tables-legacy", "547") },
};

static const struct neighbour *find_neighbour(json_t *list, const struct base_chain *chain)
{
	for (size_t i = 0; i < sizeof(neighbours) / sizeof(neighbours[0]); i++) {
		const struct neighbour *neighbour = &neighbours[i];

		if (strcmp(neighbour->table, chain->table) == 0 &&
		    (!neighbour->family || strcmp(neighbour->family, chain->family) == 0) &&
		    (!neighbour->chain || has_chain(list, chain, neighbour->chain)))
			return neighbour;
	}
	return NULL;
}

/* Frames between the ports of one bridge pass the forward chains, too. */
static bool bridge_is_filtered(void)
{
	FILE *file = fopen("/proc/sys/net/bridge/bridge-nf-call-iptables", "re");
	int value;

	if (!file)
		return false;
	value = fgetc(file);
	(void)fclose(file);
	return value == '1';
}

/* Which packets a forward chain has to do with. */
static const char *extent(void)
{
	return bridge_is_filtered() ? "from machines to the outside and (br_netfilter) each other"
				    : "from machines to the outside";
}

static void report_forward(const struct base_chain *chain, const struct neighbour *neighbour)
{
	char remedy[512];

	(void)snprintf(remedy, sizeof(remedy),
		       "nft 'insert rule %s %s %s iifname \"vmb-*\" accept; "
		       "insert rule %s %s %s oifname \"vmb-*\" accept'",
		       chain->family, chain->table, chain->name, chain->family, chain->table,
		       chain->name);
	doctor_problem(neighbour ? neighbour->forward : remedy,
		       "%s (table %s %s, chain %s) stops packets %s",
		       neighbour ? neighbour->name : "a packet filter", chain->family, chain->table,
		       chain->name, extent());
}

static void report_input(const struct base_chain *chain, const struct neighbour *neighbour)
{
	char remedy[512];

	(void)snprintf(remedy, sizeof(remedy),
		       "nft 'insert rule %s %s %s iifname \"vmb-*\" meta l4proto { tcp, udp } "
		       "th dport { 53, 67, 547 } accept'",
		       chain->family, chain->table, chain->name);
	doctor_problem(
		neighbour ? neighbour->input : remedy,
		"%s (table %s %s, chain %s) stops machines' requests for addresses and names",
		neighbour ? neighbour->name : "a packet filter", chain->family, chain->table,
		chain->name);
}

/* Whether machines of every network that there is get through the chain. */
static bool lets_bridges_pass(json_t *list, const struct base_chain *chain)
{
	struct if_nameindex *links = if_nameindex();
	bool pass = true;

	for (const struct if_nameindex *link = links; link && link->if_index && pass; link++) {
		if (strncmp(link->if_name, BRIDGE_PREFIX, strlen(BRIDGE_PREFIX)) == 0)
			pass = ruleset_names_bridge(list, chain, link->if_name, true);
	}
	if_freenameindex(links);
	return pass;
}

static void check_chain(json_t *list, json_t *item)
{
	struct base_chain chain;

	if (ruleset_chain(item, &chain) < 0 || !ruleset_chain_end(list, &chain).stops ||
	    lets_bridges_pass(list, &chain))
		return;
	if (strcmp(chain.hook, "forward") == 0)
		report_forward(&chain, find_neighbour(list, &chain));
	else
		report_input(&chain, find_neighbour(list, &chain));
}

/* All tables, chains and rules; NULL after saying why not. */
static json_t *list_ruleset(void)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	json_t *ruleset = NULL;

	if (!nft) {
		doctor_unknown("nft list ruleset", "cannot read packet filters: out of memory");
		return NULL;
	}
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON);
	if (nft_ctx_buffer_output(nft) == 0 && nft_ctx_buffer_error(nft) == 0 &&
	    nft_run_cmd_from_buffer(nft, "list ruleset") == 0)
		ruleset = json_loads(nft_ctx_get_output_buffer(nft), 0, NULL);
	if (!ruleset)
		doctor_unknown("nft list ruleset", "cannot read packet filters");
	nft_ctx_free(nft);
	return ruleset;
}

/* What "iptables -S" says of the tables that nftables does not know of. */
static void check_old_rules(FILE *rules, const char *program, const char *forward,
			    const char *input)
{
	bool stops_forward = false, stops_input = false;
	char line[1024];

	while (fgets(line, sizeof(line), rules)) {
		bool about_bridges = strstr(line, " " BRIDGE_PREFIX) != NULL;

		if (strncmp(line, "-P FORWARD DROP", strlen("-P FORWARD DROP")) == 0)
			stops_forward = true;
		else if (strncmp(line, "-P INPUT DROP", strlen("-P INPUT DROP")) == 0)
			stops_input = true;
		else if (about_bridges && strstr(line, " -o "))
			stops_forward = false;
		else if (about_bridges && strstr(line, " --dport "))
			stops_input = false;
	}
	if (stops_forward)
		doctor_problem(forward, "%s (chain FORWARD) stops packets %s", program, extent());
	if (stops_input)
		doctor_problem(input,
			       "%s (chain INPUT) stops machines' requests for addresses "
			       "and names",
			       program);
}

/* Docker and others may have used the kernel's older packet filter. */
static void check_old_filter(const struct old_filter *filter)
{
	FILE *file = fopen(filter->tables, "re");
	bool is_used = file && fgetc(file) != EOF;
	FILE *rules;

	if (file)
		(void)fclose(file);
	if (!is_used)
		return;
	rules = popen(filter->list, "re");
	if (rules)
		check_old_rules(rules, filter->program, filter->forward, filter->input);
	if (!rules || pclose(rules) != 0)
		doctor_unknown(filter->list, "cannot read the rules of %s", filter->program);
}

void check_filters(void)
{
	json_t *ruleset, *list, *item;
	size_t i;

	if (geteuid() != 0) {
		doctor_unknown("sudo vmnetctl doctor", "only root may look at packet filters");
		return;
	}
	ruleset = list_ruleset();
	list = json_object_get(ruleset, "nftables");
	json_array_foreach(list, i, item) {
		check_chain(list, item);
	}
	json_decref(ruleset);
	for (i = 0; i < sizeof(old_filters) / sizeof(old_filters[0]); i++)
		check_old_filter(&old_filters[i]);
}
