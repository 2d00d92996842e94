/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of another shape than the interface file's. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "tests/unit/client/fixture.h"

/* The call fails, and the connection goes on. */
static void test_replies_of_another_shape(void **state)
{
	static const char *const parameters[] = {
		"{}",
		"{\"network\":null}",
		"{\"network\":7}",
		"{\"network\":[]}",
		"{\"network\":{}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"other\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":7,\"mode\":\"host\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":1,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":-1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":"
		"4294967296,\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":1.5,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0,\"bridge\":7}}",
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

/* Lists that are none, and lists that go wrong half way. */
static void test_inspections_of_another_shape(void **state)
{
	static const char *const rest[] = {
		"\"clients\":[],\"interfaces\":[]",
		"\"clients\":[],\"interfaces\":[],\"leases\":{}",
		"\"clients\":[7],\"interfaces\":[],\"leases\":[]",
		"\"clients\":[{\"pid\":1,\"uid\":1,\"command\":\"a\"},{}],\"interfaces\":[],"
		"\"leases\":[]",
		"\"clients\":[],\"interfaces\":[" INTERFACE_TEXT ",{\"name\":\"x\"}],\"leases\":[]",
		"\"clients\":[],\"interfaces\":[],\"leases\":[{\"mac_address\":\"x\",\"address\":"
		"\"y\",\"expires\":\"z\"}]",
		"\"clients\":[],\"interfaces\":[],\"leases\":[],\"fault\":true",
		"\"clients\":[],\"interfaces\":[],\"leases\":[],\"rogue_packets\":-2",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
		snprintf(reply, sizeof(reply), "{\"parameters\":{\"network\":" NETWORK_TEXT ",%s}}",
			 rest[i]);
		say(fixture, reply);
		assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(inspection);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_replies_of_another_shape),
		TEST(test_inspections_of_another_shape),
	};

	return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
