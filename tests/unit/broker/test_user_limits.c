/* SPDX-License-Identifier: Apache-2.0 */
/* Each limit is reached by one user, named, and nobody else's. */
#include "broker/user_limits.h"
#include "tests/unit/test.h"

#define USER 1000
#define OTHER 1001

static struct client client;
static struct client other;
static struct client root;

static int setup(void **state)
{
	(void)state;
	client = (struct client){ .usage = usage_join(USER) };
	other = (struct client){ .usage = usage_join(OTHER) };
	root = (struct client){ .usage = usage_join(0) };
	return client.usage && other.usage && root.usage ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	usage_leave(client.usage);
	usage_leave(other.usage);
	usage_leave(root.usage);
	return 0;
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

/* Who has no limit may have more than others. */
static void root_has_as_much(void)
{
	root.usage->holds = client.usage->holds;
	root.usage->interfaces = client.usage->interfaces;
	root.usage->requests = client.usage->requests;
	root.usage->monitors = client.usage->monitors;
}

static void test_holds(void **state)
{
	struct error error;

	(void)state;
	client.usage->holds = LIMIT_USER_HOLDS - 1;
	assert_int_equal(limits_check_hold(&client, &error), 0);
	client.usage->holds = LIMIT_USER_HOLDS;
	assert_int_equal(limits_check_hold(&client, &error), -1);
	assert_exceeded(&error, "holds_per_user", LIMIT_USER_HOLDS);
	assert_string_equal(error.reason, "user 1000 has 4096 holds, as many as the broker "
					  "allows; end some of them first");
	root_has_as_much();
	assert_int_equal(limits_check_hold(&other, &error), 0);
	assert_int_equal(limits_check_hold(&root, &error), 0);
}

static void test_interfaces(void **state)
{
	struct error error;

	(void)state;
	client.usage->interfaces = LIMIT_USER_INTERFACES - 1;
	assert_int_equal(limits_check_interface(&client, 1, &error), 0);
	client.usage->interfaces = LIMIT_USER_INTERFACES;
	assert_int_equal(limits_check_interface(&client, 1, &error), -1);
	assert_exceeded(&error, "interfaces_per_user", LIMIT_USER_INTERFACES);
	root_has_as_much();
	assert_int_equal(limits_check_interface(&other, 1, &error), 0);
	assert_int_equal(limits_check_interface(&root, 1, &error), 0);
}

static void test_requests(void **state)
{
	struct error error;

	(void)state;
	client.usage->requests = LIMIT_USER_REQUESTS - 1;
	assert_int_equal(limits_check_hold(&client, &error), 0);
	assert_int_equal(limits_check_interface(&client, 1, &error), 0);
	client.usage->requests = LIMIT_USER_REQUESTS;
	assert_int_equal(limits_check_hold(&client, &error), -1);
	assert_exceeded(&error, "requests_per_user", LIMIT_USER_REQUESTS);
	assert_int_equal(limits_check_interface(&client, 1, &error), -1);
	assert_exceeded(&error, "requests_per_user", LIMIT_USER_REQUESTS);
	root_has_as_much();
	assert_int_equal(limits_check_hold(&other, &error), 0);
	assert_int_equal(limits_check_hold(&root, &error), 0);
}

static void test_monitors(void **state)
{
	struct error error;

	(void)state;
	client.usage->monitors = LIMIT_USER_MONITORS - 1;
	assert_int_equal(limits_check_monitor(&client, &error), 0);
	client.usage->monitors = LIMIT_USER_MONITORS;
	assert_int_equal(limits_check_monitor(&client, &error), -1);
	assert_exceeded(&error, "monitors_per_user", LIMIT_USER_MONITORS);
	root_has_as_much();
	assert_int_equal(limits_check_monitor(&other, &error), 0);
	assert_int_equal(limits_check_monitor(&root, &error), 0);
}

static void test_ports(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(limits_check_ports(&client, LIMIT_USER_PORTS, &error), 0);
	client.usage->ports = 1;
	assert_int_equal(limits_check_ports(&client, LIMIT_USER_PORTS, &error), -1);
	assert_exceeded(&error, "forwarded_ports_per_user", LIMIT_USER_PORTS);
	assert_int_equal(limits_check_ports(&other, LIMIT_USER_PORTS, &error), 0);
	root.usage->ports = 1;
	assert_int_equal(limits_check_ports(&root, LIMIT_USER_PORTS, &error), 0);
}

/* Each with so many queues, until a limit is reached. Returns how many. */
static unsigned int attach_all(const struct client *who, unsigned int queues, struct error *error)
{
	struct usage *usage = who->usage;
	unsigned int n = 0;

	for (;; n++) {
		unsigned int frames = queues * limits_frames(usage, queues);

		assert_in_range(frames, 16, LIMIT_INTERFACE_FRAMES);
		if (limits_check_interface(who, frames, error) < 0)
			return n;
		usage->interfaces++;
		usage_charge_frames(usage, (int)frames);
	}
}

static void test_frames_of_an_interface(void **state)
{
	(void)state;
	assert_int_equal(limits_frames(client.usage, 1), 128);
	assert_int_equal(limits_frames(client.usage, 4), 32);
	client.usage->interfaces = 63;
	assert_int_equal(limits_frames(client.usage, 1), 64);
	client.usage->interfaces = LIMIT_USER_INTERFACES - 1;
	assert_int_equal(limits_frames(client.usage, 1), 16);
	assert_int_equal(limits_frames(client.usage, 16), 4);
}

/* As many interfaces as he may have, and half of the memory at the most. */
static void test_frames_of_a_user(void **state)
{
	struct error error;

	(void)state;
	assert_int_equal(attach_all(&client, 1, &error), LIMIT_USER_INTERFACES);
	assert_exceeded(&error, "interfaces_per_user", LIMIT_USER_INTERFACES);
	assert_in_range(client.usage->frames, LIMIT_FRAMES / 3, LIMIT_FRAMES / 2);
	usage_charge_frames(client.usage, -(int)client.usage->frames);
	client.usage->interfaces = 0;
	assert_in_range(attach_all(&client, 16, &error), 1, LIMIT_USER_INTERFACES - 1);
	assert_exceeded(&error, "frames_per_user", LIMIT_FRAMES / 2);
	assert_in_range(client.usage->frames, LIMIT_FRAMES / 2 - 32, LIMIT_FRAMES / 2 + 32);
}

/* However many users there are, and whoever comes late gets some. */
static void test_frames_of_all(void **state)
{
	struct usage *users[1000];
	unsigned int frames = 0;
	struct error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
		users[i] = usage_join((uid_t)(OTHER + 1 + i));
		(void)attach_all(&(struct client){ .usage = users[i] }, 1, &error);
		assert_true(i > 9 || users[i]->interfaces > 0);
		frames += users[i]->frames;
	}
	assert_in_range(frames, LIMIT_FRAMES - 32, LIMIT_FRAMES);
	assert_exceeded(&error, "frames_per_user", LIMIT_FRAMES / 2);
	assert_int_equal(limits_check_interface(&root, 128, &error), 0);
	/* What has gone is others'. */
	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		usage_leave(users[i]);
	assert_int_equal(limits_check_interface(&client, LIMIT_FRAMES, &error), 0);
}

