/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: as the kernel says them, as they are said to the kernel, and sets of them. */
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "host/route.h"

#define N_MAX 4

struct found {
	struct route items[N_MAX];
	size_t n_items;
};

static int note(const struct route *route, void *userdata)
{
	struct found *found = userdata;

	assert_true(found->n_items < N_MAX);
	found->items[found->n_items++] = *route;
	return 0;
}

static struct found parse(struct nl_msg *message)
{
	struct found found = { 0 };

	assert_int_equal(route_parse(nlmsg_hdr(message), note, &found), 0);
	nlmsg_free(message);
	return found;
}

static struct in6_addr address(int family, const char *text)
{
	struct in6_addr address = { 0 };

	assert_int_equal(inet_pton(family, text, &address), 1);
	return address;
}

static struct route ipv4_route(void)
{
	return (struct route){
		.table = RT_TABLE_MAIN,
		.device = 7,
		.priority = 100,
		.destination = address(AF_INET, "10.0.0.0"),
		.gateway = address(AF_INET, "192.0.2.1"),
		.family = AF_INET,
		.protocol = RTPROT_DHCP,
		.destination_length = 8,
		.gateway_family = AF_INET,
	};
}

static void assert_stays(const struct route *route)
{
	struct nl_msg *message = route_message(RTM_NEWROUTE, 0, route);
	struct found found;

	assert_non_null(message);
	found = parse(message);
	assert_int_equal(found.n_items, 1);
	assert_memory_equal(&found.items[0], route, sizeof(*route));
}

static void test_what_is_written_is_read(void **state)
{
	struct route route = ipv4_route();

	(void)state;
	assert_stays(&route);
	route.table = 0x76123456;
	route.mtu = 1400;
	route.tos = 8;
	assert_stays(&route);
	route.gateway = address(AF_INET6, "fe80::1");
	route.gateway_family = AF_INET6;
	assert_stays(&route);
	route.gateway = (struct in6_addr){ 0 };
	route.gateway_family = AF_UNSPEC;
	route.scope = RT_SCOPE_LINK;
	assert_stays(&route);
	assert_stays(&(struct route){
		.table = RT_TABLE_MAIN,
		.device = 7,
		.priority = 1024,
		.source = address(AF_INET6, "2001:db8::"),
		.gateway = address(AF_INET6, "fe80::1"),
		.family = AF_INET6,
		.protocol = RTPROT_RA,
		.source_length = 56,
		.preference = 3,
		.gateway_family = AF_INET6,
	});
}

/* A message about a default route, to which more is to be added. */
static struct nl_msg *message_of(uint8_t type, unsigned int flags)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWROUTE, 0);
	struct rtmsg header = {
		.rtm_family = AF_INET,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_type = type,
		.rtm_flags = flags,
	};

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	return message;
}

static void put_way(struct nl_msg *message, int device, const char *gateway, bool wrapped)
{
	struct in6_addr via = address(AF_INET, gateway);
	struct rtnexthop *way = nlmsg_reserve(message, sizeof(*way), NLMSG_ALIGNTO);
	char *end;

	assert_non_null(way);
	way->rtnh_flags = 0;
	way->rtnh_hops = 0;
	way->rtnh_ifindex = device;
	assert_int_equal(nla_put(message, RTA_GATEWAY, sizeof(struct in_addr), &via), 0);
	if (wrapped)
		assert_int_equal(nla_put_u32(message, RTA_ENCAP, 1), 0);
	end = nlmsg_tail(nlmsg_hdr(message));
	way->rtnh_len = (unsigned short)(end - (char *)way);
}

static void test_several_ways(void **state)
{
	struct nl_msg *message = message_of(RTN_UNICAST, 0);
	struct nlattr *ways = nla_nest_start(message, RTA_MULTIPATH);
	struct in6_addr second = address(AF_INET, "192.0.2.2");
	struct found found;

	(void)state;
	put_way(message, 7, "192.0.2.1", false);
	put_way(message, 8, "192.0.2.2", false);
	put_way(message, 9, "192.0.2.3", true);
	put_way(message, 0, "192.0.2.4", false);
	nla_nest_end(message, ways);
	found = parse(message);
	assert_int_equal(found.n_items, 2);
	assert_int_equal(found.items[0].device, 7);
	assert_int_equal(found.items[1].device, 8);
	assert_memory_equal(&found.items[1].gateway, &second, sizeof(second));
}

static void assert_left_out(struct nl_msg *message)
{
	assert_int_equal(nla_put_u32(message, RTA_OIF, 7), 0);
	assert_int_equal(parse(message).n_items, 0);
}

static void test_what_is_left_out(void **state)
{
	struct nl_msg *message = message_of(RTN_UNICAST, 0);

	(void)state;
	assert_int_equal(parse(message_of(RTN_UNICAST, 0)).n_items, 0);
	assert_left_out(message_of(RTN_UNREACHABLE, 0));
	assert_left_out(message_of(RTN_LOCAL, 0));
	assert_left_out(message_of(RTN_UNICAST, RTM_F_CLONED));
	assert_int_equal(nla_put_u32(message, RTA_ENCAP, 1), 0);
	assert_left_out(message);
	assert_int_equal(parse(nlmsg_alloc_simple(RTM_NEWROUTE, 0)).n_items, 0);
}

static int refuse(const struct route *route, void *userdata)
{
	(void)route;
	(void)userdata;
	return -12;
}

static void test_each_can_end_it(void **state)
{
	struct route route = ipv4_route();
	struct nl_msg *message = route_message(RTM_NEWROUTE, 0, &route);

	(void)state;
	assert_int_equal(route_parse(nlmsg_hdr(message), refuse, NULL), -12);
	nlmsg_free(message);
}

static void test_set(void **state)
{
	struct routes routes = { 0 };
	struct route route = ipv4_route();

	(void)state;
	routes_sort(&routes);
	assert_false(routes_have(&routes, &route));
	for (uint32_t i = 100; i > 0; i--) {
		route.priority = i;
		assert_int_equal(routes_add(&routes, &route), 0);
	}
	routes_sort(&routes);
	assert_int_equal(routes.n_items, 100);
	for (route.priority = 1; route.priority <= 100; route.priority++)
		assert_true(routes_have(&routes, &route));
	assert_false(routes_have(&routes, &route));
	routes_clear(&routes);
	assert_false(routes_have(&routes, &route));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_several_ways),
		cmocka_unit_test(test_what_is_left_out),
		cmocka_unit_test(test_each_can_end_it),
		cmocka_unit_test(test_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
