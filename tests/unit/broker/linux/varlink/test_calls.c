/* SPDX-License-Identifier: Apache-2.0 */
/* Each method and what it is told, and what is no method. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/varlink_client.h"

static void test_get_info(void **state)
{
	(void)state;
	assert_answer(GET_INFO,
		      "{\"parameters\":{\"vendor\":\"vmnet-broker\",\"product\":\"vmnet-broker\","
		      "\"version\":\"" VMNET_BROKER_VERSION "\","
		      "\"url\":\"https://github.com/nirs/vmnet-broker\",\"interfaces\":["
		      "\"org.varlink.service\",\"com.github.nirs.vmnetbroker\"]}}");
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
	assert_non_null(strstr(text, "for example \\\"192.168.64.0/24\\\"\\n"));
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
	assert_answer(METHOD("Monitor") "}",
		      "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
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
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":7}", "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"52:54:00:12:34\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"53:54:00:12:34:56\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"00:00:00:00:00:00\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":17}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":-1}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":1.0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":\"1\"}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"vhost\":1}", "vhost" },
		{ "Attach", "{\"network\":\"lab\",\"named\":\"yes\"}", "named" },
		{ "Reload", "{\"now\":true}", "now" },
	};
	char call[256];
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
	assert_answer(
		METHOD("Attach") ",\"parameters\":{\"network\":\"small\",\"mac_address\":null,"
				 "\"queues\":null,\"vhost\":null,\"named\":null}}",
		"{\"error\":\"com.github.nirs.vmnetbroker.NotAcquired\",\"parameters\":{"
		"\"network\":\"small\",\"reason\":\"this connection does not hold network "
		"\\\"small\\\"; acquire it first\"}}");
}

static void test_networks(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, METHOD("ListNetworks") "}");
	assert_says(&peer,
		    "{\"parameters\":{\"networks\":["
		    "{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\",\"active\":"
		    "false,\"mtu\":9000,\"clients\":0,\"interfaces\":0,\"changed\":false},"
		    "{\"name\":\"small\",\"mode\":\"host\",\"active\":false,\"mtu\":1500,"
		    "\"clients\":0,\"interfaces\":0,\"changed\":false}]}}");
	say(&peer, METHOD("Acquire") ",\"parameters\":{\"network\":\"labor\"}}");
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}}");
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

static void test_inspect(void **state)
{
	struct peer peer = peer_connect();
	struct network *network;
	struct lease *lease = calloc(1, sizeof(*lease));
	char expected[1024];

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
	say(&peer, METHOD("Inspect") ",\"parameters\":{\"network\":\"lab\"}}");
	snprintf(
		expected, sizeof(expected),
		"{\"parameters\":" NETWORK(
			1) ",\"clients\":[{\"pid\":%d,\"uid\":%d,\"command\":"
			   "\"test_varlink\"}],\"interfaces\":[],\"leases\":[{\"mac_address\":"
			   "\"52:54:00:12:34:56\",\"address\":\"192.168.64.2\",\"hostname\":\"caf\","
			   "\"expires\":1700000000}],\"fault\":\"the bridge has gone\",\"rogue_packets\":3}}",
		(int)getpid(), geteuid() == 0 ? OUTSIDER : (int)geteuid());
	assert_says(&peer, expected);
	say(&peer, METHOD("Inspect") ",\"parameters\":{\"network\":\"small\"}}");
	assert_says(&peer, "{\"parameters\":{\"network\":{\"name\":\"small\",\"mode\":\"host\","
			   "\"active\":false,\"mtu\":1500,\"clients\":0,\"interfaces\":0,"
			   "\"changed\":false},\"clients\":[],\"interfaces\":[],\"leases\":[]}}");
	peer_close(&peer);
}

#define ATTACHED(mac, tap, vhost)                                                  \
	"{\"parameters\":{\"interface\":{\"name\":\"vmt0\",\"mac_address\":\"" mac \
	"\",\"mtu\":9000,\"vnet_header\":true},\"tap_fds\":" tap ",\"vhost_fds\":" vhost "}}"

static void test_attach(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2,\"vhost\":"
				    "true}}");
	assert_says(&peer, ATTACHED("06:07:07:07:07:07", "[0,1]", "[2,3]"));
	assert_int_equal(peer.n_fds, 4);
	/* The broker's own copies have gone. */
	assert_int_equal(fake_linux_closed, 4);
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"mac_address\":"
				    "\"06:07:07:07:07:07\"}}");
	assert_says(&peer,
		    "{\"error\":\"com.github.nirs.vmnetbroker.ParameterRefused\",\"parameters\":{"
		    "\"parameter\":\"mac_address\",\"reason\":\"MAC address 06:07:07:07:07:07 is "
		    "used on network \\\"lab\\\" already; choose another\"}}");
	peer_close(&peer);

	peer = peer_connect();
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"named\":true}}");
	assert_says(&peer, ATTACHED("0a:08:08:08:08:08", "[]", "[]"));
	assert_int_equal(peer.n_fds, 0);
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
		TEST(test_inspect),
		TEST(test_attach),
		TEST(test_limits),
	};

	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
