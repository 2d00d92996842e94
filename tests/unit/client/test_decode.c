/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of another shape than the interface file's. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "tests/unit/client/fixture.h"

/* Parameters that are right but for what is in rest. */
#define GOOD(rest) "{\"configuration\":{\"name\":\"lab\",\"mode\":\"host\",\"mtu\":1}" rest "}"

/* The call fails, and the connection goes on. */
static void test_replies_of_another_shape(void **state)
{
	static const char *const parameters[] = {
		"{}",
		"{\"configuration\":null}",
		"{\"configuration\":7}",
		"{\"configuration\":[]}",
		"{\"configuration\":{}}",
		"{\"configuration\":{\"name\":\"lab\",\"mode\":\"other\",\"mtu\":1}}",
		"{\"configuration\":{\"name\":7,\"mode\":\"host\",\"mtu\":1}}",
		"{\"configuration\":{\"name\":\"lab\",\"mode\":\"host\",\"mtu\":-1}}",
		"{\"configuration\":{\"name\":\"lab\",\"mode\":\"host\",\"mtu\":4294967296}}",
		"{\"configuration\":{\"name\":\"lab\",\"mode\":\"host\",\"mtu\":1.5}}",
		GOOD(",\"nextConfiguration\":[]"),
		GOOD(",\"state\":7"),
		GOOD(",\"state\":{}"),
		GOOD(",\"state\":{\"mtu\":1,\"clients\":0,\"interfaces\":-1}"),
		GOOD(",\"state\":{\"mtu\":1,\"clients\":0,\"interfaces\":0,\"bridge\":7}"),
		GOOD(",\"state\":{\"mtu\":1,\"clients\":0,\"interfaces\":0,\"fault\":true}"),
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		snprintf(reply, sizeof(reply), "{\"parameters\":%s}", parameters[i]);
		say(fixture, reply);
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(network);
	}
}

/* Objects that are none, and lists that go wrong half way: what follows is understood. */
static void test_lists_of_another_shape(void **state)
{
	static const char *const parameters[] = {
		"{\"client\":7}",
		"{\"client\":{}}",
		"{\"client\":{\"pid\":1,\"uid\":-1,\"command\":\"a\"}}",
		"{\"client\":[]}",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
		say(fixture, "{\"parameters\":{\"client\":{\"pid\":1,\"uid\":1,\"command\":"
			     "\"a\"}},\"continues\":true}");
		snprintf(reply, sizeof(reply), "{\"parameters\":%s,\"continues\":true}",
			 parameters[i]);
		say(fixture, reply);
		say(fixture, "{\"parameters\":{}}");
		assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(inspection);
	}
}

static void test_interfaces_of_another_shape(void **state)
{
	static const char *const members[] = {
		"\"portForwarding\":{}",
		"\"portForwarding\":[7]",
		"\"portForwarding\":[{\"protocol\":\"icmp\",\"externalPort\":80}]",
		"\"portForwarding\":[{\"protocol\":\"tcp\",\"externalPort\":65536}]",
		("\"portForwarding\":[{\"protocol\":\"tcp\",\"externalPort\":80,"
		 "\"externalAddress\":\"1234567890123456789012345678901234567890123456\"}]"),
		"\"portForwarding\":[],\"rateLimitIn\":{}",
		"\"portForwarding\":[],\"ipv4Address\":7",
		"\"portForwarding\":[],\"attachedTimestamp\":\"now\"",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_attachment *attachment;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		snprintf(reply, sizeof(reply),
			 "{\"parameters\":{\"interface\":{\"device\":\"vmt0\",\"macAddress\":"
			 "\"52:54:00:12:34:56\",\"mtu\":1500,\"vnetHeader\":true,\"uid\":1%s,%s},"
			 "\"tapFileDescriptors\":[],\"vhostFileDescriptors\":[]}}",
			 strstr(members[i], "Timestamp") ? "" : ",\"attachedTimestamp\":1",
			 members[i]);
		say(fixture, reply);
		assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", NULL, &attachment),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(attachment);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replies_of_another_shape),
		TEST(test_lists_of_another_shape),
		TEST(test_interfaces_of_another_shape),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
