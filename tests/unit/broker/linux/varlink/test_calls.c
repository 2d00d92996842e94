/* SPDX-License-Identifier: Apache-2.0 */
/* Each method and what it is told, and what is no method. */
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "config/describe.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/varlink_client.h"

/* Whose a peer is. */
static int uid(void)
{
	return geteuid() == 0 ? OUTSIDER : (int)geteuid();
}

static void test_get_info(void **state)
{
	(void)state;
	assert_answer(GET_INFO,
		      "{\"parameters\":{\"vendor\":\"vmnet-broker\",\"product\":\"vmnet-broker\","
		      "\"version\":\"" VMNET_BROKER_VERSION "\","
		      "\"url\":\"https://github.com/nirs/vmnet-broker\",\"interfaces\":["
		      "\"org.varlink.service\",\"com.github.nirs.vmnetbroker\","
		      "\"io.systemd.Metrics\"]}}");
}

static void test_descriptions(void **state)
{
	struct peer peer = peer_connect();
	char *text;

	(void)state;
	say(&peer, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
		   "\"interface\":\"com.github.nirs.vmnetbroker\"}}");
	fake_linux_run();
	text = take(&peer);
	assert_non_null(text);
	assert_non_null(strstr(text, "interface com.github.nirs.vmnetbroker\\n"));
	assert_non_null(strstr(text, "for example \\\"192.168.64.10\\\"\\n"));
	free(text);
	say(&peer, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
		   "\"interface\":\"org.example\"}}");
	assert_says(&peer, "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
			   "\"interface\":\"org.example\"}}");
	peer_close(&peer);
}

