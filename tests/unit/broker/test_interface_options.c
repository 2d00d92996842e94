/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and addresses that are asked for with an interface. What is refused in which words, tests
 * of whole brokers say.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/interface_options.h"
#include "broker/platform.h"
#include "tests/unit/broker/fixture.h"

/* fake_platform.c's */
static const struct host_key key = { "a fake host's k" };

/* What the last one of them was answered with is the client's error. */
static struct interface *attach_as(struct fake_client *client, struct interface_options options,
				   const struct mac_address *mac)
{
	struct attach_request request = {
		.network = "default", .queues = 1, .mac = mac, .options = &options
	};
	struct interface *interface;

	fake_attach(client, &request);
	assert_null(options.port_forwardings);
	if (!client->asked)
		return NULL;
	interface = network_in("default", NETWORK_ACTIVE)->interfaces;
	fake_attached(interface);
	return interface;
}

static struct interface_options with_address(const char *text)
{
	struct interface_options options = { .has_ipv4 = true };

	assert_int_equal(inet_pton(AF_INET, text, &options.ipv4), 1);
	return options;
}

static struct in_addr address_of(const char *text)
{
	return with_address(text).ipv4;
}

static void test_the_same_name_gets_the_same(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface =
		attach_as(client, (struct interface_options){ .name = "Web" }, NULL);
	struct mac_address mac = interface->mac;
	struct in_addr address = interface->options.ipv4;

	(void)state;
	assert_int_equal(mac.bytes[0] & 3, 2);
	assert_true(interface->options.has_ipv4 && !interface->is_new_mac);
	assert_null(attach_as(client, (struct interface_options){ .name = "web" }, NULL));
	assert_string_equal(client->error.parameter, "name");
	fake_detached(interface);
	interface = attach_as(client, (struct interface_options){ .name = "web" }, NULL);
	assert_true(mac_address_equal(&interface->mac, &mac));
	assert_int_equal(interface->options.ipv4.s_addr, address.s_addr);
}

static void test_other_names_get_others(void **state)
{
	const struct network *network;
	struct mac_address macs[5];

	(void)state;
	holder("lab");
	network = network_in("lab", NETWORK_ACTIVE);
	macs[0] = interface_named_mac(network, &key, 1000, "web", 0);
	macs[1] = interface_named_mac(network, &key, 1001, "web", 0);
	macs[2] = interface_named_mac(network, &key, 1000, "wea", 0);
	macs[3] = interface_named_mac(network, &key, 1000, "web", 1);
	holder("default");
	macs[4] = interface_named_mac(network_in("default", NETWORK_ACTIVE), &key, 1000, "web", 0);
	for (size_t i = 0; i < ARRAY_SIZE(macs); i++)
		for (size_t j = 0; j < i; j++)
			assert_false(mac_address_equal(&macs[i], &macs[j]));
}

static void test_a_used_address_is_passed_over(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct mac_address mac = interface_named_mac(network, &key, 1000, "web", 0);
	struct mac_address next = interface_named_mac(network, &key, 1000, "web", 1);
	struct interface *interface;
	struct in_addr free_one, other;
	struct error error;

	(void)state;
	assert_int_equal(interface_choose_ipv4(network, &next, &free_one, &error), 0);
	attach_as(client, (struct interface_options){ .has_ipv4 = true, .ipv4 = free_one }, &mac);
	assert_int_equal(client->error.code, ERROR_NONE);
	interface = attach_as(client, (struct interface_options){ .name = "web" }, NULL);
	assert_true(mac_address_equal(&interface->mac, &next));
	other = interface->options.ipv4;
	assert_int_not_equal(other.s_addr, free_one.s_addr);
	assert_true(ipv4_subnet_contains(&network->addresses.ipv4_subnet, other));
}

static void test_leases(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct interface *there = attached(client, "default", false);
	struct mac_address gone = { { 2, 0, 0, 0, 0, 9 } };
	struct lease *leases = lease("192.168.64.7", lease("192.168.64.8", NULL));
	struct in_addr chosen;
	struct error error;

	(void)state;
	leases->mac = there->mac;
	leases->next->mac = gone;
	broker_leases_changed(network, leases);
	assert_null(attach_as(client, with_address("192.168.64.7"), NULL));
	assert_string_equal(client->error.parameter, "ipv4Address");
	/* Its own it may ask for, and has without. */
	assert_int_equal(interface_choose_ipv4(network, &gone, &chosen, &error), 0);
	assert_int_equal(chosen.s_addr, address_of("192.168.64.8").s_addr);
	assert_non_null(attach_as(client, with_address("192.168.64.8"), NULL));
	assert_int_equal(interface_choose_ipv4(network, &gone, &chosen, &error), 0);
	assert_int_not_equal(chosen.s_addr, address_of("192.168.64.8").s_addr);

	broker_leases_forget(network, &gone);
	assert_ptr_equal(network->leases, leases);
	assert_null(leases->next);
}

