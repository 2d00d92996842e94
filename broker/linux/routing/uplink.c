/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policy routing: such a network has a routing table of its own, and a rule for each of IPv4 and
 * IPv6 that sends what comes from its bridge there:
 *
 *	0	from all lookup local			the host itself
 *	118	from all fwmark 0/MARK iif vmb-NAME lookup TABLE
 *	...						whatever others have
 *	32766	from all lookup main			the host's own routes
 *
 * Where the rule stands, and what becomes of others' that would come first, is in
 * precedence.c.
 *
 * The table has a copy of those of the host's routes (in "main") that lead over
 * the uplink, and of those to the broker's networks: to its own, where forwarded
 * ports may lead back, and to the others, which the firewall keeps it from.
 * Where it has none, rules and routes of the host go on deciding, and the
 * firewall drops what they would have leave elsewhere.
 *
 * When the uplink goes the kernel takes the copies with it; all else that
 * happens to routes is heard of by the monitor, and the copy is made anew: what
 * is not right any more goes, what is missing comes, the rest stays untouched.
 *
 * The kernel checks the source of a packet for a machine (rp_filter) as if the
 * answer came from the machine's bridge, hence by the rule, too: what comes in
 * by the uplink passes the strict check, although the host's own packets would
 * not go there. A connection to a forwarded port that comes in elsewhere has
 * its answers marked by the firewall, so that they go back by the host's routes.
 *
 * Of a network on several hosts machines elsewhere answer by the host's own device there, for
 * which the table has a second rule.
 *
 * All that is made here has one number for its protocol, which says whose it is.
 */
#include "uplink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "host/link.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/route.h"
#include "precedence.h"

struct gathering {
	uint32_t table;
	int uplink; /* index, 0: none */
	struct routes wanted;
	struct routes present;
	/* The device that was looked at last: routes come in its order, more or less. */
	uint32_t device;
	bool is_way;
};

const char *uplink_of(const struct network_config *config)
{
	return config->mode == NETWORK_SHARED ? config->external_interface : NULL;
}

/* Rules */

/* overtaken: gets the rule, if another comes first all the same. */
static int keep_rule(int family, uint32_t table, const char *bridge, struct precedence *overtaken)
{
	struct precedence rule = { .family = family, .table = table, .bridge = bridge };
	int result = precedence_find(&rule);

	if (result < 0)
		return result;
	if (rule.is_overtaken)
		*overtaken = rule;
	return precedence_keep(&rule);
}

static int keep_rules(int family, uint32_t table, const struct network_addresses *addresses,
		      struct precedence *overtaken)
{
	int result = keep_rule(family, table, addresses->bridge, overtaken);
	char own[INTERFACE_NAME_SIZE];

	if (result < 0 || !addresses->vxlan_host)
		return result;
	own_name(addresses->bridge, own);
	return keep_rule(family, table, own, overtaken);
}

static int delete_rule(int family, uint32_t table, const char *bridge)
{
	struct precedence rule = { .family = family, .table = table, .bridge = bridge };
	int result = precedence_find(&rule);

	return result < 0 ? result : precedence_remove(&rule);
}

/* Routes */

/* Packets of the network go over this device, or are kept from it. */
static bool is_way(struct gathering *gathering, uint32_t device)
{
	char name[INTERFACE_NAME_SIZE];

	if (device != gathering->device) {
		gathering->device = device;
		gathering->is_way = (int)device == gathering->uplink ||
				    (link_name((int)device, name) && is_own_link_name(name));
	}
	return gathering->is_way;
}

static int note_route(const struct route *route, void *userdata)
{
	struct gathering *gathering = userdata;
	struct route copy = *route;

	if (route->table == gathering->table && route->protocol == ROUTING_PROTOCOL)
		return routes_add(&gathering->present, route);
	if (route->table != RT_TABLE_MAIN || !is_way(gathering, route->device))
		return 0;
	copy.table = gathering->table;
	copy.protocol = ROUTING_PROTOCOL;
	return routes_add(&gathering->wanted, &copy);
}

static int note_message(const struct nlmsghdr *message, void *userdata)
{
	return route_parse(message, note_route, userdata);
}

static void forget(void *userdata)
{
	struct gathering *gathering = userdata;

	gathering->wanted.n_items = 0;
	gathering->present.n_items = 0;
}

static int gather(struct gathering *gathering)
{
	const struct rtmsg all_routes = { .rtm_family = AF_UNSPEC };
	int result = netlink_dump(&(struct netlink_dump){
		.type = RTM_GETROUTE,
		.header = &all_routes,
		.size = sizeof(all_routes),
		.begin = forget,
		.each = note_message,
		.userdata = gathering,
	});

	routes_sort(&gathering->wanted);
	routes_sort(&gathering->present);
	return result;
}

