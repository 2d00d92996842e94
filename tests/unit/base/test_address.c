/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what parses, what does not, and the arithmetic at the edges. */
#include "tests/unit/test.h"

#include "base/address.h"

static struct ipv4_subnet subnet(const char *text)
{
	struct ipv4_subnet result;

	assert_int_equal(ipv4_subnet_parse(text, &result), 0);
	return result;
}

static struct ipv6_prefix prefix(const char *text)
{
	struct ipv6_prefix result;

	assert_int_equal(ipv6_prefix_parse(text, &result), 0);
	return result;
}

static struct in_addr ipv4(const char *text)
{
	struct in_addr result;

	assert_int_equal(inet_pton(AF_INET, text, &result), 1);
	return result;
}

static struct in6_addr ipv6(const char *text)
{
	struct in6_addr result;

	assert_int_equal(inet_pton(AF_INET6, text, &result), 1);
	return result;
}

static void assert_ipv4(struct in_addr address, const char *expected)
{
	char text[INET_ADDRSTRLEN];

	assert_string_equal(inet_ntop(AF_INET, &address, text, sizeof(text)), expected);
}

static void test_ipv4_subnet_text(void **state)
{
	static const char *const good[] = {
		"192.168.105.0/24", "10.0.0.0/8",      "10.128.0.0/9", "255.255.255.248/29",
		"1.2.3.4/32",	    "172.16.31.64/26", "0.0.0.0/1",
	};
	char text[IPV4_SUBNET_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct ipv4_subnet parsed = subnet(good[i]);

		assert_string_equal(ipv4_subnet_format(&parsed, text), good[i]);
	}
}

static void test_ipv4_subnet_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/24",
		"10.0.0.0",
		"10.0.0.0/",
		"10.0.0.0/0",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/ 8",
		"10.0.0.0/+8",
		"10.0.0.0/-8",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0.0/8/8",
		"10.0.0.0/4294967304",
		"10.0.0.0/18446744073709551624",
		"10.0.0/24",
		"10.0.0.0.0/24",
		"010.0.0.0/8",
		"0xa.0.0.0/8",
		"10.0.0.256/32",
		"10.0.0.1/24",
		"10.0.0.128/24",
		"fd00::/64",
		"10.0.0.0000000000000000000000000000000000000000000000000000000000000000000/8",
	};
	struct ipv4_subnet untouched = { { 42 }, 42 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ipv4_subnet_parse(bad[i], &untouched), -1);
		assert_int_equal(untouched.address.s_addr, 42);
		assert_int_equal(untouched.length, 42);
	}
}

static void test_ipv4_subnet_masked(void **state)
{
	char text[IPV4_SUBNET_TEXT_SIZE];
	struct ipv4_subnet masked;

	(void)state;
	assert_int_equal(ipv4_subnet_parse_masked("192.168.105.77/20", &masked), 0);
	assert_string_equal(ipv4_subnet_format(&masked, text), "192.168.96.0/20");
	assert_int_equal(ipv4_subnet_parse_masked("192.168.105.77", &masked), -1);
}

static void test_ipv4_subnet_arithmetic(void **state)
{
	struct ipv4_subnet lab = subnet("192.168.104.0/23");
	struct ipv4_subnet whole = subnet("1.2.3.4/32");

	(void)state;
	assert_ipv4(ipv4_subnet_host(&lab, 0), "192.168.104.0");
	assert_ipv4(ipv4_subnet_host(&lab, 1), "192.168.104.1");
	assert_ipv4(ipv4_subnet_host(&lab, 256), "192.168.105.0");
	assert_ipv4(ipv4_subnet_mask(&lab), "255.255.254.0");
	assert_ipv4(ipv4_subnet_last(&lab), "192.168.105.255");
	assert_ipv4(ipv4_subnet_mask(&whole), "255.255.255.255");
	assert_ipv4(ipv4_subnet_last(&whole), "1.2.3.4");
}

static void test_ipv4_subnet_contains(void **state)
{
	struct ipv4_subnet lab = subnet("192.168.105.0/24");

	(void)state;
	assert_true(ipv4_subnet_contains(&lab, ipv4("192.168.105.0")));
	assert_true(ipv4_subnet_contains(&lab, ipv4("192.168.105.255")));
	assert_false(ipv4_subnet_contains(&lab, ipv4("192.168.104.255")));
	assert_false(ipv4_subnet_contains(&lab, ipv4("192.168.106.0")));
}

static void test_ipv4_subnet_overlaps(void **state)
{
	struct ipv4_subnet wide = subnet("10.0.0.0/8");
	struct ipv4_subnet inside = subnet("10.200.0.0/16");
	struct ipv4_subnet beside = subnet("11.0.0.0/24");

	(void)state;
	assert_true(ipv4_subnet_overlaps(&wide, &inside));
	assert_true(ipv4_subnet_overlaps(&inside, &wide));
	assert_true(ipv4_subnet_overlaps(&wide, &wide));
	assert_false(ipv4_subnet_overlaps(&wide, &beside));
	assert_false(ipv4_subnet_overlaps(&beside, &inside));
}

static void test_ipv6_prefix_text(void **state)
{
	static const char *const good[] = { "fd12:3456:789a:1::/64", "2001:db8::/32", "8000::/1",
					    "fd00::1/128", "fd00:0:0:8000::/49" };
	char text[IPV6_PREFIX_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct ipv6_prefix parsed = prefix(good[i]);

		assert_string_equal(ipv6_prefix_format(&parsed, text), good[i]);
	}
}

