/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about networks: what is asked, and what is made of the reply. */
#include "tests/unit/test.h"

#include "tests/unit/client/fixture.h"

static void test_acquire(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT "}}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture, "{\"method\":\"com.github.nirs.vmnetbroker.Acquire\","
			      "\"parameters\":{\"network\":\"lab\"}}");
	assert_string_equal(network->name, "lab");
	assert_string_equal(network->description, "The lab");
	assert_int_equal(network->mode, VMNET_BROKER_SHARED);
	assert_true(network->active);
	assert_string_equal(network->ipv4_subnet, "192.168.64.0/24");
	assert_string_equal(network->ipv4_gateway, "192.168.64.1");
	assert_null(network->ipv6_prefix);
	assert_int_equal(network->mtu, 1500);
	assert_string_equal(network->bridge, "vmb-lab");
	assert_int_equal(network->clients, 2);
	assert_int_equal(network->interfaces, 1);
	assert_true(network->changed);
	vmnet_broker_network_free(network);

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT "}}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
}

static void test_names_are_checked_before_they_are_sent(void **state)
{
	static const char *const bad[] = {
		"",
		".lab",
		"-lab",
		"_lab",
		"a b",
		"a/b",
		"caf\xc3\xa9",
		"\xff",
		"a234567890123456789012345678901234567890123456789012345678901234",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_attachment *attachment;
	struct vmnet_broker_inspection *inspection;
	const char *no_name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vmnet_broker_acquire(fixture->broker, bad[i], NULL),
				 VMNET_BROKER_INVALID_REQUEST);
		assert_non_null(strstr(vmnet_broker_error(fixture->broker), "is no network name"));
	}
	assert_int_equal(vmnet_broker_acquire(fixture->broker, no_name, NULL),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_int_equal(vmnet_broker_release(fixture->broker, "a b"),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "a b", &inspection),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_null(inspection);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "a b", NULL, &attachment),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_null(attachment);
	assert_asked_nothing(fixture);
}

static void test_reload(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"com.github.nirs.vmnetbroker.Reload\",\"parameters\":{}}");
	say(fixture, ERROR("NotAllowed") "{\"network\":\"\",\"reason\":\"only root may\"}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_NOT_ALLOWED);
	assert_string_equal(vmnet_broker_error(fixture->broker), "only root may");
	say(fixture,
	    ERROR("InvalidConfiguration") "{\"reason\":\"networks.json:1:1: two\\nlines\"}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_CREATE_FAILURE);
	assert_string_equal(vmnet_broker_error(fixture->broker), "networks.json:1:1: two\nlines");
}

static void test_list(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_network **networks;
	size_t n;

	say(fixture, "{\"parameters\":{\"networks\":[" NETWORK_TEXT
		     ",{\"name\":\"host\",\"mode\":\"host\",\"active\":false,\"mtu\":9000,"
		     "\"clients\":0,\"interfaces\":0}]}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_int_equal(n, 2);
	assert_string_equal(networks[0]->name, "lab");
	assert_string_equal(networks[1]->name, "host");
	assert_int_equal(networks[1]->mode, VMNET_BROKER_HOST);
	assert_false(networks[1]->active);
	assert_false(networks[1]->changed);
	assert_null(networks[1]->description);
	assert_null(networks[1]->bridge);
	vmnet_broker_networks_free(networks, n);

	say(fixture, "{\"parameters\":{\"networks\":[]}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_int_equal(n, 0);
	vmnet_broker_networks_free(networks, n);
}

static void test_inspect(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT ","
		     "\"clients\":[{\"pid\":7,\"uid\":4294967294,\"command\":\"qemu\"}],"
		     "\"interfaces\":[" INTERFACE_TEXT "," INTERFACE_TEXT "],"
		     "\"leases\":[{\"mac_address\":\"52:54:00:12:34:56\",\"address\":"
		     "\"192.168.64.2\",\"hostname\":\"db\",\"expires\":1700000000},"
		     "{\"mac_address\":\"52:54:00:12:34:57\",\"address\":\"192.168.64.3\","
		     "\"hostname\":null,\"expires\":null}],"
		     "\"fault\":\"dnsmasq has died\",\"rogue_packets\":4294967296}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_string_equal(inspection->network->name, "lab");
	assert_int_equal(inspection->n_clients, 1);
	assert_int_equal(inspection->clients[0]->pid, 7);
	assert_int_equal(inspection->clients[0]->uid, 4294967294);
	assert_string_equal(inspection->clients[0]->command, "qemu");
	assert_int_equal(inspection->n_interfaces, 2);
	assert_string_equal(inspection->interfaces[1]->name, "vmt0");
	assert_string_equal(inspection->interfaces[1]->mac_address, "52:54:00:12:34:56");
	assert_int_equal(inspection->interfaces[1]->mtu, 1500);
	assert_true(inspection->interfaces[1]->vnet_header);
	assert_int_equal(inspection->n_leases, 2);
	assert_string_equal(inspection->leases[0]->address, "192.168.64.2");
	assert_string_equal(inspection->leases[0]->hostname, "db");
	assert_int_equal(inspection->leases[0]->expires, 1700000000);
	assert_null(inspection->leases[1]->hostname);
	assert_int_equal(inspection->leases[1]->expires, 0);
	assert_string_equal(inspection->fault, "dnsmasq has died");
	assert_int_equal(inspection->rogue_packets, 4294967296);
	vmnet_broker_inspection_free(inspection);
}

static void test_inspect_without_what_is_optional(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT ",\"clients\":[],"
		     "\"interfaces\":[],\"leases\":[],\"rogue_packets\":null}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_null(inspection->fault);
	assert_int_equal(inspection->rogue_packets, -1);
	vmnet_broker_inspection_free(inspection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_acquire), TEST(test_names_are_checked_before_they_are_sent),
		TEST(test_reload),  TEST(test_list),
		TEST(test_inspect), TEST(test_inspect_without_what_is_optional),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
