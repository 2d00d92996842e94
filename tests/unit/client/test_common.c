/* SPDX-License-Identifier: Apache-2.0 */
/* What the library says of statuses, events and nothing. */
#include "tests/unit/test.h"

#include "vmnet-broker.h"

static void test_names_of_statuses_and_events(void **state)
{
	(void)state;
	for (unsigned int status = VMNET_BROKER_SUCCESS; status <= 8; status++) {
		const char *sentence = vmnet_broker_strerror((vmnet_broker_return_t)status);

		assert_string_not_equal(sentence, "unknown status");
		assert_true(sentence[strlen(sentence) - 1] != '.');
	}
	assert_string_equal(vmnet_broker_strerror((vmnet_broker_return_t)9), "unknown status");
	assert_string_equal(vmnet_broker_strerror((vmnet_broker_return_t)-1), "unknown status");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_LEASE_REMOVED), "lease_removed");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_NETWORK_MENDED), "network_mended");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_EVENT_UNKNOWN), "unknown");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_RECONNECTED), "reconnected");
	assert_string_equal(vmnet_broker_event_name((enum vmnet_broker_event_type)11), "unknown");
}

static void test_free_of_nothing(void **state)
{
	(void)state;
	vmnet_broker_close(NULL);
	vmnet_broker_network_free(NULL);
	vmnet_broker_networks_free(NULL, 0);
	vmnet_broker_inspection_free(NULL);
	vmnet_broker_event_free(NULL);
	vmnet_broker_attachment_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_statuses_and_events),
		cmocka_unit_test(test_free_of_nothing),
	};

	return cmocka_run_group_tests_name("common", tests, NULL, NULL);
}
