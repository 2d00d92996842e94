/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that are asked for with an interface. What is refused in which words, tests of whole
 * brokers say.
 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/network.h"
#include "broker/user_limits.h"
#include "tests/unit/broker/fixture.h"

static void request(struct fake_client *client, const struct port_forwarding *ports, size_t n)
{
	struct interface_options options = { .n_port_forwardings = n };
	struct attach_request request = { .network = "default", .queues = 1, .options = &options };

	options.port_forwardings = calloc(n, sizeof(*ports));
	assert_non_null(options.port_forwardings);
	memcpy(options.port_forwardings, ports, n * sizeof(*ports));
	fake_attach(client, &request);
	free(options.port_forwardings);
}

/* NULL: they are refused, and the client's error says so. */
static struct interface *ask(struct fake_client *client, const struct port_forwarding *ports,
			     size_t n)
{
	request(client, ports, n);
	if (client->asked)
		return network_in("default", NETWORK_ACTIVE)->interfaces;
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_string_equal(client->error.parameter, "portForwarding");
	return NULL;
}

static struct port_forwarding tcp(uint16_t port)
{
	return (struct port_forwarding){ .protocols = FORWARD_TCP,
					 .family = AF_INET,
					 .external_port = port,
					 .internal_port = 80,
					 .n_ports = 1 };
}

static struct interface *ask_for(struct fake_client *client, struct port_forwarding port)
{
	return ask(client, &port, 1);
}

static struct port_forwarding at(struct port_forwarding port, const char *address)
{
	port.family = strchr(address, ':') ? AF_INET6 : AF_INET;
	port.has_external_address = true;
	assert_int_equal(inet_pton(port.family, address, &port.external_address), 1);
	return port;
}

static void test_they_lead_to_the_address_that_it_gets(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct port_forwarding ports[] = { tcp(8080), at(tcp(8080), "::"), at(tcp(22), "0.0.0.0") };
	const struct port_forwarding *got;
	struct interface *interface;

	(void)state;
	assert_int_equal(ipv6_prefix_parse("fd00::/64", &network->addresses.ipv6_prefix), 0);
	ports[2].external_port = 2222;
	interface = ask(client, ports, ARRAY_SIZE(ports));
	assert_non_null(interface);
	assert_true(interface->options.has_ipv4 && interface->options.has_ipv6);
	got = interface->options.port_forwardings;
	assert_int_equal(interface->options.n_port_forwardings, ARRAY_SIZE(ports));
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		assert_false(got[i].has_external_address);
	assert_int_equal(got[0].internal_address.ipv4.s_addr, interface->options.ipv4.s_addr);
	assert_int_equal(got[2].internal_address.ipv4.s_addr, interface->options.ipv4.s_addr);
	assert_true(IN6_ARE_ADDR_EQUAL(&got[1].internal_address.ipv6, &interface->options.ipv6));
	fake_attached(interface);
}

static void test_a_machine_has_them_until_it_has_gone(void **state)
{
	struct fake_client *client = holder("default");
	struct fake_client *other = holder("default");
	struct interface *interface = ask_for(client, tcp(8080));
	struct port_forwarding all = tcp(8000);

	(void)state;
	assert_non_null(interface);
	/* Also while it is being made. */
	assert_null(ask_for(other, tcp(8080)));
	all.n_ports = 100;
	assert_null(ask_for(other, all));
	assert_null(ask_for(other, at(tcp(8080), "127.0.0.1")));
	fake_attached(interface);
	assert_null(ask_for(other, tcp(8080)));
	fake_detached(interface);
	interface = ask_for(other, tcp(8080));
	assert_non_null(interface);
	fake_attach_failed(interface, "no device");
	interface = ask_for(client, tcp(8080));
	assert_non_null(interface);
	fake_attached(interface);
}

static void test_the_file_comes_second(void **state)
{
	static const char json[] =
		"{\"mode\":\"shared\",\"subnet\":\"10.0.0.0/24\",\"port_forwarding\":[{\"protocol\":"
		"\"tcp\",\"external_port\":8080,\"internal_address\":\"10.0.0.9\"}]}";
	struct network_config *config = network_config_parse("new", json);
	struct fake_client *client = holder("default");
	struct interface *interface = ask_for(client, tcp(8080));
	struct error error;

	(void)state;
	assert_non_null(config);
	fake_attached(interface);
	assert_int_equal(network_check_ports(broker, config, &error), -1);
	assert_int_equal(error.code, ERROR_CREATE_FAILED);
	fake_detached(interface);
	assert_int_equal(network_check_ports(broker, config, &error), 0);
	network_config_unref(config);
}

static void test_root_is_not_bound(void **state)
{
	struct fake_client *client = holder("default");
	struct fake_client *root = connect_user(0);
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct allow_port_forwarding *allow = &network->config->allow_port_forwarding;
	struct interface *interface;

	(void)state;
	fake_acquire(root, "default");
	assert_null(ask_for(client, tcp(1023)));
	allow->addresses = ALLOWED_LOOPBACK;
	assert_null(ask_for(client, tcp(1024)));
	interface = ask_for(client, at(tcp(1024), "127.0.0.1"));
	assert_non_null(interface);
	fake_attached(interface);
	allow->addresses = ALLOWED_NONE;
	assert_null(ask_for(client, at(tcp(1025), "127.0.0.1")));
	interface = ask_for(root, tcp(80));
	assert_non_null(interface);
	fake_attached(interface);
}

static void test_a_user_has_so_many(void **state)
{
	struct fake_client *client = holder("default");
	struct fake_client *root = connect_user(0);
	struct port_forwarding others = tcp(8000);
	struct interface *interface;

	(void)state;
	others.n_ports = 100;
	interface = ask_for(client, others);
	assert_non_null(interface);
	assert_int_equal(client->client->usage->ports, 100);
	fake_attached(interface);
	fake_detached(interface);
	assert_int_equal(client->client->usage->ports, 0);
	others.n_ports = LIMIT_USER_PORTS;
	interface = ask_for(client, others);
	assert_non_null(interface);
	fake_attached(interface);
	others = tcp(20000);
	request(client, &others, 1);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "forwarded_ports_per_user");
	fake_acquire(root, "default");
	root->client->usage->ports = LIMIT_USER_PORTS;
	interface = ask_for(root, others);
	assert_non_null(interface);
	fake_attached(interface);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_they_lead_to_the_address_that_it_gets),
		TEST(test_a_machine_has_them_until_it_has_gone),
		TEST(test_the_file_comes_second),
		TEST(test_root_is_not_bound),
		TEST(test_a_user_has_so_many),
	};

	return cmocka_run_group_tests_name("interface ports", tests, NULL, NULL);
}
