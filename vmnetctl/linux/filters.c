/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: packet filters of Docker, firewalld, ufw and
 * others. Each table of the kernel sees each packet, so that one which drops
 * what it does not know drops machines' packets, whatever the broker's says.
 *
 * The broker puts rules of its own into such tables, see
 * broker/linux/firewall/foreign_firewalls.c. What is named here is what it cannot do, or has
 * not done:
 *
 *	a bridge of ours is there, and a chain that stops what it does not know
 *	has no rule about it
 *	such a chain in a table that has an owner, also while there is no bridge
 *	one that is left alone, since its table closes the host's own way out
 *	the chains of the kernel's older filter
 *	frames on a bridge that the broker only joins, which is its owner's
 *	what hosts of a network that is on several send each other
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config.h"
#include "doctor.h"
#include "host/foreign_table.h"
#include "host/link.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/nftables.h"
#include "host/passage.h"
#include "host/route.h"
#include "host/ruleset.h"
#include "host/sysctl.h"
#include "vmnetctl/doctor.h"
#include "vmnetctl/vmnetctl.h"

#define FIREWALLD_REMEDY "cp " FIREWALLD_ZONE " /etc/firewalld/zones && firewall-cmd --reload"
#define SHOW_RULES "nft list ruleset"
#define ALL_BRIDGES BRIDGE_PREFIX "*"

/* Of rules that close the way out to the host and to machines. */
#define KILL_SWITCH \
	"stops packets from machines to the outside, and the host's own, as a VPN's kill switch does"

/* The chain that is looked at. */
struct look {
	const struct base_chain *chain;
	const struct foreign_table *table;
	json_t *list; /* of its table */
	char who[64]; /* has made it, for people */
};

