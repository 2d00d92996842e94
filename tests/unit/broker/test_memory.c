/* SPDX-License-Identifier: Apache-2.0 */
/* The policy when memory is short: each request is an error to who made it, and nothing is lost. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"

/* Allocations that fail, one after the other: --wrap=calloc. */

static unsigned int calloc_countdown;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (calloc_countdown > 0 && --calloc_countdown == 0)
		return NULL;
	return __real_calloc(n, size);
}

static void test_out_of_memory(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *second = connect_user(1000);
	struct attach_request request = { .network = "default", .queues = 1 };
	struct credentials credentials = { .uid = 1000 };
	struct network_info *infos;
	struct error error;
	size_t n;

	(void)state;
	/* The network's record, then the hold. */
	for (unsigned int i = 1; i <= 2; i++) {
		calloc_countdown = i;
		fake_acquire(client, "default");
		assert_int_equal(client->error.code, ERROR_INTERNAL);
		assert_string_equal(client->error.reason, "out of memory for network \"default\"");
		assert_null(broker->networks);
	}
	fake_acquire(client, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	calloc_countdown = 1;
	fake_acquire(second, "default");
	assert_int_equal(second->error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	assert_int_equal(broker_list(client->client, &infos, &n, &error), -1);
	assert_int_equal(error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	assert_int_equal(broker_hold_adopt(second->client, client->client->holds->network), -1);
	calloc_countdown = 1;
	assert_null(broker_client_new(broker, &credentials, NULL));
	fake_check_invariants(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
