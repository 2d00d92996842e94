/* SPDX-License-Identifier: Apache-2.0 */
/* The calls about networks: what is asked, and what is made of the reply. */
#include "tests/unit/test.h"

#include "tests/unit/client/fixture.h"

static void test_acquire(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;

	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
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
	assert_false(network->removed);
	assert_string_equal(network->configuration, CONFIGURATION_TEXT);
	assert_string_equal(network->next_configuration, "{\"name\":\"lab\"}");
	assert_null(network->fault);
	vmnet_broker_network_free(network);

	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
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

	say(fixture, "{\"parameters\":" NETWORK_TEXT ",\"continues\":true}");
	say(fixture, "{\"parameters\":{\"configuration\":{\"name\":\"host\",\"mode\":\"host\","
		     "\"mtu\":9000},\"state\":null},\"continues\":true}");
	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_asked(fixture, "{\"method\":\"com.github.nirs.vmnetbroker.ListNetworks\","
			      "\"parameters\":{},\"more\":true}");
	assert_int_equal(n, 2);
	assert_string_equal(networks[0]->name, "lab");
	assert_string_equal(networks[1]->name, "host");
	assert_int_equal(networks[1]->mode, VMNET_BROKER_HOST);
	assert_false(networks[1]->active);
	assert_false(networks[1]->changed);
	assert_null(networks[1]->description);
	assert_null(networks[1]->bridge);
	vmnet_broker_networks_free(networks, n);

	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_int_equal(n, 0);
	vmnet_broker_networks_free(networks, n);
}

#define ASKED(method, more)                                                                   \
	"{\"method\":\"com.github.nirs.vmnetbroker." method "\",\"parameters\":{\"network\":" \
	"\"lab\"}" more "}"

static void assert_options_shown(const struct vmnet_broker_interface *interface)
{
	const struct vmnet_broker_port_forwarding *forwarding = interface->port_forwardings;

	assert_string_equal(interface->name, "web");
	assert_string_equal(interface->ipv4_address, "192.168.64.9");
	assert_string_equal(interface->ipv6_address, "fd00::9");
	assert_int_equal(interface->n_port_forwardings, 1);
	assert_int_equal(forwarding->protocol, VMNET_BROKER_TCP_AND_UDP);
	assert_string_equal(forwarding->external_address, "127.0.0.1");
	assert_int_equal(forwarding->external_port, 8080);
	assert_string_equal(forwarding->internal_address, "");
	assert_int_equal(forwarding->internal_port, 80);
	assert_int_equal(forwarding->count, 3);
	assert_int_equal(interface->rate_limit_in.bits_per_second, 1000000);
	assert_int_equal(interface->rate_limit_in.burst_bytes, 5000);
	assert_int_equal(interface->rate_limit_out.bits_per_second, 2000000);
	assert_int_equal(interface->rate_limit_out.burst_bytes, 0);
	assert_int_equal(interface->attached, 0);
}

static void test_inspect(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":{\"configuration\":" CONFIGURATION_TEXT
		     ",\"removed\":true,\"state\":" STATE_TEXT
		     ",\"fault\":\"dnsmasq has died\",\"roguePackets\":4294967296}}}");
	say(fixture, "{\"parameters\":{\"client\":{\"pid\":7,\"uid\":4294967294,\"command\":"
		     "\"qemu\"}}}");
	say(fixture, "{\"parameters\":{\"interface\":" INTERFACE_TEXT "},\"continues\":true}");
	say(fixture, "{\"parameters\":{\"interface\":{\"device\":\"vmt1\",\"name\":\"web\","
		     "\"macAddress\":\"52:54:00:12:34:57\",\"ipv4Address\":\"192.168.64.9\","
		     "\"ipv6Address\":\"fd00::9\",\"portForwarding\":[{\"protocol\":\"both\","
		     "\"externalAddress\":\"127.0.0.1\",\"externalPort\":8080,"
		     "\"internalAddress\":null,\"internalPort\":80,\"count\":3}],"
		     "\"rateLimitIn\":{\"bitsPerSecond\":1000000,\"burstBytes\":5000},"
		     "\"rateLimitOut\":{\"bitsPerSecond\":2000000},\"mtu\":1500,\"vnetHeader\":"
		     "true,\"uid\":1000,\"attachedTimestamp\":0}}}");
	say(fixture, "{\"parameters\":{\"lease\":{\"macAddress\":\"52:54:00:12:34:56\",\"address\":"
		     "\"192.168.64.2\",\"hostname\":\"db\",\"expiresTimestamp\":"
		     "1700000000000000}},\"continues\":true}");
	say(fixture, "{\"parameters\":{\"lease\":{\"macAddress\":\"52:54:00:12:34:57\",\"address\":"
		     "\"192.168.64.3\",\"hostname\":null,\"expiresTimestamp\":null}}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_asked(
		fixture,
		ASKED("DescribeNetwork", "") "\n" ASKED("ListClients", ",\"more\":true") "\n" ASKED(
			"ListInterfaces", ",\"more\":true") "\n" ASKED("ListLeases",
								       ",\"more\":true"));
	assert_string_equal(inspection->network->name, "lab");
	assert_int_equal(inspection->n_clients, 1);
	assert_int_equal(inspection->clients[0]->pid, 7);
	assert_int_equal(inspection->clients[0]->uid, 4294967294);
	assert_string_equal(inspection->clients[0]->command, "qemu");
	assert_int_equal(inspection->n_interfaces, 2);
	assert_string_equal(inspection->interfaces[0]->device, "vmt0");
	assert_null(inspection->interfaces[0]->name);
	assert_string_equal(inspection->interfaces[0]->mac_address, "52:54:00:12:34:56");
	assert_int_equal(inspection->interfaces[0]->n_port_forwardings, 0);
	assert_int_equal(inspection->interfaces[0]->rate_limit_in.bits_per_second, 0);
	assert_int_equal(inspection->interfaces[0]->mtu, 1500);
	assert_true(inspection->interfaces[0]->vnet_header);
	assert_int_equal(inspection->interfaces[0]->uid, 1000);
	assert_int_equal(inspection->interfaces[0]->attached, 1700000000);
	assert_options_shown(inspection->interfaces[1]);
	assert_int_equal(inspection->n_leases, 2);
	assert_string_equal(inspection->leases[0]->address, "192.168.64.2");
	assert_string_equal(inspection->leases[0]->hostname, "db");
	assert_int_equal(inspection->leases[0]->expires, 1700000000);
	assert_null(inspection->leases[1]->hostname);
	assert_int_equal(inspection->leases[1]->expires, 0);
	assert_string_equal(inspection->network->fault, "dnsmasq has died");
	assert_true(inspection->network->removed);
	assert_true(inspection->network->changed);
	assert_int_equal(inspection->rogue_packets, 4294967296);
	vmnet_broker_inspection_free(inspection);
}

static void test_inspect_without_what_is_optional(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
	for (int list = 0; list < 3; list++)
		say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_null(inspection->network->fault);
	assert_int_equal(inspection->rogue_packets, -1);
	assert_int_equal(inspection->n_clients + inspection->n_interfaces + inspection->n_leases,
			 0);
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