static bool has_chain(const struct look *look, const char *name)
{
	json_t *item;
	size_t i;

	json_array_foreach(look->list, i, item) {
		const char *text =
			json_string_value(json_object_get(json_object_get(item, "chain"), "name"));

		if (text && strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* A process that has a table for itself; the kernel knows it by its socket, mostly its id. */
static void name_owner(struct look *look)
{
	char path[64];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%u/comm", look->table->owner);
	file = fopen(path, "re");
	if (file && fgets(look->who, sizeof(look->who), file))
		look->who[strcspn(look->who, "\n")] = '\0';
	if (file)
		(void)fclose(file);
}

static void name_program(struct look *look)
{
	/* What a program's rules are known by. In the order of looking: some stand on others'. */
	static const struct {
		const char *name;
		const char *table;
		const char *chain; /* one that it makes; NULL: any */
	} programs[] = {
		{ "ufw", "filter", "ufw-user-forward" }, { "ufw", "filter", "ufw6-user-forward" },
		{ "firewalld", "firewalld", NULL },	 { "Docker", "filter", "DOCKER-USER" },
		{ "Docker", "docker-bridges", NULL },
	};

	(void)snprintf(look->who, sizeof(look->who), "a packet filter");
	if (look->table->owner)
		name_owner(look);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(programs[i].table, look->chain->table) == 0 &&
		    (!programs[i].chain || has_chain(look, programs[i].chain))) {
			(void)snprintf(look->who, sizeof(look->who), "%s", programs[i].name);
			return;
		}
	}
}

/* Where br_netfilter is loaded frames between the ports of one bridge pass the chains, too. */
static bool bridge_is_filtered(void)
{
	return sysctl_bridges_filter(AF_INET) || sysctl_bridges_filter(AF_INET6);
}

/* What the chain has to do with. */
static const char *describe_packets(const struct base_chain *chain)
{
	if (strcmp(chain->hook, "input") == 0)
		return "machines' requests for addresses and names";
	if (strcmp(chain->hook, "output") == 0)
		return "answers to machines' requests for addresses and names";
	return bridge_is_filtered()
		       ? "packets from machines to the outside and (br_netfilter) each other"
		       : "packets from machines to the outside";
}

static void report(const struct look *look)
{
	const struct base_chain *chain = look->chain;
	const char *what = describe_packets(chain);

	if (look->table->owner && strcmp(chain->table, "firewalld") != 0)
		doctor_problem(
			NULL,
			"%s (table %s %s, chain %s) stops %s; it keeps the table for itself, "
			"and has to let pass what comes from and goes to " ALL_BRIDGES,
			look->who, chain->family, chain->table, chain->name, what);
	else
		doctor_problem(look->table->owner ? FIREWALLD_REMEDY : RESTART,
			       "%s (table %s %s, chain %s) stops %s", look->who, chain->family,
			       chain->table, chain->name, what);
}

/* Whether machines of every network that there is get through the chain. */
static bool lets_bridges_pass(const struct look *look)
{
	struct if_nameindex *links = if_nameindex();
	bool any = false, pass = true;

	for (const struct if_nameindex *link = links; link && link->if_index && pass; link++) {
		if (strncmp(link->if_name, BRIDGE_PREFIX, strlen(BRIDGE_PREFIX)) != 0)
			continue;
		any = true;
		pass = ruleset_names_interface(look->list, look->chain, link->if_name, true);
	}
	if_freenameindex(links);
	/* Of the next network the broker takes care, where it may. */
	if (!any && look->table->owner)
		return ruleset_names_interface(look->list, look->chain, ALL_BRIDGES, true);
	return pass;
}

/* Whether the network's machines are kept in where the host itself is. */
static bool respects_kill_switches(const struct network_config *network)
{
	return network->mode == NETWORK_SHARED && !network->bypass_kill_switch;
}

/* Whether the chain is one that the broker leaves as closed as the host's own way out is. */
static bool is_kill_switch(const struct look *look, const struct config *config)
{
	char bridge[INTERFACE_NAME_SIZE];

	if (strcmp(look->chain->hook, "forward") != 0 || look->table->owner ||
	    !ruleset_closes_host(look->list, look->chain))
		return false;
	for (size_t i = 0; config && i < config->n_networks; i++) {
		bridge_name(config->networks[i]->name, bridge);
		if (respects_kill_switches(config->networks[i]) &&
		    !ruleset_names_interface(look->list, look->chain, bridge, false))
			return true;
	}
	return false;
}

/* Where rules are about the present way out, a VPN's tunnel, machines have what these let pass. */
static void report_kill_switch(const struct look *look)
{
	const struct base_chain *chain = look->chain;
	char way_out[IF_NAMESIZE];
	bool is_open =
		find_way_out(strcmp(chain->family, "ip6") == 0 ? AF_INET6 : AF_INET, way_out) &&
		ruleset_names_interface(look->list, chain, way_out, false);

	(is_open ? doctor_note : doctor_problem)(
		EDIT,
		"%s (table %s %s, chain %s) " KILL_SWITCH ": it is left alone, but for networks "
		"with \"bypass_kill_switch\"",
		look->who, chain->family, chain->table, chain->name);
}

/* Whether frames on bridges pass the chain. */
static bool filters_bridges(const struct base_chain *chain)
{
	if (strcmp(chain->hook, "forward") != 0)
		return false;
	if (strcmp(chain->family, "inet") == 0)
		return bridge_is_filtered();
	return sysctl_bridges_filter(strcmp(chain->family, "ip") == 0 ? AF_INET : AF_INET6);
}

/* A bridge of the host's: the broker changes nothing about it, people may. */
static void check_joined_bridge(const struct look *look, const struct network_config *network)
{
	const struct base_chain *chain = look->chain;
	const char *bridge = network->external_interface;
	char remedy[512];

	if (network->mode != NETWORK_BRIDGED || !if_nametoindex(bridge) ||
	    ruleset_names_interface(look->list, chain, bridge, true))
		return;
	(void)snprintf(remedy, sizeof(remedy),
		       "nft insert rule %s %s %s iifname '\"%s\"' oifname '\"%s\"' accept",
		       chain->family, chain->table, chain->name, bridge, bridge);
	doctor_problem(look->table->owner ? NULL : remedy,
		       "network \"%s\": %s (table %s %s, chain %s) stops frames on %s, since "
		       "br_netfilter has bridges ask packet filters",
		       network->name, look->who, chain->family, chain->table, chain->name, bridge);
}

/* Whether the network is there, or will be, and then nobody opens the table for it. */
static bool needs_port(const struct look *look, const struct network_config *network)
{
	char bridge[INTERFACE_NAME_SIZE], device[INTERFACE_NAME_SIZE];

	bridge_name(network->name, bridge);
	vxlan_name(bridge, device);
	return network->vxlan.vni && (if_nametoindex(device) || look->table->owner);
}

static void report_port(const struct look *look, const struct network_config *network,
			const struct vxlan_host *host)
{
	const struct base_chain *chain = look->chain;
	const bool output = strcmp(chain->hook, "output") == 0;
	const unsigned int port = network->vxlan.port;
	char remedy[512];

	if (strcmp(look->who, "firewalld") == 0)
		(void)snprintf(remedy, sizeof(remedy),
			       "firewall-cmd --permanent --add-port=%u/udp && "
			       "firewall-cmd --reload",
			       port);
	else if (strcmp(look->who, "ufw") == 0)
		(void)snprintf(remedy, sizeof(remedy), "ufw allow %s%u/udp", output ? "out " : "",
			       port);
	else
		(void)snprintf(remedy, sizeof(remedy),
			       "nft insert rule %s %s %s udp dport %u accept", chain->family,
			       chain->table, chain->name, port);
	doctor_problem(look->table->owner && strcmp(look->who, "firewalld") != 0 ? NULL : remedy,
		       "network \"%s\": %s (table %s %s, chain %s) stops what goes %s host \"%s\", "
		       "to UDP port %u",
		       network->name, look->who, chain->family, chain->table, chain->name,
		       output ? "to" : "in from", host->name, port);
}

/* The hosts of a network on several send each other its frames. */
static void check_port(const struct look *look, const struct network_config *network)
{
	const struct vxlan *vxlan = &network->vxlan;
	char address[INET6_ADDRSTRLEN], interface[INTERFACE_NAME_SIZE];
	const struct passing passing = { vxlan->family, address, interface, vxlan->port };

	if (strcmp(look->chain->hook, "forward") == 0 || !needs_port(look, network))
		return;
	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		const struct vxlan_host *host = &vxlan->hosts[i];

		if (route_is_to_host(vxlan->family, &host->address) ||
		    !link_name((int)route_device(vxlan->family, &host->address), interface))
			continue;
		(void)inet_ntop(vxlan->family, &host->address, address, sizeof(address));
		if (!passage_is_stopped(look->list, look->chain, &passing))
			continue;
		report_port(look, network, host);
		break;
	}
}

