/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route to a network's machines is in the host's table "main", which is asked
 * last: a VPN that leads all packets by a table of its own takes the answers of the
 * host, and those of the outside, to itself. Only where there is such a rule do all
 * networks have a table for their routes, and one rule that comes first:
 *
 *	118	from all lookup NETWORKS_TABLE
 *	5270	from all lookup 52		a VPN's
 *	32766	from all lookup main		the host's own routes
 *
 * One for each network would have the kernel go through all of them for each of
 * the host's packets: 200 rules made those half as dear again (6.6 for 4.5
 * microseconds), one cannot be measured. A host without VPN keeps the kernel's
 * short way for hosts without rules.
 *
 * Routes go with their bridge; without the rule they mean nothing.
 */
#include "reach.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "host/link.h"
#include "host/names.h"
#include "host/route.h"
#include "precedence.h"

static struct route route_to(const struct network_addresses *addresses, int family, int link)
{
	struct route route = {
		.table = NETWORKS_TABLE,
		.device = (uint32_t)link,
		.family = (uint8_t)family,
		.protocol = ROUTING_PROTOCOL,
		.scope = RT_SCOPE_LINK,
	};

	if (family == AF_INET) {
		memcpy(&route.destination, &addresses->ipv4_subnet.address, sizeof(struct in_addr));
		route.destination_length = (uint8_t)addresses->ipv4_subnet.length;
		route.own = addresses->vxlan_host ? addresses->own_ipv4 : addresses->ipv4_gateway;
	} else {
		route.destination = addresses->ipv6_prefix.address;
		route.destination_length = (uint8_t)addresses->ipv6_prefix.length;
	}
	return route;
}

static int open_family(const struct network_addresses *addresses, int family, int link,
		       struct precedence *rule)
{
	const struct route route = route_to(addresses, family, link);
	int result;

	*rule = (struct precedence){ .family = family, .table = NETWORKS_TABLE };
	result = precedence_find(rule);
	if (result == 0 && !rule->is_needed)
		return precedence_remove(rule);
	if (result == 0)
		result = route_add(&route);
	return result < 0 ? result : precedence_keep(rule);
}

int reach_open(const struct network_addresses *addresses, int link, struct error *error)
{
	struct precedence ipv4, ipv6 = { 0 };
	int result = open_family(addresses, AF_INET, link, &ipv4);

	if (result == 0 && addresses->ipv6_prefix.length)
		result = open_family(addresses, AF_INET6, link, &ipv6);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "cannot lead what is for its machines to bridge %s: %s",
				 addresses->bridge, strerror(-result));
	if ((ipv4.is_needed && ipv4.is_overtaken) || (ipv6.is_needed && ipv6.is_overtaken))
		return error_set(error, ERROR_CREATE_FAILED,
				 "what is for its machines is led elsewhere by the routing rule "
				 "of priority %u, before which there is no room; give that one a "
				 "higher priority",
				 ipv4.is_needed && ipv4.is_overtaken ? ipv4.rival : ipv6.rival);
	return 0;
}

struct closing {
	const char *const *bridges;
	size_t n;
};

static bool is_of_others(const struct link *link, const void *userdata)
{
	const struct closing *closing = userdata;

	for (size_t i = 0; i < closing->n; i++)
		if (strcmp(link->name, closing->bridges[i]) == 0)
			return false;
	return strncmp(link->name, BRIDGE_PREFIX, strlen(BRIDGE_PREFIX)) == 0;
}

static int close_family(int family, const struct closing *closing)
{
	struct precedence rule = { .family = family, .table = NETWORKS_TABLE };
	int result = precedence_find(&rule);

	if (result < 0 || !rule.n_present || link_may_exist(is_of_others, closing))
		return result;
	return precedence_remove(&rule);
}

int reach_close(const char *const *bridges, size_t n)
{
	const struct closing closing = { bridges, n };
	int ipv4 = close_family(AF_INET, &closing);
	int ipv6 = close_family(AF_INET6, &closing);

	return ipv4 < 0 ? ipv4 : ipv6;
}