/* The fake network has the subnet 192.168.64.0/24, of which this host has a part. */
static struct network_config *on_two_hosts(struct network *network)
{
	struct network_config *config = network_config_parse(
		"default", "{\"mode\":\"shared\",\"subnet\":\"192.168.64.0/24\",\"ipv6_prefix\":"
			   "\"fd00:1::/64\",\"dhcp_reservations\":[{\"mac_address\":"
			   "\"02:00:00:00:00:09\",\"address\":\"192.168.64.70\"}],\"vxlan\":{"
			   "\"vni\":1,\"control\":\"evpn\",\"hosts\":[{\"name\":\"a\",\"address\":"
			   "\"192.0.2.1\",\"pool\":\"192.168.64.64/29\"},{\"name\":\"b\","
			   "\"address\":\"192.0.2.2\",\"pool\":\"192.168.64.16/30\"}]}}");
	struct network_config *before = network->config;

	assert_non_null(config);
	network->config = config;
	network->addresses.vxlan_host = 2;
	return before;
}

static void assert_refused(struct fake_client *client, const struct interface_options *options,
			   const struct mac_address *mac, const char *parameter, const char *reason)
{
	assert_null(attach_as(client, *options, mac));
	assert_string_equal(client->error.parameter, parameter);
	assert_string_equal(client->error.reason, reason);
}

static void test_several_hosts(void **state)
{
	const struct mac_address reserved = { { 2, 0, 0, 0, 0, 9 } };
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct network_config *before = on_two_hosts(network);
	struct interface_options options = { .name = "A" };
	struct mac_address mac = vxlan_mac(address_of("192.168.64.65"));
	struct interface *interface;

	(void)state;
	network->addresses.ipv6_prefix = network->config->ipv6_prefix;
	assert_refused(client, &options, NULL, "name",
		       "name \"A\" is that of a host of network \"default\"; choose another");
	assert_refused(client, &(struct interface_options){ 0 }, &mac, "macAddress",
		       "MAC address 76:6d:c0:a8:40:41 is used on network \"default\" already; "
		       "choose another");
	options = with_address("192.168.64.65");
	assert_refused(client, &options, NULL, "ipv4Address",
		       "IPv4 address 192.168.64.65 is host \"a\"'s own on network \"default\"; "
		       "192.168.64.18 is free");
	options = with_address("192.168.64.66");
	assert_refused(client, &options, NULL, "ipv4Address",
		       "IPv4 address 192.168.64.66 is of the pool of host \"a\" on network "
		       "\"default\"; 192.168.64.18 is free");
	options = (struct interface_options){ .has_ipv6 = true };
	options.ipv6 = vxlan_host_ipv6(network->config, &network->config->vxlan.hosts[0]);
	assert_refused(client, &options, NULL, "ipv6Address",
		       "IPv6 address fd00:1::c0a8:4041 is host \"a\"'s own on network \"default\"; "
		       "choose another of fd00:1::/64");

	/* A reservation holds on every host, and what is of no pool is whose who asks for it. */
	options = with_address("192.168.64.70");
	interface = attach_as(client, options, &reserved);
	assert_non_null(interface);
	assert_non_null(attach_as(client, with_address("192.168.64.200"), NULL));
	interface = attach_as(client, (struct interface_options){ .name = "web" }, NULL);
	assert_int_equal(interface->options.ipv4.s_addr, address_of("192.168.64.18").s_addr);
	assert_refused(client, &(struct interface_options){ .name = "db" }, NULL, "ipv4Address",
		       "no IPv4 address is free on network \"default\"; stop a machine, or give "
		       "this host a larger \"pool\"");
	network_config_unref(network->config);
	network->config = before;
	network->addresses.vxlan_host = 0;
}

static void test_ipv6_is_what_machines_make(void **state)
{
	const struct mac_address mac = { { 0x52, 0x54, 0x00, 0x01, 0x02, 0x03 } };
	struct network network = { .addresses.ipv6_prefix.length = 64 };
	struct in6_addr expected, chosen;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00:1::", &network.addresses.ipv6_prefix.address),
			 1);
	assert_int_equal(inet_pton(AF_INET6, "fd00:1::5054:ff:fe01:203", &expected), 1);
	chosen = interface_choose_ipv6(&network, &mac);
	assert_memory_equal(&chosen, &expected, sizeof(chosen));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_same_name_gets_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_names_get_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_used_address_is_passed_over, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_hosts, setup, teardown),
		cmocka_unit_test(test_ipv6_is_what_machines_make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