static void check_chain(const struct config *config, struct foreign_tables *tables, json_t *item)
{
	struct foreign_table table;
	struct base_chain chain;
	struct look look = { .chain = &chain, .table = &table };

	if (ruleset_chain(item, &chain) < 0 || foreign_table_get(&chain, &table) < 0)
		return;
	look.list = foreign_table_list(tables, &chain, &table);
	if (!look.list) {
		doctor_unknown(SHOW_RULES, "cannot read table %s %s", chain.family, chain.table);
		return;
	}
	name_program(&look);
	for (size_t i = 0; config && i < config->n_networks; i++)
		check_port(&look, config->networks[i]);
	if (ruleset_chain_end(look.list, &chain).stops) {
		if (is_kill_switch(&look, config))
			report_kill_switch(&look);
		else if (!lets_bridges_pass(&look))
			report(&look);
		for (size_t i = 0; config && filters_bridges(&chain) && i < config->n_networks; i++)
			check_joined_bridge(&look, config->networks[i]);
	}
	json_decref(look.list);
}

static void check_tables(const struct config *config)
{
	struct foreign_tables tables;
	json_t *item;
	size_t i;

	if (foreign_tables_open(&tables) < 0)
		doctor_unknown(SHOW_RULES, "cannot read packet filters");
	json_array_foreach(tables.chains, i, item) {
		check_chain(config, &tables, item);
	}
	foreign_tables_close(&tables);
}

/* The kernel's older packet filter, which has its own chains for each family. */
struct old_filter {
	int family;
	const char *program;
	const char *tables; /* a file that is empty while it is not used */
	const char *list;
	const char *ports; /* of UDP, that machines ask at */
	const char *icmp;
};

/* A chain of it, as "iptables -S" tells. */
struct old_chain {
	const char *name;
	unsigned int n_rules; /* that were seen */
	unsigned int end; /* the number of the rule that stops all the rest; 0: none does */
	bool stops;
	bool knows_bridges; /* before that */
};

static bool starts_with(const char *line, const char *option, const struct old_chain *chain,
			const char *rest)
{
	char start[64];
	int length = snprintf(start, sizeof(start), "%s %s%s%s", option, chain->name,
			      *rest ? " " : "", rest);

	/* Whole words: chains of others are targets, too. */
	return strncmp(line, start, (size_t)length) == 0 && strchr(" \n", line[length]);
}

static void read_line(struct old_chain *chain, const char *line)
{
	bool stops = strstr(line, "-j DROP") || strstr(line, "-j REJECT");

	if (starts_with(line, "-P", chain, "DROP"))
		chain->stops = true;
	if (!starts_with(line, "-A", chain, "") || chain->end)
		return;
	chain->n_rules++;
	if (strstr(line, " " BRIDGE_PREFIX) && !stops)
		chain->knows_bridges = true;
	if (starts_with(line, "-A", chain, "-j DROP") ||
	    starts_with(line, "-A", chain, "-j REJECT") ||
	    starts_with(line, "-A", chain, "-j ACCEPT")) {
		chain->end = chain->n_rules;
		chain->stops = stops;
	}
}

/*
 * The rules go before the end, so that what others stop stays stopped, and so
 * that a Docker which starts again puts its own before them. Machines are let
 * out by the way to the outside alone: containers are elsewhere.
 */
static void report_old_forward(const struct old_filter *filter, unsigned int place)
{
	char uplink[IF_NAMESIZE];
	char remedy[256];

	/* That there is no way out is to be mended first. */
	if (!find_way_out(filter->family, uplink))
		return;
	(void)snprintf(remedy, sizeof(remedy),
		       "%s -I FORWARD %u -i " BRIDGE_PREFIX "+ -o %s -j ACCEPT && "
		       "%s -I FORWARD %u -o " BRIDGE_PREFIX "+ -j ACCEPT",
		       filter->program, place, uplink, filter->program, place);
	doctor_problem(remedy, "%s (chain FORWARD) stops packets from machines to the outside",
		       filter->program);
}