static void test_what_there_is_not(void **state)
{
	(void)state;
	assert_answer("{\"method\":\"org.example.Method\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"org.example\"}}");
	assert_answer("{\"method\":\"\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"\"}}");
	assert_answer("{\"method\":\"Acquire\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"Acquire\"}}");
	assert_answer(METHOD("Destroy") "}",
		      "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{"
		      "\"method\":\"com.github.nirs.vmnetbroker.Destroy\"}}");
	assert_answer(METHOD("Acquire") ",\"upgrade\":true,\"parameters\":{\"network\":\"lab\"}}",
		      "{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":{"
		      "\"method\":\"com.github.nirs.vmnetbroker.Acquire\"}}");
	assert_answer(METHOD("ListLeases") ",\"parameters\":{\"network\":\"lab\"}}",
		      "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
	assert_answer(METHOD("Monitor") "}",
		      "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
}

/* A port of it is wrong. */
#define FORWARDING(members)                                                           \
	{                                                                             \
		"Attach", "{\"network\":\"lab\",\"portForwarding\":[{" members "}]}", \
			"portForwarding"                                              \
	}

static void test_parameters_are_strict(void **state)
{
	static const struct {
		const char *method;
		const char *parameters;
		const char *wrong;
	} calls[] = {
		{ "Acquire", "{}", "network" },
		{ "Acquire", "null", "network" },
		{ "Acquire", "{\"network\":null}", "network" },
		{ "Acquire", "{\"network\":7}", "network" },
		{ "Acquire", "{\"network\":\"\"}", "network" },
		{ "Acquire", "{\"network\":\"../lab\"}", "network" },
		{ "Acquire", "{\"network\":\"lab\",\"newtork\":\"lab\"}", "newtork" },
		{ "Attach", "{\"network\":\"lab\",\"macAddress\":7}", "macAddress" },
		{ "Attach", "{\"network\":\"lab\",\"macAddress\":\"52:54:00:12:34\"}",
		  "macAddress" },
		{ "Attach", "{\"network\":\"lab\",\"macAddress\":\"53:54:00:12:34:56\"}",
		  "macAddress" },
		{ "Attach", "{\"network\":\"lab\",\"macAddress\":\"00:00:00:00:00:00\"}",
		  "macAddress" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":17}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":-1}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":1.0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":\"1\"}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"vhost\":1}", "vhost" },
		{ "Attach", "{\"network\":\"lab\",\"openByName\":\"yes\"}", "openByName" },
		{ "Attach", "{\"network\":\"lab\",\"name\":\"\"}", "name" },
		{ "Attach", "{\"network\":\"lab\",\"name\":\"a.b\"}", "name" },
		{ "Attach", "{\"network\":\"lab\",\"name\":\"web-\"}", "name" },
		{ "Attach", "{\"network\":\"lab\",\"ipv4Address\":\"fd00::1\"}", "ipv4Address" },
		{ "Attach", "{\"network\":\"lab\",\"ipv6Address\":\"fd00::1/64\"}", "ipv6Address" },
		{ "Attach", "{\"network\":\"lab\",\"rateLimitIn\":{\"burstBytes\":1}}",
		  "rateLimitIn" },
		{ "Attach", "{\"network\":\"lab\",\"rateLimitIn\":{\"bitsPerSecond\":0}}",
		  "rateLimitIn" },
		{ "Attach",
		  "{\"network\":\"lab\",\"rateLimitOut\":{\"bitsPerSecond\":1,\"burstBytes\":"
		  "4294967296}}",
		  "rateLimitOut" },
		{ "Attach",
		  "{\"network\":\"lab\",\"rateLimitOut\":{\"bitsPerSecond\":1,\"burst\":1}}",
		  "rateLimitOut" },
		{ "Attach", "{\"network\":\"lab\",\"portForwarding\":{}}", "portForwarding" },
		FORWARDING("\"protocol\":\"tcp\""),
		FORWARDING("\"protocol\":\"icmp\",\"externalPort\":80"),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":65536"),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":65535,\"count\":2"),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":80,\"internalPort\":0"),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":80,\"external\":80"),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":80,\"externalAddress\":\"eth0\""),
		FORWARDING("\"protocol\":\"tcp\",\"externalPort\":80,\"externalAddress\":\"::1\","
			   "\"internalAddress\":\"10.0.0.2\""),
		{ "Reload", "{\"now\":true}", "now" },
	};
	char call[512];
	char reply[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		snprintf(call, sizeof(call), METHOD("%s") ",\"parameters\":%s}", calls[i].method,
			 calls[i].parameters);
		snprintf(reply, sizeof(reply),
			 "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
			 "\"parameter\":\"%s\"}}",
			 calls[i].wrong);
		assert_answer(call, reply);
	}
	/* What may be left out may be null. */
	assert_answer(METHOD("Attach") ",\"parameters\":{\"network\":\"small\",\"macAddress\":null,"
				       "\"queues\":null,\"vhost\":null,\"openByName\":null}}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NotAcquired\",\"parameters\":{"
		      "\"network\":\"small\",\"reason\":\"this connection does not hold network "
		      "\\\"small\\\"; acquire it first\"}}");
}

#define SMALL                                                                                      \
	"{\"name\":\"small\",\"aliases\":[],\"mode\":\"host\",\"mtu\":1500," SERVICES(false, none, \
										      1)

static void test_networks(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, METHOD("ListNetworks") ",\"more\":true}");
	assert_says(&peer, "{\"continues\":true,\"parameters\":" DESCRIBED(LAB, "null") "}");
	assert_says(&peer, "{\"parameters\":" DESCRIBED(SMALL, "null") "}");
	say(&peer, METHOD("Acquire") ",\"parameters\":{\"network\":\"labor\"}}");
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}");
	say(&peer, RELEASE);
	assert_says(&peer, "{\"parameters\":{}}");
	say(&peer, RELEASE);
	assert_says(&peer, "{\"error\":\"com.github.nirs.vmnetbroker.NotAcquired\",\"parameters\":{"
			   "\"network\":\"lab\",\"reason\":\"this connection does not hold network "
			   "\\\"lab\\\"; acquire it first\"}}");
	peer_close(&peer);
}

