/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of networks and interfaces, by others than those who hold them. */
#include "tests/unit/test.h"

#include "broker/end.h"
#include "tests/unit/broker/fixture.h"

static const void *end(struct fake_client *client, const char *device)
{
	const void *what;
	struct error error;

	assert_int_equal(broker_end(client->client, "default", device, &what, &error), 0);
	return what;
}

static struct error refused(struct fake_client *client, const char *device)
{
	const void *what;
	struct error error;

	assert_int_equal(broker_end(client->client, "default", device, &what, &error), -1);
	return error;
}

static void test_all_of_a_network(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);
	struct fake_client *root = connect_user(0);
	struct network *network = network_in("default", NETWORK_ACTIVE);

	(void)state;
	fake_acquire(root, "default");
	assert_ptr_equal(end(root, ""), network);
	assert_int_equal(interface->state, INTERFACE_DETACHING);
	assert_true(client->ended && !root->ended);
	assert_string_equal(client->error.reason, "network \"default\" was ended by user 0");
	assert_null(root->client->holds);
	fake_disconnect(client);
	fake_detached(interface);
	fake_removed(network);
	assert_ptr_equal(fake_gone, network);
	assert_null(end(root, ""));
}

static void test_while_it_is_made(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *own = connect_user(1000);
	struct network *network;

	(void)state;
	fake_acquire(client, "default");
	network = network_in("default", NETWORK_CREATING);
	assert_ptr_equal(end(own, ""), network);
	assert_true(client->ended);
	fake_disconnect(client);
	fake_create_failed(network, "no bridge");
	assert_ptr_equal(fake_gone, network);
}

/* It goes nevertheless, and they get its next life. */
static void test_who_comes_meanwhile(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);
	struct fake_client *next = connect_user(1000);
	struct network *network = network_in("default", NETWORK_ACTIVE);

	(void)state;
	(void)end(connect_user(0), "");
	fake_disconnect(client);
	fake_acquire(next, "default");
	assert_true(next->asked);
	fake_detached(interface);
	fake_removed(network);
	assert_ptr_equal(fake_gone, network);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(next->network, "default");
}

static void test_who_comes_while_it_is_made(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *next = connect_user(1000);
	struct network *network;

	(void)state;
	fake_acquire(client, "default");
	network = network_in("default", NETWORK_CREATING);
	(void)end(connect_user(0), "");
	fake_disconnect(client);
	fake_acquire(next, "default");
	fake_created(network);
	assert_true(next->asked);
	fake_removed(network);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(next->network, "default");
}

static void test_of_others(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);
	struct fake_client *other = connect_user(1001);
	struct error error;

	(void)state;
	fake_acquire(other, "default");
	error = refused(other, "");
	assert_int_equal(error.code, ERROR_NOT_ALLOWED);
	assert_string_equal(error.reason,
			    "network \"default\" is used by user 1000, too; only root may end it, "
			    "or end a machine of your own alone");
	error = refused(other, interface->name);
	assert_int_equal(error.code, ERROR_NOT_ALLOWED);
	assert_string_equal(error.reason,
			    "the machine with device vmt0 on network \"default\" is user 1000's, "
			    "and only that user and root may end it");
	assert_int_equal(interface->state, INTERFACE_ATTACHED);
	assert_int_equal(refused(client, "").code, ERROR_NOT_ALLOWED);
	assert_false(client->ended || other->ended);
	assert_ptr_equal(end(client, interface->name), interface);
	assert_false(client->ended);
	fake_detached(interface);
	assert_ptr_equal(fake_gone, interface);
	assert_int_equal(refused(client, "vmt0").code, ERROR_INVALID_PARAMETER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_of_a_network, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_it_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_comes_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_comes_while_it_is_made, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_others, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
