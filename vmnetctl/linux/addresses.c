/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl doctor on Linux: whose addresses overlap. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "doctor.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/ranges.h"
#include "vmnetctl/doctor.h"
#include "vmnetctl/vmnetctl.h"

/* A range's owner is described by words that end with the interface's name. */
static bool is_ours(const struct range *range)
{
	char text[RANGE_OWNER_SIZE];
	const char *owner = range_owner(range, text);
	const char *space = strrchr(owner, ' ');

	return is_own_link_name(space ? space + 1 : owner);
}

/* Keeps the ranges that are not those of the broker's own networks. */
static void remove_ours(struct ranges *ranges)
{
	size_t n = 0;

	for (size_t i = 0; i < ranges->n_items; i++) {
		if (!is_ours(&ranges->items[i]))
			ranges->items[n++] = ranges->items[i];
	}
	ranges->n_items = n;
}

/* Writes how to give a network a subnet that is free. */
static void suggest(char *remedy, size_t size, const struct network_config *network,
		    const struct ranges *taken)
{
	char old[IPV4_SUBNET_TEXT_SIZE], new[IPV4_SUBNET_TEXT_SIZE];
	struct ipv4_subnet subnet;

	/* Other addresses of the network would have to change with it. */
	if (network->n_dhcp_reservations > 0 || network->n_port_forwardings > 0 ||
	    subnet_choose(taken, &subnet) < 0) {
		(void)snprintf(remedy, size, "%s", EDIT);
		return;
	}
	(void)snprintf(remedy, size, "sed -i 's|%s|%s|' %s && vmnetctl reload",
		       ipv4_subnet_format(&network->subnet, old), ipv4_subnet_format(&subnet, new),
		       CONFIG_FILE);
}

/*
 * host: what the host uses.
 * taken: that, and what the configuration gives to networks.
 */
static void check_subnet(const struct network_config *network, const struct ranges *host,
			 const struct ranges *taken)
{
	char text[IPV4_SUBNET_TEXT_SIZE];
	char owner[RANGE_OWNER_SIZE];
	const struct range *range;
	struct ipv4_subnet free;
	char remedy[256];

	if (network->subnet.length == 0) {
		if (network->mode != NETWORK_BRIDGED && subnet_choose(taken, &free) < 0)
			doctor_problem(EDIT,
				       "network \"%s\": no subnet is free; give it a \"subnet\"",
				       network->name);
		return;
	}
	range = ranges_find_ipv4(host, &network->subnet);
	if (!range)
		return;
	suggest(remedy, sizeof(remedy), network, taken);
	doctor_problem(remedy, "network \"%s\": subnet %s is in use by %s", network->name,
		       ipv4_subnet_format(&network->subnet, text), range_owner(range, owner));
}

/*
 * Lists what others than the broker use.
 *
 * config: what it gives to networks is listed too; NULL for none.
 *
 * Returns 0, or -1 after saying why not.
 */
static int list_taken(struct ranges *taken, const struct config *config)
{
	int result = ranges_of_host(taken);

	netlink_close();
	remove_ours(taken);
	for (size_t i = 0; config && i < config->n_networks && result == 0; i++)
		result = ranges_add(taken, &(struct range){ .ipv4 = config->networks[i]->subnet });
	if (result == 0)
		return 0;
	doctor_unknown("ip route", "cannot read the host's addresses: %s", strerror(-result));
	return -1;
}

/* Whether the configuration says which subnet the network has. */
static bool has_subnet(const struct config *config, const char *network)
{
	for (size_t i = 0; config && i < config->n_networks; i++) {
		if (strcmp(config->networks[i]->name, network) == 0)
			return config->networks[i]->subnet.length > 0;
	}
	return false;
}

void check_active_subnet(const struct vmnet_broker_network *network)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	struct ranges taken = { 0 };
	char owner[RANGE_OWNER_SIZE];
	const struct range *range;
	struct ipv4_subnet subnet;

	/* What is configured has its own check, and a remedy. */
	if (network->ipv4_subnet && ipv4_subnet_parse(network->ipv4_subnet, &subnet) == 0 &&
	    !has_subnet(config, network->name) && list_taken(&taken, NULL) == 0) {
		range = ranges_find_ipv4(&taken, &subnet);
		if (range)
			doctor_problem(NULL,
				       "network \"%s\": subnet %s is in use by %s, too; it gets "
				       "another one when its machines have ended",
				       network->name, network->ipv4_subnet,
				       range_owner(range, owner));
	}
	ranges_clear(&taken);
	config_errors_clear(&errors);
	config_free(config);
}

void check_subnets(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	struct ranges host = { 0 };
	struct ranges taken = { 0 };

	/* Mistakes in the file have their own check. */
	if (config && list_taken(&host, NULL) == 0 && list_taken(&taken, config) == 0) {
		for (size_t i = 0; i < config->n_networks; i++)
			check_subnet(config->networks[i], &host, &taken);
	}
	ranges_clear(&host);
	ranges_clear(&taken);
	config_errors_clear(&errors);
	config_free(config);
}