static void test_errors(void **state)
{
	(void)state;
	assert_answer(METHOD("Acquire") ",\"parameters\":{\"network\":\"lost\"}}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NetworkNotFound\",\"parameters\":{"
		      "\"network\":\"lost\",\"reason\":\"no network \\\"lost\\\" is configured; "
		      "\\\"vmnetctl networks\\\" lists those that are\"}}");
	assert_answer(METHOD("Acquire") ",\"parameters\":{\"network\":\"closed\"}}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NotAllowed\",\"parameters\":{"
		      "\"network\":\"closed\",\"reason\":\"network \\\"closed\\\" may be acquired "
		      "only by user \\\"root\\\" and root\"}}");
	assert_answer(METHOD("Reload") "}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NotAllowed\",\"parameters\":{"
		      "\"network\":\"\",\"reason\":\"only root may have the configuration read "
		      "again\"}}");
	fake_linux_failure = "dnsmasq is missing";
	assert_answer(ACQUIRE, "{\"error\":\"com.github.nirs.vmnetbroker.CreateFailed\","
			       "\"parameters\":{\"network\":\"lab\",\"reason\":\"dnsmasq is "
			       "missing\"}}");
}

#define OF_LAB(method) METHOD(method) ",\"more\":true,\"parameters\":{\"network\":\"lab\"}}"

static void test_describe(void **state)
{
	struct peer peer = peer_connect();
	struct network *network;
	struct lease *lease = calloc(1, sizeof(*lease));
	char expected[256];

	(void)state;
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	network = linux_platform.broker->networks;
	assert_non_null(lease);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &lease->mac), 0);
	strcpy(lease->address, "192.168.64.2");
	/* Whatever a machine calls itself, and wherever a sentence is cut. */
	strcpy(lease->hostname, "caf\xc3");
	lease->expires = 1700000000;
	broker_leases_changed(network, lease);
	broker_network_fault(network, FAULT_NETWORK, "the bridge has gone");
	say(&peer, OF_LAB("DescribeNetwork"));
	assert_says(&peer,
		    "{\"parameters\":" DESCRIBED(LAB, STATE(1) ",\"fault\":\"the bridge has gone\","
							       "\"roguePackets\":3}") "}");
	say(&peer, OF_LAB("ListClients"));
	snprintf(expected, sizeof(expected),
		 "{\"parameters\":{\"client\":{\"pid\":%d,\"uid\":%d,\"command\":"
		 "\"test_varlink\"}}}",
		 (int)getpid(), uid());
	assert_says(&peer, expected);
	say(&peer, OF_LAB("ListInterfaces"));
	assert_says(&peer, "{\"parameters\":{}}");
	say(&peer, OF_LAB("ListLeases"));
	assert_says(&peer, "{\"parameters\":{\"lease\":{\"macAddress\":\"52:54:00:12:34:56\","
			   "\"address\":\"192.168.64.2\",\"hostname\":\"caf\","
			   "\"expiresTimestamp\":1700000000000000}}}");
	say(&peer, METHOD("DescribeNetwork") ",\"parameters\":{\"network\":\"small\"}}");
	assert_says(&peer, "{\"parameters\":" DESCRIBED(SMALL, "null") "}");
	peer_close(&peer);
}

