/* SPDX-License-Identifier: Apache-2.0 */
/* What one user may have of the front end, and what is left to others. */
#include "tests/unit/test.h"

#include <sys/resource.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "broker/linux/varlink/turns.h"
#include "broker/user_limits.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"
#include "tests/unit/varlink_client.h"

static void test_monitors_are_limited(void **state)
{
	struct peer monitors[LIMIT_USER_MONITORS];
	struct peer one_more = peer_connect();
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(monitors); i++) {
		monitors[i] = peer_connect();
		say(&monitors[i], MONITOR);
	}
	fake_linux_run();
	say(&one_more, MONITOR);
	fake_linux_run();
	text = take(&one_more);
	assert_non_null(strstr(text, "LimitExceeded"));
	assert_non_null(strstr(text, "\"monitors_per_user\",\"value\":32,"));
	free(text);
	peer_close(&monitors[0]);
	say(&one_more, MONITOR);
	assert_silent(&one_more);
	for (size_t i = 1; i < ARRAY_SIZE(monitors); i++)
		peer_close(&monitors[i]);
	peer_close(&one_more);
}

static rlim_t limit_files(rlim_t n)
{
	struct rlimit files;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	before = files.rlim_cur;
	files.rlim_cur = n < files.rlim_max ? n : files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	return before;
}

static void test_connections_are_limited(void **state)
{
	rlim_t files = limit_files(3 * LIMIT_USER_CONNECTIONS);
	static struct peer peers[LIMIT_USER_CONNECTIONS];
	struct peer one_more;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peers[i] = peer_connect();
		fake_linux_run();
	}
	one_more = peer_connect();
	fake_linux_run();
	text = take(&one_more);
	assert_non_null(text);
	assert_non_null(strstr(text, "LimitExceeded"));
	assert_non_null(strstr(text, "\"connections_per_user\",\"value\":1024,"));
	free(text);
	assert_disconnected(&one_more);
	peer_close(&one_more);
	assert_non_null(strstr(log_double_text(), "is refused: user "));
	peer_close(&peers[0]);
	fake_linux_run();
	peers[0] = peer_connect();
	say(&peers[0], RELEASE);
	fake_linux_run();
	text = take(&peers[0]);
	assert_non_null(strstr(text, "NotAcquired"));
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(&peers[i]);
	fake_linux_run();
	limit_files(files);
}

/* What is on its way counts until it has been taken, or nobody is left to. */
static void test_descriptors_that_are_not_taken(void **state)
{
	static const char attach[] =
		METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2}}";
	struct peer peer = peer_connect();
	struct peer other = peer_connect();
	struct user *user;
	char *text;

	(void)state;
	say(&other, GET_INFO);
	say(&peer, ACQUIRE);
	fake_linux_run();
	user = user_known(geteuid() == 0 ? OUTSIDER : geteuid());
	free(take(&peer));
	say(&peer, attach);
	fake_linux_run();
	assert_int_equal(user->descriptors, 2);
	say(&peer, attach);
	fake_linux_run();
	assert_int_equal(user->descriptors, 4);
	free(take(&peer));
	free(take(&peer));
	say(&peer, attach);
	fake_linux_run();
	assert_int_equal(user->descriptors, 2);
	/* The broker ends the connection, and the client does not. */
	say(&peer, "nonsense");
	fake_linux_run();
	assert_int_equal(user->descriptors, 2);
	user_charge_descriptors(user, (int)USERS_DESCRIPTORS / 2 - 2);
	free(take(&other));
	say(&other, ACQUIRE);
	say(&other, attach);
	fake_linux_run();
	free(take(&other));
	text = take(&other);
	assert_non_null(strstr(text, "\"limit\":\"descriptors_in_flight\",\"value\":24576"));
	free(text);
	peer_close(&peer);
	say(&other, attach);
	fake_linux_run();
	text = take(&other);
	assert_non_null(strstr(text, "tapFileDescriptors"));
	free(text);
	user_charge_descriptors(user, 2 - (int)USERS_DESCRIPTORS / 2);
	peer_close(&other);
	fake_linux_run();
}

/* The broker waits for descriptors without turning round and round, then goes on. */
static void test_no_descriptor_for_a_client(void **state)
{
	struct peer peer;
	rlim_t files;
	char *text;

	(void)state;
	if (under_valgrind())
		return;
	peer = peer_connect();
	files = limit_files((rlim_t)peer.fd + 1);
	say(&peer, GET_INFO);
	fake_linux_run();
	assert_non_null(strstr(log_double_text(), "clients have to wait: Too many open files\n"));
	limit_files(files);
	assert_true(sd_event_run(linux_platform.event, 5 * 1000 * 1000) > 0);
	fake_linux_run();
	text = take(&peer);
	assert_non_null(text);
	free(text);
	peer_close(&peer);
}

/* One who floods the socket does not keep another waiting. */
static void test_fairness(void **state)
{
	struct peer flood[10];
	struct peer other = peer_connect();
	char *text = NULL;
	unsigned int steps = 0;

	(void)state;
	fake_linux_run();
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++) {
		flood[i] = peer_connect();
		for (int n = 0; n < 100; n++)
			say(&flood[i], METHOD("ListNetworks") "}");
	}
	/* In the thick of it. */
	while (!hear(&flood[9]))
		assert_true(fake_linux_step());
	say(&other, ACQUIRE);
	while (!text) {
		assert_true(fake_linux_step());
		text = take(&other);
		steps++;
	}
	free(text);
	/* One call of each, and as many looks at the sockets. */
	assert_true(steps <= 3 * ARRAY_SIZE(flood));
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++)
		peer_close(&flood[i]);
	peer_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_monitors_are_limited),
		TEST(test_connections_are_limited),
		TEST(test_descriptors_that_are_not_taken),
		TEST(test_no_descriptor_for_a_client),
		TEST(test_fairness),
	};

	return cmocka_run_group_tests_name("shares", tests, NULL, NULL);
}