static void test_ipv6_prefix_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"fd00::",
		"fd00::/",
		"fd00::/0",
		"fd00::/129",
		"fd00::1/64",
		"fd00::/064",
		"fd00::%lo/64",
		"fd00::/64 ",
		"10.0.0.0/8",
		"[fd00::]/64",
		"fd00:::/64",
		"fd00::8000:0:0:0/48",
	};
	struct ipv6_prefix untouched = { .length = 42 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ipv6_prefix_parse(bad[i], &untouched), -1);
		assert_int_equal(untouched.length, 42);
	}
}

static void test_ipv6_prefix_masked(void **state)
{
	char text[IPV6_PREFIX_TEXT_SIZE];
	struct ipv6_prefix masked;

	(void)state;
	assert_int_equal(ipv6_prefix_parse_masked("fd00:1:2:3::4/64", &masked), 0);
	assert_string_equal(ipv6_prefix_format(&masked, text), "fd00:1:2:3::/64");
	assert_int_equal(ipv6_prefix_parse_masked("fd00::", &masked), -1);
}

static void test_ipv6_prefix_contains(void **state)
{
	struct ipv6_prefix lab = prefix("fd00:0:0:1::/64");
	struct ipv6_prefix wide = prefix("fd00::/61");
	struct ipv6_prefix beside = prefix("fd00:0:0:8::/64");
	struct in6_addr inside = ipv6("fd00::1:ffff:ffff:ffff:ffff");
	struct in6_addr outside = ipv6("fd00::2:0:0:0:0");

	(void)state;
	assert_true(ipv6_prefix_contains(&lab, &inside));
	assert_false(ipv6_prefix_contains(&lab, &outside));
	assert_true(ipv6_prefix_contains(&wide, &outside));
	assert_true(ipv6_prefix_overlaps(&lab, &wide));
	assert_true(ipv6_prefix_overlaps(&wide, &lab));
	assert_false(ipv6_prefix_overlaps(&wide, &beside));
}

static void test_either_family(void **state)
{
	struct in6_addr address;
	struct in_addr ipv4;

	(void)state;
	assert_int_equal(address_parse("192.0.2.1", &address), AF_INET);
	memcpy(&ipv4, &address, sizeof(ipv4));
	assert_int_equal(ntohl(ipv4.s_addr), 0xc0000201);
	assert_int_equal(address_parse("2001:db8::1", &address), AF_INET6);
	assert_int_equal(address.s6_addr[15], 1);
	assert_int_equal(address_parse("192.0.2.1/24", &address), AF_UNSPEC);
	assert_int_equal(address_parse("a", &address), AF_UNSPEC);
	assert_int_equal(address_parse(NULL, &address), AF_UNSPEC);
}

static void test_mac_address_text(void **state)
{
	char text[MAC_TEXT_SIZE];
	struct mac_address mac;

	(void)state;
	assert_int_equal(mac_address_parse("52:54:00:0A:bC:ff", &mac), 0);
	assert_string_equal(mac_address_format(&mac, text), "52:54:00:0a:bc:ff");
}

static void test_mac_address_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"52:54:00:12:34",
		"52:54:00:12:34:5",
		"52:54:00:12:34:567",
		"52-54-00-12-34-56",
		"52:54:00:12:34:5g",
		"5254.0012.3456",
		"52:54:00:12:34 56",
		" 2:54:00:12:34:56",
		"0x:54:00:12:34:56",
		"52:54:0:12:34:56:",
		"525:4:00:12:34:56",
	};
	struct mac_address untouched = { { 42 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(mac_address_parse(bad[i], &untouched), -1);
		assert_int_equal(untouched.bytes[0], 42);
	}
}

static void test_mac_address_unicast(void **state)
{
	(void)state;
	assert_true(mac_address_is_unicast(&(struct mac_address){ { 0x52, 0x54, 0, 0, 0, 1 } }));
	assert_true(mac_address_is_unicast(&(struct mac_address){ { 0, 0, 0, 0, 0, 1 } }));
	assert_false(mac_address_is_unicast(&(struct mac_address){ { 0 } }));
	assert_false(mac_address_is_unicast(&(struct mac_address){ { 0x53, 0x54, 0, 0, 0, 1 } }));
	assert_false(mac_address_is_unicast(
		&(struct mac_address){ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_either_family),
		cmocka_unit_test(test_ipv4_subnet_text),
		cmocka_unit_test(test_ipv4_subnet_refused),
		cmocka_unit_test(test_ipv4_subnet_masked),
		cmocka_unit_test(test_ipv4_subnet_arithmetic),
		cmocka_unit_test(test_ipv4_subnet_contains),
		cmocka_unit_test(test_ipv4_subnet_overlaps),
		cmocka_unit_test(test_ipv6_prefix_text),
		cmocka_unit_test(test_ipv6_prefix_refused),
		cmocka_unit_test(test_ipv6_prefix_masked),
		cmocka_unit_test(test_ipv6_prefix_contains),
		cmocka_unit_test(test_mac_address_text),
		cmocka_unit_test(test_mac_address_refused),
		cmocka_unit_test(test_mac_address_unicast),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
