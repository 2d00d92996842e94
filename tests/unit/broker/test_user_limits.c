/* SPDX-License-Identifier: Apache-2.0 */
/* Each limit is reached by one user, named, and nobody else's. */
#include <string.h>

#include "broker/interface.h"
#include "broker/user_limits.h"
#include "tests/unit/test.h"

#define USER 1000
#define OTHER 1001

/* As many records of each kind as any limit takes, all of one user. */
static struct broker broker;
static struct network network;
static struct client clients[LIMIT_CONNECTIONS];
static struct hold holds[LIMIT_USER_HOLDS];
static struct interface interfaces[LIMIT_USER_INTERFACES];
static struct client other = { .broker = &broker, .credentials = { .uid = OTHER } };
static struct client root = { .broker = &broker };

static int empty(void **state)
{
	(void)state;
	broker = (struct broker){ .networks = &network };
	network = (struct network){ .broker = &broker };
	memset(clients, 0, sizeof(clients));
	memset(holds, 0, sizeof(holds));
	memset(interfaces, 0, sizeof(interfaces));
	return 0;
}

static void connections(size_t n, uid_t uid)
{
	for (size_t i = 0; i < n; i++)
		clients[i] = (struct client){ .next = i + 1 < n ? &clients[i + 1] : NULL,
					      .broker = &broker,
					      .credentials = { .uid = uid } };
	broker.clients = n > 0 ? clients : NULL;
}

static void hold(size_t n, bool waiting)
{
	for (size_t i = 0; i < n; i++)
		holds[i] = (struct hold){ .next = i + 1 < n ? &holds[i + 1] : NULL,
					  .client = clients,
					  .waiting = waiting };
	clients->holds = n > 0 ? holds : NULL;
}

static void attach(size_t n, enum interface_state state)
{
	for (size_t i = 0; i < n; i++)
		interfaces[i] = (struct interface){ .next = i + 1 < n ? &interfaces[i + 1] : NULL,
						    .network = &network,
						    .state = state,
						    .owner = USER };
	network.interfaces = n > 0 ? interfaces : NULL;
}

static void assert_exceeded(const struct error *error, const char *limit, unsigned int value)
{
	assert_int_equal(error->code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(error->limit, limit);
	assert_int_equal(error->value, value);
}

static void test_connections_of_a_user(void **state)
{
	const unsigned int most = LIMIT_USER_CONNECTIONS;
	struct error error;

	(void)state;
	assert_int_equal(limits_check_connection(USER, most - 1, most, &error), 0);
	assert_int_equal(limits_check_connection(USER, most, most, &error), -1);
	assert_exceeded(&error, "connections_per_user", most);
	assert_int_equal(limits_check_connection(OTHER, 0, most, &error), 0);
	assert_int_equal(limits_check_connection(0, most, most, &error), 0);
}

static void test_connections_of_all(void **state)
{
	const unsigned int most = LIMIT_CONNECTIONS - LIMIT_CONNECTIONS_RESERVED;
	struct error error;

	(void)state;
	assert_int_equal(limits_check_connection(OTHER, 0, most - 1, &error), 0);
	assert_int_equal(limits_check_connection(OTHER, 0, most, &error), -1);
	assert_exceeded(&error, "connections", LIMIT_CONNECTIONS);
	assert_int_equal(limits_check_connection(0, 0, most, &error), 0);
	assert_int_equal(limits_check_connection(0, 0, LIMIT_CONNECTIONS, &error), -1);
}

static void test_holds(void **state)
{
	struct error error;

	(void)state;
	connections(1, USER);
	hold(LIMIT_USER_HOLDS - 1, false);
	assert_int_equal(limits_check_hold(clients, &error), 0);
	hold(LIMIT_USER_HOLDS, false);
	assert_int_equal(limits_check_hold(clients, &error), -1);
	assert_exceeded(&error, "holds_per_user", LIMIT_USER_HOLDS);
	assert_int_equal(limits_check_hold(&other, &error), 0);
	assert_int_equal(limits_check_hold(&root, &error), 0);
}

static void test_interfaces(void **state)
{
	struct error error;

	(void)state;
	connections(1, USER);
	attach(LIMIT_USER_INTERFACES - 1, INTERFACE_ATTACHED);
	assert_int_equal(limits_check_interface(clients, &error), 0);
	attach(LIMIT_USER_INTERFACES, INTERFACE_ATTACHED);
	assert_int_equal(limits_check_interface(clients, &error), -1);
	assert_exceeded(&error, "interfaces_per_user", LIMIT_USER_INTERFACES);
	assert_int_equal(limits_check_interface(&other, &error), 0);
	assert_int_equal(limits_check_interface(&root, &error), 0);
}

static void test_requests(void **state)
{
	struct error error;

	(void)state;
	connections(1, USER);
	hold(LIMIT_USER_REQUESTS - 100, true);
	attach(99, INTERFACE_ATTACHING);
	assert_int_equal(limits_check_hold(clients, &error), 0);
	assert_int_equal(limits_check_interface(clients, &error), 0);
	attach(100, INTERFACE_ATTACHING);
	assert_int_equal(limits_check_hold(clients, &error), -1);
	assert_exceeded(&error, "requests_per_user", LIMIT_USER_REQUESTS);
	assert_int_equal(limits_check_interface(clients, &error), -1);
	assert_exceeded(&error, "requests_per_user", LIMIT_USER_REQUESTS);
	assert_int_equal(limits_check_hold(&other, &error), 0);
	assert_int_equal(limits_check_hold(&root, &error), 0);
}

static void test_monitors(void **state)
{
	struct error error;

	(void)state;
	connections(LIMIT_USER_MONITORS + 1, USER);
	for (size_t i = 0; i < LIMIT_USER_MONITORS - 1; i++)
		clients[i].monitoring = true;
	assert_int_equal(limits_check_monitor(clients, &error), 0);
	clients[LIMIT_USER_MONITORS - 1].monitoring = true;
	assert_int_equal(limits_check_monitor(clients, &error), -1);
	assert_exceeded(&error, "monitors_per_user", LIMIT_USER_MONITORS);
	assert_int_equal(limits_check_monitor(&other, &error), 0);
	assert_int_equal(limits_check_monitor(&root, &error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_connections_of_a_user, empty),
		cmocka_unit_test_setup(test_connections_of_all, empty),
		cmocka_unit_test_setup(test_holds, empty),
		cmocka_unit_test_setup(test_interfaces, empty),
		cmocka_unit_test_setup(test_requests, empty),
		cmocka_unit_test_setup(test_monitors, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
