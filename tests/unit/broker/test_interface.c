/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces: how many, with which addresses, for how long. */
#include "tests/unit/test.h"

#include "broker/user_limits.h"
#include "tests/unit/broker/fixture.h"

static void test_interface_keeps_its_network(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);

	(void)state;
	fake_disconnect(client);
	fake_check_invariants(broker);
	network_in("default", NETWORK_ACTIVE);
	fake_detached(interface);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_int_equal(fake_devices, 0);
}

static void test_named_interface_goes_with_the_hold(void **state)
{
	struct fake_client *client = holder("default");
	struct fake_client *other = holder("default");
	struct interface *interface = attached(client, "default", true);
	struct error error;

	(void)state;
	assert_int_equal(interface->owner, 1000);
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	assert_int_equal(interface->state, INTERFACE_DETACHING);
	fake_detached(interface);
	assert_int_equal(fake_devices, 0);
	network_in("default", NETWORK_ACTIVE);
	fake_disconnect(other);
	network_in("default", NETWORK_REMOVING);
}

static void test_client_gone_while_attaching(void **state)
{
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	for (int named = 0; named <= 1; named++) {
		struct fake_client *client = holder("default");
		struct interface *interface;

		request.by_name = named;
		fake_attach(client, &request);
		interface = network_in("default", NETWORK_ACTIVE)->interfaces;
		fake_disconnect(client);
		fake_check_invariants(broker);
		fake_attached(interface);
		assert_int_equal(fake_discarded, named + 1);
		assert_int_equal(interface->state,
				 named ? INTERFACE_DETACHING : INTERFACE_ATTACHED);
		fake_detached(interface);
		fake_removed(network_in("default", NETWORK_REMOVING));
	}
}

static void test_attach_fails(void **state)
{
	struct fake_client *client = holder("default");
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	fake_attach(client, &request);
	fake_attach_failed(network_in("default", NETWORK_ACTIVE)->interfaces, "no device");
	assert_int_equal(client->error.code, ERROR_CREATE_FAILED);
	assert_string_equal(client->error.reason, "no device");
	assert_null(network_in("default", NETWORK_ACTIVE)->interfaces);

	fake_attach(client, &request);
	struct interface *interface = network_in("default", NETWORK_ACTIVE)->interfaces;
	fake_disconnect(client);
	fake_attach_failed(interface, "no device");
	network_in("default", NETWORK_REMOVING);
}

static void test_attach_needs_a_hold(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	holder("default");
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_NOT_ACQUIRED);
	request.network = "nowhere";
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_NETWORK_NOT_FOUND);
}

static void test_attach_limit(void **state)
{
	struct fake_client *client = holder("lab");
	struct attach_request request = { .network = "lab", .queues = 1 };

	(void)state;
	attached(client, "lab", false);
	attached(client, "lab", false);
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "max_interfaces");
	assert_int_equal(client->error.value, 2);
	assert_string_equal(client->error.reason,
			    "network \"lab\" has 2 interfaces, as many as its \"max_interfaces\" "
			    "allows; stop a machine or raise it");
}

static void test_rates(void **state)
{
	struct fake_client *client = holder("lab");
	struct interface_options options = { .rate_out = { .bits_per_second = 100000000 } };
	struct attach_request request = { .network = "lab", .queues = 1, .options = &options };
	const struct interface *interface;

	(void)state;
	interface = attached(client, "lab", false);
	assert_int_equal(interface->options.rate_in.bits_per_second, 1000000);
	assert_int_equal(interface->options.rate_in.burst_bytes, 65536);
	assert_int_equal(interface->options.rate_out.bits_per_second, 0);
	assert_int_equal(interface->usage->frames, 128 + 24);
	options.rate_in.bits_per_second = 999;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_string_equal(client->error.parameter, "rateLimitIn");
	options.rate_in.bits_per_second = 0;
	fake_attach(client, &request);
	interface = network_in("lab", NETWORK_ACTIVE)->interfaces;
	assert_int_equal(interface->options.rate_in.bits_per_second, 1000000);
	assert_int_equal(interface->options.rate_out.burst_bytes, 625000);
	assert_int_equal(interface->usage->frames, 2 * (128 + 24) + 96);
	fake_attached(network_in("lab", NETWORK_ACTIVE)->interfaces);
}

static void test_mac_addresses(void **state)
{
	struct fake_client *client = holder("default");
	struct mac_address mac;
	struct attach_request request = { .network = "default", .queues = 1, .mac = &mac };
	struct interface *interface = attached(client, "default", false);

	(void)state;
	assert_int_equal(interface->mac.bytes[0] & 3, 2);
	mac = interface->mac;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_string_equal(client->error.parameter, "macAddress");
	mac = network_in("default", NETWORK_ACTIVE)->addresses.bridge_mac;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &mac), 0);
	fake_attach(client, &request);
	interface = network_in("default", NETWORK_ACTIVE)->interfaces;
	assert_true(mac_address_equal(&interface->mac, &mac));
	fake_attached(interface);
}

static void test_claims_of_what_is_gone(void **state)
{
	struct fake_client *clients[] = { connect_user(1000), connect_user(1001) };
	struct network *network = fake_adopt(broker, "lab", clients, 2, true);
	const struct mac_address unknown = { { 2, 0, 0, 0, 0, 10 } };

	(void)state;
	broker_interface_claim(network, &unknown, clients[1]->client);
	/* What is the one's is not the other's. */
	broker_interface_claim(network, &network->interfaces->mac, clients[1]->client);
	assert_ptr_equal(network->interfaces->client, clients[0]->client);
	fake_check_invariants(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interface_keeps_its_network),
		TEST(test_named_interface_goes_with_the_hold),
		TEST(test_client_gone_while_attaching),
		TEST(test_attach_fails),
		TEST(test_attach_needs_a_hold),
		TEST(test_attach_limit),
		TEST(test_rates),
		TEST(test_mac_addresses),
		TEST(test_claims_of_what_is_gone),
	};

	return cmocka_run_group_tests_name("interface", tests, NULL, NULL);
}