static void test_every_key_is_described(void **state)
{
	const char *const json =
		"{\"aliases\":[\"one\",\"two\"],\"allow\":{\"groups\":[\"0\"],\"users\":[\"root\"]},"
		"\"allow_port_forwarding\":{\"addresses\":\"loopback\",\"from_port\":80},"
		"\"dhcp_reservations\":[{\"address\":\"10.0.0.10\",\"hostname\":\"db\","
		"\"mac_address\":\"52:54:00:12:34:56\"}],\"external_interface\":\"eth0\","
		"\"ipv6_prefix\":\"fd00:1:2:3::/64\",\"isolated\":true,\"mode\":\"shared\","
		"\"port_forwarding\":[{\"external_address\":\"127.0.0.1\",\"external_port\":"
		"\"8000-8002\",\"internal_address\":\"10.0.0.10\",\"internal_port\":80,"
		"\"protocol\":\"both\"}],\"subnet\":\"10.0.0.0/24\",\"vxlan\":{\"control\":\"static\","
		"\"hosts\":[{\"address\":\"2001:DB8::1\",\"name\":\"a\",\"pool\":\"10.0.0.64/26\"},{"
		"\"address\":\"2001:db8::2\",\"name\":\"b\",\"pool\":\"10.0.0.128/25\"}],\"vni\":7}}";
	struct network_config *config = network_config_parse("lab", json);
	json_t *described;
	json_t *wanted = json_loads(
		"{\"name\":\"lab\",\"aliases\":[\"one\",\"two\"],\"mode\":\"shared\",\"subnet\":"
		"\"10.0.0.0/24\",\"ipv6Prefix\":\"fd00:1:2:3::/64\",\"externalInterface\":\"eth0\","
		"\"mtu\":0,\"nat44\":true,\"nat66\":true,\"dhcp\":true,\"dnsProxy\":true,"
		"\"routerAdvertisement\":true,\"vxlan\":{\"vni\":7,\"control\":\"static\",\"port\":4789,"
		"\"hosts\":[{\"name\":\"a\",\"address\":\"2001:db8::1\",\"pool\":\"10.0.0.64/26\"},{"
		"\"name\":\"b\",\"address\":\"2001:db8::2\",\"pool\":\"10.0.0.128/25\"}]},"
		"\"dhcpReservations\":[{\"macAddress\":"
		"\"52:54:00:12:34:56\",\"address\":\"10.0.0.10\",\"hostname\":\"db\"}],"
		"\"portForwarding\":[{\"protocol\":\"both\",\"externalAddress\":\"127.0.0.1\","
		"\"externalPort\":8000,\"internalAddress\":\"10.0.0.10\",\"internalPort\":80,"
		"\"count\":3}],\"allowPortForwarding\":{\"addresses\":\"loopback\","
		"\"fromPort\":80},\"isolated\":true,\"linkLocal\":false,\"bypassKillSwitch\":false,"
		"\"allow\":{\"users\":[\"root\"],\"groups\":[\"0\"]},\"maxInterfaces\":256}",
		0, NULL);

	(void)state;
	assert_non_null(config);
	described = network_config_describe(config);
	assert_true(json_equal(described, wanted));
	json_decref(wanted);
	json_decref(described);
	network_config_unref(config);
}

/* The reply of Attach with these indexes; interface: without INTERFACE_END. */
static void assert_attached(struct peer *peer, const char *interface, const char *tap,
			    const char *vhost)
{
	char reply[1024];

	snprintf(reply, sizeof(reply),
		 "{\"parameters\":{\"interface\":%s" INTERFACE_END ",\"tapFileDescriptors\":%s,"
		 "\"vhostFileDescriptors\":%s}}",
		 interface, uid(), tap, vhost);
	assert_says(peer, reply);
}

static void test_attach(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2,\"vhost\":"
				    "true}}");
	assert_attached(&peer, INTERFACE("06:07:07:07:07:07"), "[0,1]", "[2,3]");
	assert_int_equal(peer.n_fds, 4);
	/* The broker's own copies have gone. */
	assert_int_equal(fake_linux_closed, 4);
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"macAddress\":"
				    "\"06:07:07:07:07:07\"}}");
	assert_says(&peer,
		    "{\"error\":\"com.github.nirs.vmnetbroker.ParameterRefused\",\"parameters\":{"
		    "\"parameter\":\"macAddress\",\"reason\":\"MAC address 06:07:07:07:07:07 is "
		    "used on network \\\"lab\\\" already; choose another\"}}");
	peer_close(&peer);

	peer = peer_connect();
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"openByName\":true}}");
	assert_attached(&peer, INTERFACE("0a:08:08:08:08:08"), "[]", "[]");
	assert_int_equal(peer.n_fds, 0);
	peer_close(&peer);
}

