/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl doctor on Linux: routes, forwarding, and whose addresses overlap. */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../broker/config.h"
#include "../../broker/linux/names.h"
#include "../../broker/linux/netlink_socket.h"
#include "../../broker/linux/ranges.h"
#include "../doctor.h"
#include "../system.h"
#include "../vmnetctl.h"
#include "doctor.h"

/* Whether forwarding is off for packets that come in by an interface. */
static bool is_forwarding_off(const char *interface)
{
	char path[PATH_MAX];
	FILE *file;
	int value;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/forwarding", interface);
	file = fopen(path, "re");
	if (!file)
		return false;
	value = fgetc(file);
	(void)fclose(file);
	return value == '0';
}

void check_forwarding(const struct vmnet_broker_network *network)
{
	if (network->mode == VMNET_BROKER_SHARED && network->bridge &&
	    is_forwarding_off(network->bridge))
		doctor_problem("sysctl -w net.ipv4.ip_forward=1",
			       "network \"%s\": forwarding was switched off for %s", network->name,
			       network->bridge);
}

/* To "connect" a datagram socket asks for a route, and sends nothing. */
void check_route(void)
{
	/* An address that is kept for documentation, and so nobody's. */
	const struct sockaddr_in outside = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = htonl(UINT32_C(0xc0000201)),
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		doctor_unknown("ip route", "cannot ask for a route: %s", strerror(errno));
		return;
	}
	if (connect(fd, (const struct sockaddr *)&outside, sizeof(outside)) < 0)
		doctor_problem("ip route add default via GATEWAY",
			       "the host has no route to the outside: %s", strerror(errno));
	(void)close(fd);
}

/* A range's owner is described by words that end with the interface's name. */
static bool is_ours(const struct range *range)
{
	const char *space = strrchr(range->owner, ' ');

	return is_own_link_name(space ? space + 1 : range->owner);
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
		(void)snprintf(remedy, size, "editor %s && vmnetctl reload", CONFIG_FILE);
		return;
	}
	(void)snprintf(remedy, size, "sed -i 's|%s|%s|' %s && vmnetctl reload",
		       ipv4_subnet_format(&network->subnet, old), ipv4_subnet_format(&subnet, new),
		       CONFIG_FILE);
}

static void check_subnet(const struct network_config *network, const struct ranges *taken)
{
	char text[IPV4_SUBNET_TEXT_SIZE];
	const struct range *range;
	struct ipv4_subnet free;
	char remedy[256];

	if (network->subnet.length == 0) {
		if (network->mode != NETWORK_BRIDGED && subnet_choose(taken, &free) < 0)
			doctor_problem("editor " CONFIG_FILE " && vmnetctl reload",
				       "network \"%s\": no subnet is free; give it a \"subnet\"",
				       network->name);
		return;
	}
	range = ranges_find_ipv4(taken, &network->subnet);
	if (!range)
		return;
	suggest(remedy, sizeof(remedy), network, taken);
	doctor_problem(remedy, "network \"%s\": subnet %s is in use by %s", network->name,
		       ipv4_subnet_format(&network->subnet, text), range->owner);
}

void check_subnets(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	struct ranges taken = { 0 };
	int result = netlink_open();

	if (result == 0)
		result = ranges_of_host(&taken);
	if (result < 0)
		doctor_unknown("ip route", "cannot read the host's addresses: %s",
			       strerror(-result));
	remove_ours(&taken);
	/* Mistakes in the file have their own check. */
	for (size_t i = 0; result == 0 && config && i < config->n_networks; i++)
		check_subnet(config->networks[i], &taken);
	ranges_clear(&taken);
	netlink_close();
	config_errors_clear(&errors);
	config_free(config);
}
