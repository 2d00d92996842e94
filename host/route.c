/* SPDX-License-Identifier: Apache-2.0 */
/* Routes in rtnetlink's messages, and sets of them. */
#include "route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/name.h"
#include "link.h"
#include "netlink_socket.h"

#define LOOPBACK 1U /* its index, in each network namespace */

_Static_assert(sizeof(struct route) == 5 * sizeof(uint32_t) + 3 * sizeof(struct in6_addr) + 8,
	       "struct route has holes");

static void read_address(struct nlattr *attribute, int family, struct in6_addr *address)
{
	if (attribute && nla_len(attribute) >= (int)address_size(family))
		memcpy(address, nla_data(attribute), address_size(family));
}

static uint32_t read_u32(struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= (int)sizeof(uint32_t) ? nla_get_u32(attribute)
									: 0;
}

static uint32_t read_mtu(struct nlattr *metrics)
{
	struct nlattr *attributes[RTAX_MAX + 1];

	if (!metrics || nla_parse_nested(attributes, RTAX_MAX, metrics, NULL) < 0)
		return 0;
	return read_u32(attributes[RTAX_MTU]);
}

/* The gateway of a route, or of one of its ways. That of an IPv4 route may be an IPv6 one. */
static void read_gateway(struct nlattr **attributes, struct route *route)
{
	struct nlattr *other = attributes[RTA_VIA];
	const struct rtvia *via = other ? nla_data(other) : NULL;

	route->gateway_family = AF_UNSPEC;
	memset(&route->gateway, 0, sizeof(route->gateway));
	if (attributes[RTA_GATEWAY]) {
		route->gateway_family = route->family;
		read_address(attributes[RTA_GATEWAY], route->family, &route->gateway);
	} else if (via && nla_len(other) >= (int)(sizeof(*via) + sizeof(route->gateway)) &&
		   route->family == AF_INET && via->rtvia_family == AF_INET6) {
		route->gateway_family = AF_INET6;
		memcpy(&route->gateway, via->rtvia_addr, sizeof(route->gateway));
	}
}

static int parse_ways(struct nlattr *multipath, struct route *route,
		      int (*each)(const struct route *, void *), void *userdata)
{
	struct rtnexthop *way = nla_data(multipath);
	int size = nla_len(multipath);
	struct nlattr *attributes[RTA_MAX + 1];
	int result = 0;

	while (result >= 0 && size >= (int)sizeof(*way) && RTNH_OK(way, size)) {
		if (nla_parse(attributes, RTA_MAX, (struct nlattr *)(way + 1),
			      way->rtnh_len - (int)sizeof(*way), NULL) < 0)
			break;
		route->device = (uint32_t)way->rtnh_ifindex;
		read_gateway(attributes, route);
		if (route->device && !attributes[RTA_ENCAP])
			result = each(route, userdata);
		size -= RTNH_ALIGN((int)way->rtnh_len);
		way = RTNH_NEXT(way);
	}
	return result;
}

int route_parse(const struct nlmsghdr *message, int (*each)(const struct route *, void *),
		void *userdata)
{
	struct nlattr *attributes[RTA_MAX + 1];
	struct rtmsg header;
	struct route route;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(header), attributes, RTA_MAX, NULL) < 0)
		return 0;
	memcpy(&header, nlmsg_data(message), sizeof(header));
	if (header.rtm_type != RTN_UNICAST || (header.rtm_flags & RTM_F_CLONED) != 0 ||
	    (header.rtm_family != AF_INET && header.rtm_family != AF_INET6))
		return 0;
	memset(&route, 0, sizeof(route));
	route.table = attributes[RTA_TABLE] ? read_u32(attributes[RTA_TABLE]) : header.rtm_table;
	route.device = read_u32(attributes[RTA_OIF]);
	route.priority = read_u32(attributes[RTA_PRIORITY]);
	route.mtu = read_mtu(attributes[RTA_METRICS]);
	route.family = header.rtm_family;
	route.protocol = header.rtm_protocol;
	route.destination_length = header.rtm_dst_len;
	route.source_length = header.rtm_src_len;
	route.tos = header.rtm_tos;
	route.scope = header.rtm_scope;
	if (route.destination_length)
		read_address(attributes[RTA_DST], route.family, &route.destination);
	if (route.source_length)
		read_address(attributes[RTA_SRC], route.family, &route.source);
	if (route.family == AF_INET6 && attributes[RTA_PREF] && nla_len(attributes[RTA_PREF]) >= 1)
		route.preference = nla_get_u8(attributes[RTA_PREF]);
	if (attributes[RTA_MULTIPATH])
		return parse_ways(attributes[RTA_MULTIPATH], &route, each, userdata);
	if (!route.device || attributes[RTA_ENCAP])
		return 0;
	read_gateway(attributes, &route);
	return each(&route, userdata);
}

static int put_address(struct nl_msg *message, int type, int family, const struct in6_addr *address,
		       uint8_t length)
{
	return length ? nla_put(message, type, (int)address_size(family), address) : 0;
}

static int put_gateway(struct nl_msg *message, const struct route *route)
{
	struct nlattr *attribute;
	struct rtvia *via;

	if (route->gateway_family == AF_UNSPEC)
		return 0;
	if (route->gateway_family == route->family)
		return nla_put(message, RTA_GATEWAY, (int)address_size(route->family),
			       &route->gateway);
	attribute = nla_reserve(message, RTA_VIA, sizeof(*via) + sizeof(route->gateway));
	if (!attribute)
		return -ENOMEM;
	via = nla_data(attribute);
	via->rtvia_family = route->gateway_family;
	memcpy(via->rtvia_addr, &route->gateway, sizeof(route->gateway));
	return 0;
}

