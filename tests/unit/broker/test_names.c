/* SPDX-License-Identifier: Apache-2.0 */
/* Names that stand for nothing. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"

static void test_not_found(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	fake_acquire(client, "nowhere");
	assert_int_equal(client->error.code, ERROR_NETWORK_NOT_FOUND);
	assert_string_equal(client->error.reason,
			    "no network \"nowhere\" is configured; \"vmnetctl networks\" lists "
			    "those that are");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_not_found),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
