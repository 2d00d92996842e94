/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a subnet, from lists of what is taken. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "base/subnet.h"

static void add(struct ranges *ranges, const char *text, const char *owner, bool is_route)
{
	struct range range = { .is_route = is_route };

	if (ipv4_subnet_parse_masked(text, &range.ipv4) < 0)
		assert_int_equal(ipv6_prefix_parse_masked(text, &range.ipv6), 0);
	(void)snprintf(range.owner, sizeof(range.owner), "%s", owner);
	assert_int_equal(ranges_add(ranges, &range), 0);
}

static void take(struct ranges *ranges, const char *text, const char *owner)
{
	add(ranges, text, owner, false);
}

static void lead(struct ranges *ranges, const char *text)
{
	add(ranges, text, "a route", true);
}

static void assert_chosen(const struct ranges *taken, const char *expected)
{
	char text[IPV4_SUBNET_TEXT_SIZE];
	struct ipv4_subnet subnet;

	assert_int_equal(subnet_choose(taken, &subnet), 0);
	assert_string_equal(ipv4_subnet_format(&subnet, text), expected);
}

static void test_first_free(void **state)
{
	struct ranges taken = { 0 };

	(void)state;
	assert_chosen(&taken, "192.168.64.0/24");
	take(&taken, "192.168.1.0/24", "eth0");
	take(&taken, "10.0.0.0/8", "wg0");
	take(&taken, "fd00::/64", "eth0");
	assert_chosen(&taken, "192.168.64.0/24");
	take(&taken, "192.168.64.0/24", "eth1");
	assert_chosen(&taken, "192.168.65.0/24");
	ranges_clear(&taken);
}

static void test_any_overlap_counts(void **state)
{
	struct ranges taken = { 0 };

	(void)state;
	take(&taken, "192.168.64.17/32", "a host route");
	assert_chosen(&taken, "192.168.65.0/24");
	take(&taken, "192.168.64.0/22", "a larger network");
	assert_chosen(&taken, "192.168.68.0/24");
	take(&taken, "192.168.68.128/25", "half of it");
	take(&taken, "192.168.70.0/24", "one behind a hole");
	assert_chosen(&taken, "192.168.69.0/24");
	ranges_clear(&taken);
}

static void test_none_is_free(void **state)
{
	struct ranges taken = { 0 };
	struct ipv4_subnet subnet = { .length = 29 };
	char text[IPV4_SUBNET_TEXT_SIZE];

	(void)state;
	take(&taken, "10.0.0.0/8", "somebody");
	take(&taken, "172.16.0.0/12", "somebody");
	for (unsigned int i = 64; i < 255; i++) {
		(void)snprintf(text, sizeof(text), "192.168.%u.0/24", i);
		take(&taken, text, "somebody");
	}
	assert_chosen(&taken, "192.168.255.0/24");
	take(&taken, "192.168.255.255/32", "somebody");
	assert_int_equal(subnet_choose(&taken, &subnet), -1);
	assert_int_equal(subnet.length, 29);
	ranges_clear(&taken);
	take(&taken, "128.0.0.0/1", "a network as large as that");
	take(&taken, "10.0.0.0/8", "another");
	assert_int_equal(subnet_choose(&taken, &subnet), -1);
	ranges_clear(&taken);
}

static void test_what_no_route_covers_goes_first(void **state)
{
	struct ranges taken = { 0 };

	(void)state;
	lead(&taken, "192.168.64.0/18");
	assert_chosen(&taken, "192.168.128.0/24");
	lead(&taken, "192.168.0.0/16");
	assert_chosen(&taken, "10.64.0.0/24");
	lead(&taken, "10.64.0.0/16");
	take(&taken, "10.65.0.9/32", "eth0");
	assert_chosen(&taken, "10.65.1.0/24");
	lead(&taken, "10.0.0.0/8");
	assert_chosen(&taken, "172.16.0.0/24");
	lead(&taken, "172.16.0.0/13");
	assert_chosen(&taken, "172.24.0.0/24");
	ranges_clear(&taken);
}

static void test_all_is_covered(void **state)
{
	struct ranges taken = { 0 };

	(void)state;
	lead(&taken, "192.168.0.0/16");
	lead(&taken, "10.0.0.0/8");
	lead(&taken, "172.16.0.0/12");
	assert_chosen(&taken, "192.168.64.0/24");
	take(&taken, "192.168.64.1/32", "a gateway");
	lead(&taken, "192.168.65.0/24");
	lead(&taken, "192.168.66.128/25");
	lead(&taken, "192.168.66.0/23");
	assert_chosen(&taken, "192.168.67.0/24");
	take(&taken, "192.168.0.0/16", "network \"lab\"");
	assert_chosen(&taken, "10.64.0.0/24");
	ranges_clear(&taken);
}

static void test_a_broader_route_is_in_nobodys_way(void **state)
{
	struct ranges taken = { 0 };
	struct ipv4_subnet subnet;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.20.0.0/22", &subnet), 0);
	lead(&taken, "10.20.0.0/21");
	assert_null(ranges_find_ipv4(&taken, &subnet));
	lead(&taken, "10.20.0.0/22");
	assert_non_null(ranges_find_ipv4(&taken, &subnet));
	ranges_clear(&taken);
	lead(&taken, "10.20.3.0/24");
	assert_non_null(ranges_find_ipv4(&taken, &subnet));
	ranges_clear(&taken);
}

static void test_who_it_is(void **state)
{
	struct ranges taken = { 0 };
	struct ipv4_subnet subnet;
	struct ipv6_prefix prefix;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("192.168.64.0/24", &subnet), 0);
	assert_int_equal(ipv6_prefix_parse("fd00:1:2:3::/64", &prefix), 0);
	take(&taken, "192.168.65.0/24", "eth0");
	take(&taken, "fd00:1:2:4::1/128", "eth0");
	assert_null(ranges_find_ipv4(&taken, &subnet));
	assert_null(ranges_find_ipv6(&taken, &prefix));
	take(&taken, "192.168.0.0/16", "wg0");
	take(&taken, "192.168.64.1/32", "eth1");
	take(&taken, "fd00:1:2:3::1/128", "eth2");
	assert_string_equal(ranges_find_ipv4(&taken, &subnet)->owner, "wg0");
	assert_string_equal(ranges_find_ipv6(&taken, &prefix)->owner, "eth2");
	ranges_clear(&taken);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_free),
		cmocka_unit_test(test_any_overlap_counts),
		cmocka_unit_test(test_none_is_free),
		cmocka_unit_test(test_what_no_route_covers_goes_first),
		cmocka_unit_test(test_all_is_covered),
		cmocka_unit_test(test_a_broader_route_is_in_nobodys_way),
		cmocka_unit_test(test_who_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
