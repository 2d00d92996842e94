/* SPDX-License-Identifier: Apache-2.0 */
/* Holds: at most one of a client on a network, whatever it asks for in between. */
#include "tests/unit/test.h"

#include "broker/user_limits.h"
#include "tests/unit/broker/fixture.h"

static void test_second_acquire_takes_no_second_hold(void **state)
{
	struct fake_client *client = holder("default");
	struct error error;

	(void)state;
	fake_acquire(client, "shared");
	assert_int_equal(client->answers, 2);
	assert_string_equal(client->network, "default");
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	network_in("default", NETWORK_REMOVING);
	assert_int_equal(broker_release(client->client, "default", &error), -1);
	assert_int_equal(error.code, ERROR_NOT_ACQUIRED);
	assert_string_equal(error.reason, "this connection does not hold network \"default\"; "
					  "acquire it first");
}

static void acquire_again(struct fake_client *client)
{
	client->answered = NULL;
	fake_acquire(client, "default");
}

static void test_answered_client_asks_again_at_once(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1000);

	(void)state;
	first->answered = acquire_again;
	fake_acquire(first, "default");
	fake_acquire(second, "default");
	fake_create_failed(network_in("default", NETWORK_CREATING), "no such luck");
	assert_true(first->asked);
	assert_int_equal(second->error.code, ERROR_CREATE_FAILED);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
}

static void release_and_acquire_again(struct fake_client *client)
{
	struct error error;

	client->answered = NULL;
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	fake_acquire(client, "default");
}

static void test_answered_client_releases_at_once(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	client->answered = release_and_acquire_again;
	fake_acquire(client, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	assert_true(client->asked);
	fake_check_invariants(broker);
	fake_removed(network_in("default", NETWORK_REMOVING));
	fake_created(network_in("default", NETWORK_CREATING));
	assert_false(client->asked);
	assert_string_equal(client->network, "default");
}

static void test_adopted_holds_go_on(void **state)
{
	struct fake_client *clients[] = { connect_user(1000), connect_user(1001) };
	struct network *network = fake_adopt(broker, "lab", clients, 2, true);
	struct error error;

	(void)state;
	fake_check_invariants(broker);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	assert_int_equal(network->interfaces->owner, 1000);
	/* Held already: no second hold. */
	fake_acquire(clients[0], "lab");
	assert_string_equal(clients[0]->network, "lab");
	assert_int_equal(broker_release(clients[0]->client, "lab", &error), 0);
	/* The named interface goes with its hold, and the network with the other one. */
	fake_check_invariants(broker);
	assert_int_equal(network->interfaces->state, INTERFACE_DETACHING);
	fake_detached(network->interfaces);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	fake_disconnect(clients[1]);
	assert_int_equal(network->state, NETWORK_REMOVING);
}

static void assert_too_many_requests(const struct fake_client *client)
{
	assert_false(client->asked);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "requests_per_user");
	assert_int_equal(client->error.value, LIMIT_USER_REQUESTS);
}

/* Of holds and of interfaces, and of that user alone. */
static void test_too_many_requests(void **state)
{
	struct fake_client *clients[LIMIT_USER_REQUESTS];
	struct fake_client *last = connect_user(1000);
	struct fake_client *other = connect_user(1001);
	const struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	for (size_t i = 0; i < LIMIT_USER_REQUESTS; i++) {
		clients[i] = connect_user(1000);
		fake_acquire(clients[i], "default");
		assert_true(clients[i]->asked);
	}
	fake_acquire(last, "default");
	assert_too_many_requests(last);
	fake_acquire(other, "default");
	assert_true(other->asked);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	fake_acquire(last, "default");
	assert_int_equal(last->error.code, ERROR_NONE);
	for (size_t i = 0; i < LIMIT_USER_REQUESTS; i++) {
		fake_attach(clients[i], &request);
		assert_true(clients[i]->asked);
	}
	fake_attach(last, &request);
	assert_too_many_requests(last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_second_acquire_takes_no_second_hold),
		TEST(test_answered_client_asks_again_at_once),
		TEST(test_answered_client_releases_at_once),
		TEST(test_adopted_holds_go_on),
		TEST(test_too_many_requests),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