/* interface, ports: the options of the chain for a bridge and its services. */
static void report_old_services(const struct old_filter *filter, const char *chain,
				unsigned int place, const char *interface, const char *ports,
				const char *what)
{
	const char *program = filter->program;
	char remedy[512];

	(void)snprintf(remedy, sizeof(remedy),
		       "%s -I %s %u %s " BRIDGE_PREFIX "+ -p udp -m multiport %s %s -j ACCEPT && "
		       "%s -I %s %u %s " BRIDGE_PREFIX "+ -p tcp -m multiport %s 53 -j ACCEPT && "
		       "%s -I %s %u %s " BRIDGE_PREFIX "+ -p %s -j ACCEPT",
		       program, chain, place, interface, ports, filter->ports, program, chain,
		       place, interface, ports, program, chain, place, interface, filter->icmp);
	doctor_problem(remedy, "%s (chain %s) stops %s", program, chain, what);
}

static void report_old_input(const struct old_filter *filter, unsigned int place)
{
	report_old_services(filter, "INPUT", place, "-i", "--dports",
			    "machines' requests for addresses and names");
}

static void report_old_output(const struct old_filter *filter, unsigned int place)
{
	report_old_services(filter, "OUTPUT", place, "-o", "--sports",
			    "answers to machines' requests for addresses and names");
}

/* Which rules to add is for who wants it so. */
static void report_old_kill_switch(const struct old_filter *filter, unsigned int place)
{
	(void)place;
	doctor_problem(EDIT,
		       "%s (chain FORWARD) " KILL_SWITCH ": when all networks have "
		       "\"bypass_kill_switch\", doctor prints the rules that let them out",
		       filter->program);
}

static void check_old_chain(const struct old_filter *filter, struct old_chain *chain,
			    void (*complain)(const struct old_filter *filter, unsigned int place))
{
	if (chain->stops && !chain->knows_bridges)
		complain(filter, chain->end ? chain->end : chain->n_rules + 1);
}

/*
 * Docker and others may have used the kernel's older packet filter. respects: a network's
 * machines are kept in where the host is.
 */
static void check_old_filter(const struct old_filter *filter, bool respects)
{
	struct old_chain forward = { .name = "FORWARD" }, input = { .name = "INPUT" };
	struct old_chain output = { .name = "OUTPUT" };
	FILE *file = fopen(filter->tables, "re");
	bool is_used = file && fgetc(file) != EOF;
	char line[1024];
	FILE *rules;

	if (file)
		(void)fclose(file);
	if (!is_used)
		return;
	rules = popen(filter->list, "re");
	while (rules && fgets(line, sizeof(line), rules)) {
		read_line(&forward, line);
		read_line(&input, line);
		read_line(&output, line);
	}
	if (!rules || pclose(rules) != 0) {
		doctor_unknown(filter->list, "cannot read the rules of %s", filter->program);
		return;
	}
	check_old_chain(filter, &forward,
			respects && output.stops ? report_old_kill_switch : report_old_forward);
	check_old_chain(filter, &input, report_old_input);
	check_old_chain(filter, &output, report_old_output);
}

static void check_old_filters(const struct config *config)
{
	static const struct old_filter old_filters[] = {
		{ AF_INET, "iptables-legacy", "/proc/net/ip_tables_names", "iptables-legacy -S",
		  "53,67", "icmp" },
		{ AF_INET6, "ip6tables-legacy", "/proc/net/ip6_tables_names", "ip6tables-legacy -S",
		  "53,547", "ipv6-icmp" },
	};
	bool respects = false;

	for (size_t i = 0; config && i < config->n_networks; i++)
		respects = respects || respects_kill_switches(config->networks[i]);
	for (size_t i = 0; i < sizeof(old_filters) / sizeof(old_filters[0]); i++)
		check_old_filter(&old_filters[i], respects);
}

void check_filters(void)
{
	struct config_errors errors = { 0 };
	struct config *config;

	if (geteuid() != 0) {
		doctor_unknown(FULL_LOOK, "only root may look at packet filters");
		return;
	}
	/* Mistakes in the file have their own check. */
	config = config_load(CONFIG_FILE, false, &errors);
	if (nftables_start(NULL, NULL) < 0) {
		doctor_unknown(SHOW_RULES, "cannot read packet filters");
	} else {
		check_tables(config);
		nftables_stop();
		netlink_close();
	}
	check_old_filters(config);
	config_errors_clear(&errors);
	config_free(config);
}