static void test_capture_and_end(void **state)
{
	struct peer holder = peer_connect();
	struct peer peer = peer_connect();
	char expected[256];

	(void)state;
	say(&holder, ACQUIRE);
	fake_linux_run();
	free(take(&holder));
	say(&holder, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\"}}");
	fake_linux_run();
	free(take(&holder));
	say(&peer, METHOD("Capture") ",\"parameters\":{\"network\":\"lab\",\"device\":\"vmt0\"}}");
	assert_says(&peer, "{\"parameters\":{\"tapFileDescriptor\":0}}");
	assert_int_equal(peer.n_fds, 1);
	say(&peer, METHOD("Capture") ",\"parameters\":{\"network\":\"lab\",\"device\":\"\"}}");
	assert_says(&peer, "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
			   "\"parameter\":\"device\"}}");
	say(&peer, METHOD("End") ",\"parameters\":{\"network\":\"lab\",\"device\":\"vmt0\"}}");
	assert_says(&peer, "{\"parameters\":{}}");
	say(&peer, METHOD("End") ",\"parameters\":{\"network\":\"lab\"}}");
	assert_says(&peer, "{\"parameters\":{}}");
	snprintf(expected, sizeof(expected),
		 "{\"error\":\"com.github.nirs.vmnetbroker.Ended\",\"parameters\":{\"network\":"
		 "\"lab\",\"reason\":\"network \\\"lab\\\" was ended by user %d\"}}",
		 uid());
	assert_says(&holder, expected);
	say(&peer, METHOD("End") ",\"parameters\":{\"network\":\"lab\"}}");
	assert_says(&peer, "{\"parameters\":{}}");
	peer_close(&holder);
	peer_close(&peer);
}

/* What an interface has asked for is shown as long as it is there. */
static void test_attach_options(void **state)
{
	static const char wanted[] =
		"{\"device\":\"vmt0\",\"name\":\"web\",\"macAddress\":\"06:07:07:07:07:07\","
		"\"ipv4Address\":\"192.168.64.9\",\"ipv6Address\":\"fd00::9\",\"portForwarding\":["
		"{\"protocol\":\"tcp\",\"externalPort\":8080,\"internalAddress\":\"192.168.64.9\","
		"\"internalPort\":80,\"count\":1},"
		"{\"protocol\":\"both\",\"externalAddress\":\"::1\",\"externalPort\":5000,"
		"\"internalAddress\":\"fd00::9\",\"internalPort\":5000,\"count\":3}],"
		"\"rateLimitIn\":{\"bitsPerSecond\":1000000,\"burstBytes\":70000},\"mtu\":9000,"
		"\"vnetHeader\":true,";
	struct peer peer = peer_connect();
	struct ipv6_prefix *prefix;

	(void)state;
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	prefix = &linux_platform.broker->networks->addresses.ipv6_prefix;
	assert_int_equal(ipv6_prefix_parse("fd00::/64", prefix), 0);
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"name\":\"web\","
				    "\"macAddress\":\"06:07:07:07:07:07\","
				    "\"ipv4Address\":\"192.168.64.9\",\"ipv6Address\":\"fd00::9\","
				    "\"portForwarding\":[{\"protocol\":\"tcp\",\"externalPort\":"
				    "8080,\"internalPort\":80,\"externalAddress\":null},{"
				    "\"protocol\":\"both\",\"externalAddress\":\"::1\","
				    "\"externalPort\":5000,\"internalAddress\":\"fd00::9\","
				    "\"count\":3}],\"rateLimitIn\":{\"bitsPerSecond\":1000000,"
				    "\"burstBytes\":70000},\"rateLimitOut\":null}}");
	assert_attached(&peer, wanted, "[0]", "[]");
	peer_close(&peer);
}

static void test_limits(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, METHOD("Acquire") ",\"parameters\":{\"network\":\"small\"}}");
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"small\"}}");
	fake_linux_run();
	free(take(&peer));
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"small\"}}");
	assert_says(&peer,
		    "{\"error\":\"com.github.nirs.vmnetbroker.LimitExceeded\",\"parameters\":{"
		    "\"limit\":\"max_interfaces\",\"value\":1,\"reason\":\"network "
		    "\\\"small\\\" has 1 interfaces, as many as its \\\"max_interfaces\\\" "
		    "allows; stop a machine or raise it\"}}");
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get_info),
		TEST(test_descriptions),
		TEST(test_what_there_is_not),
		TEST(test_parameters_are_strict),
		TEST(test_networks),
		TEST(test_errors),
		TEST(test_describe),
		TEST(test_every_key_is_described),
		TEST(test_attach),
		TEST(test_capture_and_end),
		TEST(test_attach_options),
		TEST(test_limits),
	};

	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