static int put_mtu(struct nl_msg *message, uint32_t mtu)
{
	struct nlattr *metrics = mtu ? nla_nest_start(message, RTA_METRICS) : NULL;

	if (!mtu)
		return 0;
	if (!metrics || nla_put_u32(message, RTAX_MTU, mtu) < 0)
		return -ENOMEM;
	nla_nest_end(message, metrics);
	return 0;
}

/* Gateways are taken as they are: in another table of the host they have been good already. */
struct nl_msg *route_message(int type, int flags, const struct route *route)
{
	struct rtmsg header = {
		.rtm_family = route->family,
		.rtm_dst_len = route->destination_length,
		.rtm_src_len = route->source_length,
		.rtm_tos = route->tos,
		.rtm_table = RT_TABLE_UNSPEC,
		.rtm_protocol = route->protocol,
		.rtm_scope = route->scope,
		.rtm_type = RTN_UNICAST,
		.rtm_flags = route->gateway_family == AF_UNSPEC ? 0 : RTNH_F_ONLINK,
	};
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    nla_put_u32(message, RTA_TABLE, route->table) == 0 &&
	    nla_put_u32(message, RTA_OIF, route->device) == 0 &&
	    nla_put_u32(message, RTA_PRIORITY, route->priority) == 0 &&
	    put_address(message, RTA_DST, route->family, &route->destination,
			route->destination_length) == 0 &&
	    put_address(message, RTA_SRC, route->family, &route->source, route->source_length) ==
		    0 &&
	    (!route->own.s_addr ||
	     nla_put(message, RTA_PREFSRC, sizeof(route->own), &route->own) == 0) &&
	    put_gateway(message, route) == 0 && put_mtu(message, route->mtu) == 0 &&
	    (route->family != AF_INET6 || nla_put_u8(message, RTA_PREF, route->preference) == 0))
		return message;
	nlmsg_free(message);
	return NULL;
}

int route_add(const struct route *route)
{
	int result = netlink_request(route_message(RTM_NEWROUTE, NLM_F_CREATE, route));

	return result == -EEXIST ? 0 : result;
}

/* What the kernel says of where a packet goes. */
struct way {
	uint32_t device;
	uint32_t mtu; /* 0: the device's */
	uint8_t type; /* RTN_UNSPEC: nowhere */
};

static int on_way(const struct nlmsghdr *message, void *userdata)
{
	struct nlattr *attributes[RTA_MAX + 1];
	struct way *way = userdata;
	struct rtmsg header;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(header), attributes, RTA_MAX, NULL) < 0)
		return 0;
	memcpy(&header, nlmsg_data(message), sizeof(header));
	*way = (struct way){
		.device = read_u32(attributes[RTA_OIF]),
		.mtu = read_mtu(attributes[RTA_METRICS]),
		.type = header.rtm_type,
	};
	return 0;
}

/* from: NULL: whichever address the host sends from. flags: RTM_F_FIB_MATCH or none. */
static struct way find_way(int family, const void *from, const void *to, unsigned int flags)
{
	const int size = (int)address_size(family);
	struct rtmsg header = {
		.rtm_family = (unsigned char)family,
		.rtm_dst_len = (unsigned char)(8 * size),
		.rtm_src_len = (unsigned char)(from ? 8 * size : 0),
		.rtm_flags = flags,
	};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	struct way way = { 0 };

	if (!message || nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, RTA_DST, size, to) < 0 ||
	    (from && nla_put(message, RTA_SRC, size, from) < 0))
		nlmsg_free(message);
	else
		(void)netlink_query(message, on_way, &way);
	return way;
}

bool route_is_to_host(int family, const void *address)
{
	return find_way(family, NULL, address, 0).type == RTN_LOCAL;
}

uint32_t route_device(int family, const void *address)
{
	return find_way(family, NULL, address, 0).device;
}

static uint32_t device_mtu(uint32_t device)
{
	char name[INTERFACE_NAME_SIZE];
	struct link link;

	if (device == LOOPBACK || !link_name((int)device, name) || link_get(name, &link) < 0)
		return 0;
	return link.mtu;
}

uint32_t route_mtu(int family, const void *from, const void *to)
{
	struct way way = find_way(family, from, to, 0);
	uint32_t mtu;

	/* What the host sends to itself takes the loopback: the table has whose the address is. */
	if (way.type == RTN_LOCAL)
		way = find_way(family, NULL, to, RTM_F_FIB_MATCH);
	else if (way.type != RTN_UNICAST)
		return 0;
	mtu = device_mtu(way.device);
	return way.mtu && way.mtu < mtu ? way.mtu : mtu;
}

int routes_add(struct routes *routes, const struct route *route)
{
	struct route *items = array_grow(routes->items, routes->n_items, sizeof(*items));

	if (!items)
		return -ENOMEM;
	routes->items = items;
	items[routes->n_items++] = *route;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct route));
}

void routes_sort(struct routes *routes)
{
	if (routes->n_items)
		qsort(routes->items, routes->n_items, sizeof(*routes->items), compare);
}

bool routes_have(const struct routes *routes, const struct route *route)
{
	return routes->n_items &&
	       bsearch(route, routes->items, routes->n_items, sizeof(*routes->items), compare);
}

void routes_clear(struct routes *routes)
{
	free(routes->items);
	*routes = (struct routes){ 0 };
}
