/* SPDX-License-Identifier: Apache-2.0 */
/* Faults: each is told once, and ends by itself. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"
#include "tests/unit/log_double.h"

static void test_fault_is_told_once(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct network_info info;
	struct error error;

	(void)state;
	log_double_clear();
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	assert_int_equal(broker_inspect(client->client, "default", &info, &error), 0);
	assert_string_equal(info.network->fault, "its bridge is gone");
	assert_string_equal(log_double_text(), "error [default] its bridge is gone\n");
	broker_network_fault(network, FAULT_NETWORK, NULL);
	assert_null(network->fault);
}

/* One that ends takes no other with it. */
static void test_faults_of_several_kinds(void **state)
{
	struct network *network = holder("default") ? network_in("default", NETWORK_ACTIVE) : NULL;

	(void)state;
	broker_network_fault(network, FAULT_RECORDS, "the disk is full");
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	broker_network_fault(network, FAULT_SERVERS, NULL);
	assert_string_equal(network->fault, "its bridge is gone; the disk is full");
	broker_network_fault(network, FAULT_NETWORK, NULL);
	assert_string_equal(network->fault, "the disk is full");
	broker_network_fault(network, FAULT_RECORDS, "there is no disk");
	assert_string_equal(network->fault, "there is no disk");
	broker_network_fault(network, FAULT_RECORDS, NULL);
	assert_null(network->fault);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fault_is_told_once),
		TEST(test_faults_of_several_kinds),
	};

	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
