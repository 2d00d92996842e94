/* SPDX-License-Identifier: Apache-2.0 */
/* The names and aliases of links, and networks' domains. */
#include "tests/unit/test.h"

#include <string.h>

#include "base/array.h"
#include "host/names.h"

#define LONGEST_NAME "a23456789.123456789.123456789.123456789.123456789.123456789.123"

static void test_bridge_name(void **state)
{
	char name[INTERFACE_NAME_SIZE];
	char other[INTERFACE_NAME_SIZE];

	(void)state;
	bridge_name("lab", name);
	assert_string_equal(name, "vmb-lab");
	bridge_name("12345678901", name);
	assert_string_equal(name, "vmb-12345678901");
	bridge_name("123456789012", name);
	assert_int_equal(strlen(name), INTERFACE_NAME_SIZE - 1);
	assert_int_equal(strncmp(name, "vmb-", 4), 0);
	assert_int_equal(strspn(name + 4, "0123456789abcdef"), 11);
	bridge_name("123456789013", other);
	assert_string_not_equal(name, other);
	bridge_name("123456789012", other);
	assert_string_equal(name, other);
	assert_true(is_own_link_name(name));
	assert_true(is_own_link_name("vmt12"));
	assert_false(is_own_link_name("eth0"));
}

static void test_domain(void **state)
{
	char domain[NETWORK_DOMAIN_SIZE];

	(void)state;
	assert_string_equal(network_domain("a.b_c-D", domain), "a.b_c-d.internal");
	assert_string_equal(network_domain("a..b-", domain), "ab.internal");
	assert_string_equal(network_domain(LONGEST_NAME, domain), LONGEST_NAME ".internal");
}

static void test_routing_table(void **state)
{
	(void)state;
	assert_int_equal(routing_table("lab") & 0xff000000, ROUTING_TABLES);
	assert_int_equal(routing_table("lab"), routing_table("lab"));
	assert_int_not_equal(routing_table("lab"), routing_table("lab2"));
}

static void test_alias_of_bridge(void **state)
{
	char text[ALIAS_SIZE];
	struct alias alias;

	(void)state;
	alias_format(&(struct alias){ .network = LONGEST_NAME }, text);
	assert_string_equal(text, "vmnet-broker " LONGEST_NAME);
	assert_int_equal(alias_parse(text, &alias), 0);
	assert_string_equal(alias.network, LONGEST_NAME);
	assert_false(alias.is_interface);
}

static void test_alias_of_interface(void **state)
{
	const struct alias whole = {
		.network = LONGEST_NAME,
		.is_interface = true,
		.mac = { { 0x52, 0x54, 0x00, 0x01, 0x02, 0xff } },
		.is_whole = true,
		.owner = UINT32_MAX - 1,
		.host_mac = { { 0xfe, 0, 1, 2, 3, 4 } },
		.attached = INT64_MAX,
	};
	char text[ALIAS_SIZE];
	struct alias alias;

	(void)state;
	alias_format(&whole, text);
	assert_string_equal(text, "vmnet-broker " LONGEST_NAME
				  " 52:54:00:01:02:ff 4294967294 fe:00:01:02:03:04 "
				  "9223372036854775807");
	assert_int_equal(alias_parse(text, &alias), 0);
	assert_string_equal(alias.network, whole.network);
	assert_true(alias.is_interface && alias.is_whole);
	assert_true(mac_address_equal(&alias.mac, &whole.mac));
	assert_true(mac_address_equal(&alias.host_mac, &whole.host_mac));
	assert_int_equal(alias.owner, whole.owner);
	assert_int_equal(alias.attached, whole.attached);
}

static void test_alias_of_an_older_broker(void **state)
{
	const struct mac_address mac = { { 0x52, 0x54, 0x00, 0x01, 0x02, 0xff } };
	struct alias alias;

	(void)state;
	assert_int_equal(alias_parse("vmnet-broker lab 52:54:00:01:02:ff", &alias), 0);
	assert_true(alias.is_interface);
	assert_true(mac_address_equal(&alias.mac, &mac));
	assert_false(alias.is_whole);
	assert_int_equal(
		alias_parse("vmnet-broker lab 52:54:00:01:02:ff 1000 fe:00:01:02:03:04", &alias),
		0);
	assert_true(alias.is_whole);
	assert_int_equal(alias.attached, 0);
}