/* The device has just changed, of which we are told, or the route is no good to anybody. */
static bool is_refusal(int result)
{
	return result == -ENODEV || result == -ENETDOWN || result == -ENETUNREACH ||
	       result == -EHOSTUNREACH || result == -EINVAL || result == -EEXIST ||
	       result == -ESRCH;
}

static int change(int type, int flags, const struct routes *routes, const struct routes *except)
{
	int result = 0;

	for (size_t i = 0; i < routes->n_items && result == 0; i++) {
		if (routes_have(except, &routes->items[i]))
			continue;
		result = netlink_request(route_message(type, flags, &routes->items[i]));
		if (is_refusal(result))
			result = 0;
	}
	return result;
}

static int copy_routes(uint32_t table, int uplink)
{
	struct gathering gathering = { .table = table, .uplink = uplink };
	int result = gather(&gathering);

	if (result == 0)
		result = change(RTM_DELROUTE, 0, &gathering.present, &gathering.wanted);
	if (result == 0)
		result = change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &gathering.wanted,
				&gathering.present);
	routes_clear(&gathering.wanted);
	routes_clear(&gathering.present);
	return result;
}

static int delete_routes(uint32_t table)
{
	struct gathering gathering = { .table = table };
	int result = gather(&gathering);

	if (result == 0)
		result = change(RTM_DELROUTE, 0, &gathering.present, &(struct routes){ 0 });
	routes_clear(&gathering.wanted);
	routes_clear(&gathering.present);
	return result;
}

int uplink_open(const struct network_config *config, const struct network_addresses *addresses,
		struct error *error)
{
	const char *uplink = uplink_of(config);
	uint32_t table = routing_table(config->name);
	struct precedence overtaken = { 0 };
	struct link link = { 0 };
	int result = link_get(uplink, &link);

	if (result == -ENODEV)
		result = 0;
	if (result == 0)
		result = copy_routes(table, link.index);
	if (result == 0)
		result = keep_rules(AF_INET, table, addresses, &overtaken);
	if (result == 0 && addresses->ipv6_prefix.length)
		result = keep_rules(AF_INET6, table, addresses, &overtaken);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot lead its packets to %s: %s",
				 uplink, strerror(-result));
	if (!link.index)
		return error_set(error, ERROR_CREATE_FAILED,
				 "there is no %s, by which alone its machines reach the outside; "
				 "start what makes it, or name another interface in "
				 "\"external_interface\"",
				 uplink);
	if (!link.up)
		return error_set(error, ERROR_CREATE_FAILED,
				 "%s is down, by which alone its machines reach the outside; set "
				 "it up (\"ip link set %s up\")",
				 uplink, uplink);
	if (overtaken.is_overtaken)
		return error_set(error, ERROR_CREATE_FAILED,
				 "its packets are led elsewhere than to %s by the routing rule of "
				 "priority %u, before which there is no room; give that one a "
				 "higher priority",
				 uplink, overtaken.rival);
	return 0;
}

static int delete_rules(uint32_t table, const char *device)
{
	int ipv4 = delete_rule(AF_INET, table, device);
	int ipv6 = delete_rule(AF_INET6, table, device);

	return ipv4 < 0 ? ipv4 : ipv6;
}

int uplink_close(const char *network, const char *bridge, bool is_on_hosts)
{
	uint32_t table = routing_table(network);
	int rules = delete_rules(table, bridge);
	int routes = delete_routes(table);
	char own[INTERFACE_NAME_SIZE];

	own_name(bridge, own);
	if (is_on_hosts && rules == 0)
		rules = delete_rules(table, own);
	return rules < 0 ? rules : routes;
}

/* What others do */

bool uplink_is_used(const struct broker *broker, const char *name)
{
	for (const struct network *network = broker->networks; network; network = network->next) {
		const char *uplink = uplink_of(network->config);

		if (uplink && strcmp(uplink, name) == 0)
			return true;
	}
	return false;
}

static bool has_uplinks(const struct broker *broker)
{
	const struct network *network = broker->networks;

	while (network && !uplink_of(network->config))
		network = network->next;
	return network;
}

bool uplink_route_is_concerned(const struct broker *broker, const struct nlmsghdr *message)
{
	const struct rtmsg *header = nlmsg_data(message);
	struct nlattr *device =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), RTA_OIF);
	char name[INTERFACE_NAME_SIZE];

	if (header->rtm_protocol == ROUTING_PROTOCOL)
		return message->nlmsg_type == RTM_DELROUTE;
	if (header->rtm_table != RT_TABLE_MAIN || !has_uplinks(broker))
		return false;
	/* It may have been by more than one device, or have taken another's place. */
	if (!device || nla_len(device) < (int)sizeof(uint32_t) ||
	    (message->nlmsg_flags & NLM_F_REPLACE) != 0)
		return true;
	return link_name((int)nla_get_u32(device), name) &&
	       (is_own_link_name(name) || uplink_is_used(broker, name));
}