/* An earlier broker may have allowed more. */
static void test_more_frames_than_there_may_be(void **state)
{
	struct error error;

	(void)state;
	usage_charge_frames(client.usage, LIMIT_FRAMES);
	assert_int_equal(limits_frames(other.usage, 1), 16);
	assert_int_equal(limits_check_interface(&other, 16, &error), -1);
	assert_string_equal(
		error.reason,
		"no room is left for frames that another machine does not read: the interfaces "
		"of user 1001 may hold 0, and the rest is for others; stop some machines first");
}

/* More of them than there are buckets. */
static void test_each_user_has_one(void **state)
{
	struct usage *usages[3000];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(usages); i++) {
		usages[i] = usage_join(OTHER + 1 + i);
		assert_non_null(usages[i]);
		usages[i]->holds = i;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(usages); i++) {
		assert_ptr_equal(usage_join(OTHER + 1 + i), usages[i]);
		usage_leave(usages[i]);
		assert_int_equal(usages[i]->holds, i);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(usages); i++)
		usage_leave(usages[i]);
	/* Whoever comes again begins anew. */
	usages[0] = usage_join(OTHER + 2);
	assert_int_equal(usages[0]->holds, 0);
	usage_leave(usages[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connections_of_a_user),
		TEST(test_connections_of_all),
		TEST(test_holds),
		TEST(test_interfaces),
		TEST(test_requests),
		TEST(test_monitors),
		TEST(test_ports),
		TEST(test_frames_of_an_interface),
		TEST(test_frames_of_a_user),
		TEST(test_frames_of_all),
		TEST(test_more_frames_than_there_may_be),
		TEST(test_each_user_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