static void test_checksums_name(void **state)
{
	char name[INTERFACE_NAME_SIZE];

	(void)state;
	checksums_name("vmb-lab", name);
	assert_string_equal(name, "vmc-lab");
	assert_true(is_own_link_name(name));
}

static void test_captures(void **state)
{
	static const char *const others[] = {
		"",
		"vmnet-broker lab",
		"vmnet-broker-capture ",
		"vmnet-broker-capture 7",
		"vmnet-broker-capture 7 1000 ",
		"vmnet-broker-capture 07 1000",
		"vmnet-broker-capture -7 1000",
		"vmnet-broker-capture 7 -1",
		"vmnet-broker-capture 7 4294967296",
	};
	const struct capture_alias whole = { .port = 7, .owner = 4294967294 };
	struct capture_alias alias;
	char text[ALIAS_SIZE];

	(void)state;
	capture_alias_format(&whole, text);
	assert_string_equal(text, "vmnet-broker-capture 7 4294967294");
	assert_int_equal(capture_alias_parse(text, &alias), 0);
	assert_int_equal(alias.port, whole.port);
	assert_int_equal(alias.owner, whole.owner);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(capture_alias_parse(others[i], &alias), -1);
	assert_true(is_own_link_name("vmt-cap0"));
}

static void test_limiter_name(void **state)
{
	static const char *const others[] = { "vmtr-", "vmtr-0", "vmtr-07", "vmtr-7x", "vmt7" };
	char name[INTERFACE_NAME_SIZE];

	(void)state;
	limiter_name(INT32_MAX, name);
	assert_string_equal(name, "vmtr-2147483647");
	assert_int_equal(limiter_port(name), INT32_MAX);
	assert_true(is_own_link_name(name));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(limiter_port(others[i]), 0);
}

static void test_other_aliases(void **state)
{
	static const char *const others[] = {
		"",
		"vmnet-broker",
		"vmnet-broker ",
		"vmnet-broker  lab",
		"vmnet-broker Lab/..",
		"vmnet-broker .lab",
		"vmnet-broker lab ",
		"vmnet-broker lab 52:54:00:01:02",
		"vmnet-broker lab 52:54:00:01:02:ff ",
		"vmnet-broker lab 52:54:00:01:02:ff 1000",
		"vmnet-broker lab 52:54:00:01:02:ff 1000 ",
		"vmnet-broker lab 52:54:00:01:02:ff -1 fe:00:01:02:03:04",
		"vmnet-broker lab 52:54:00:01:02:ff 4294967296 fe:00:01:02:03:04",
		"vmnet-broker lab 52:54:00:01:02:ff 1000 ff:00:01:02:03:04",
		"vmnet-broker lab 52:54:00:01:02:ff 1000 fe:00:01:02:03:04 ",
		"vmnet-broker lab 52:54:00:01:02:ff 1000 fe:00:01:02:03:04 -1",
		"vmnet-broker lab 52:54:00:01:02:ff 1000 fe:00:01:02:03:04 1 1",
		"vmnet-broker " LONGEST_NAME "4",
		"uplink to the lab",
	};
	struct alias alias;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_int_equal(alias_parse(others[i], &alias), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bridge_name),
		cmocka_unit_test(test_domain),
		cmocka_unit_test(test_routing_table),
		cmocka_unit_test(test_alias_of_bridge),
		cmocka_unit_test(test_alias_of_interface),
		cmocka_unit_test(test_alias_of_an_older_broker),
		cmocka_unit_test(test_captures),
		cmocka_unit_test(test_other_aliases),
		cmocka_unit_test(test_checksums_name),
		cmocka_unit_test(test_limiter_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
