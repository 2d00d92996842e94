/* SPDX-License-Identifier: Apache-2.0 */
/* A network's life: who it is made for, who waits for it, and when it goes. */
#include "tests/unit/test.h"

#include "broker/user_limits.h"
#include "tests/unit/broker/fixture.h"

static void test_first_hold_creates_and_all_wait(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1001);

	(void)state;
	fake_acquire(first, "default");
	fake_acquire(second, "shared");
	assert_true(first->asked && second->asked);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
	assert_string_equal(second->network, "default");
	fake_check_invariants(broker);
}

static void test_last_release_removes(void **state)
{
	struct fake_client *first = holder("default");
	struct fake_client *second = holder("default");
	struct error error;

	(void)state;
	assert_int_equal(broker_release(first->client, "shared", &error), 0);
	network_in("default", NETWORK_ACTIVE);
	fake_disconnect(second);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_null(broker->networks);
	assert_int_equal(fake_idle_calls, 0);
	fake_disconnect(first);
	assert_int_equal(fake_idle_calls, 1);
}

static void test_creation_fails_for_all_who_wait(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1000);

	(void)state;
	fake_acquire(first, "default");
	fake_acquire(second, "default");
	fake_create_failed(network_in("default", NETWORK_CREATING), "no such luck");
	assert_int_equal(first->error.code, ERROR_CREATE_FAILED);
	assert_string_equal(second->error.reason, "no such luck");
	assert_null(broker->networks);
	fake_acquire(first, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
}

static void test_client_gone_in_creation(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	fake_acquire(client, "default");
	fake_disconnect(client);
	fake_created(network_in("default", NETWORK_CREATING));
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_true(broker_is_idle(broker));
	assert_int_equal(fake_idle_calls, 1);
}

static void test_acquire_during_removal_is_the_next_life(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *gone = connect_user(1000);

	(void)state;
	fake_disconnect(holder("default"));
	fake_acquire(client, "default");
	fake_acquire(gone, "default");
	assert_true(client->asked);
	fake_disconnect(gone);
	fake_check_invariants(broker);
	fake_removed(network_in("default", NETWORK_REMOVING));
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(client->network, "default");
	fake_check_invariants(broker);
}

static void test_adoption(void **state)
{
	struct network_config *config = network_config_ref(config_find(broker->config, "lab"));
	struct network_addresses addresses = { .bridge = "vmb-lab", .mtu = 1500 };
	const struct interface_made made = {
		.name = "vmt7", .mac = { { 2, 0, 0, 0, 0, 9 } }, .owner = 1000, .queues = 2
	};
	struct network *network = broker_network_adopt(broker, config, &addresses, NULL);
	struct interface *interface;
	struct fake_client *client;

	(void)state;
	assert_non_null(network);
	interface = broker_interface_adopt(network, &made);
	assert_non_null(interface);
	assert_int_equal(interface->owner, 1000);
	broker_network_check(network);
	client = holder("lab");
	fake_disconnect(client);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	assert_string_equal(interface->name, "vmt7");
}

static void test_nothing_adopted_is_held(void **state)
{
	struct network *network = fake_adopt(broker, "lab", NULL, 0, false);

	(void)state;
	assert_int_equal(network->state, NETWORK_REMOVING);
}

/* Also what was there before a user came, and is left when he has gone. */
static void test_what_a_user_has_is_counted(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct network *network = fake_adopt(broker, "lab", &client, 1, true);
	struct fake_client *second = connect_user(1000);
	const struct usage *usage = second->client->usage;

	(void)state;
	assert_ptr_equal(client->client->usage, usage);
	assert_int_equal(usage->holds, 1);
	assert_int_equal(usage->interfaces, 1);
	fake_acquire(second, "default");
	assert_int_equal(usage->requests, 1);
	broker_monitor(second->client);
	broker_monitor(second->client);
	assert_int_equal(usage->monitors, 1);
	fake_check_invariants(broker);
	fake_disconnect(client);
	assert_int_equal(usage->holds, 1);
	assert_int_equal(usage->interfaces, 1);
	fake_detached(network->interfaces);
	assert_int_equal(usage->interfaces, 0);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_int_equal(usage->requests, 0);
	fake_check_invariants(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_hold_creates_and_all_wait),
		TEST(test_last_release_removes),
		TEST(test_creation_fails_for_all_who_wait),
		TEST(test_client_gone_in_creation),
		TEST(test_acquire_during_removal_is_the_next_life),
		TEST(test_adoption),
		TEST(test_what_a_user_has_is_counted),
		TEST(test_nothing_adopted_is_held),
	};

	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
