/* SPDX-License-Identifier: Apache-2.0 */
/* Captures: whose, how many, and what becomes of them when nobody waits any more. */
#include "tests/unit/test.h"

#include "broker/user_limits.h"
#include "tests/unit/broker/fixture.h"

static void test_ones_own(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);
	struct fake_client *other = connect_user(1001);
	struct fake_client *root = connect_user(0);

	(void)state;
	fake_capture(other, "default", interface->name);
	assert_int_equal(other->error.code, ERROR_NOT_ALLOWED);
	assert_string_equal(other->error.reason,
			    "the machine with device vmt0 on network \"default\" is user 1000's, "
			    "and only that user and root may capture it");
	fake_capture(other, "default", "vmt7");
	assert_int_equal(other->error.code, ERROR_INVALID_PARAMETER);
	assert_string_equal(other->error.parameter, "device");
	fake_capture(other, "nowhere", "vmt0");
	assert_int_equal(other->error.code, ERROR_NETWORK_NOT_FOUND);
	assert_null(broker->captures);

	fake_capture(client, "default", interface->name);
	assert_true(client->asked);
	fake_captured(broker->captures, NULL);
	assert_int_equal(client->error.code, ERROR_NONE);
	fake_capture(root, "shared", interface->name);
	fake_captured(broker->captures, NULL);
	assert_int_equal(root->error.code, ERROR_NONE);
	fake_check_invariants(broker);
	broker_capture_ended(broker->captures->next);
	broker_capture_ended(broker->captures);
	assert_null(broker->captures);
	fake_check_invariants(broker);
}

static void test_not_too_many(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);

	(void)state;
	for (unsigned int i = 0; i < LIMIT_USER_CAPTURES; i++) {
		fake_capture(client, "default", interface->name);
		fake_captured(broker->captures, NULL);
	}
	fake_check_invariants(broker);
	fake_capture(client, "default", interface->name);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "captures_per_user");
	broker_capture_ended(broker->captures);
	fake_capture(client, "default", interface->name);
	fake_captured(broker->captures, NULL);
	assert_int_equal(client->error.code, ERROR_NONE);
}

static void test_nobody_waits(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);
	struct fake_client *other = connect_user(1000);

	(void)state;
	fake_capture(client, "default", interface->name);
	fake_captured(broker->captures, "no device");
	assert_int_equal(client->error.code, ERROR_CREATE_FAILED);
	assert_null(broker->captures);

	fake_capture(other, "default", interface->name);
	fake_disconnect(other);
	fake_captured(broker->captures, NULL);
	assert_int_equal(fake_discarded, 1);
	broker_capture_ended(broker->captures);
	fake_check_invariants(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ones_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_waits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
