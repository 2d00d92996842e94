/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of calls: their order, its end from either side, and what is no call. */
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

#include "broker/linux/linux.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"
#include "tests/unit/varlink_client.h"

static void test_no_varlink(void **state)
{
	static const char *const messages[] = {
		"",
		"GET / HTTP/1.1",
		"[]",
		"7",
		"null",
		"{}",
		"{\"method\":7}",
		"{\"method\":\"a.b\",\"parameters\":[]}",
		"{\"method\":\"a.b\",\"parameters\":7}",
		"{\"method\":\"a.b\",\"oneway\":1}",
		"{\"method\":\"a.b\",\"more\":null}",
		"{\"method\":\"a.b\",\"upgrade\":\"no\"}",
		"{\"method\":\"a.b\",\"oneway\":true,\"more\":true}",
		"{\"method\":\"a.b\",\"method\":\"a.b\"}",
		"{\"method\":\"a.b\",\"id\":1}",
		"{\"method\":\"a.b\"} ,",
		"{\"method\":\"\\u0000\"}",
		"{\"method\":\"\xff\"}",
		"{\"method\":\"a.b\",\"parameters\":{\"a\":1e999}}",
	};
	struct peer witness = peer_connect();
	char deep[8192];
	struct peer peer;

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(messages); i++) {
		memset(deep, '[', sizeof(deep));
		deep[sizeof(deep) - 1] = '\0';
		peer = peer_connect();
		say(&peer, i < ARRAY_SIZE(messages) ? messages[i] : deep);
		say(&peer, GET_INFO);
		assert_disconnected(&peer);
		peer_close(&peer);
	}
	say(&witness, ACQUIRE);
	fake_linux_run();
	free(take(&witness));
	assert_silent(&witness);
	/* The administrator is told, but not for each of them. */
	assert_non_null(
		strstr(log_double_text(), "is disconnected: what it sent is not Varlink\n"));
	assert_true(strlen(log_double_text()) < 2000);
	peer_close(&witness);
}

static void test_a_message_too_long(void **state)
{
	struct peer peer = peer_connect();
	char letters[4096];

	(void)state;
	memset(letters, ' ', sizeof(letters));
	while (send(peer.fd, letters, sizeof(letters), MSG_NOSIGNAL) > 0)
		fake_linux_run();
	assert_int_equal(errno, EPIPE);
	peer_close(&peer);
	assert_non_null(
		strstr(log_double_text(), "is disconnected: its message is longer than 64 KiB\n"));
}

static void test_calls_are_answered_in_order(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	fake_linux_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, RELEASE);
	say(&peer, METHOD("Destroy") "}");
	assert_silent(&peer);
	fake_linux_waits = false;
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}");
	assert_says(&peer, "{\"parameters\":{}}");
	assert_says(&peer, "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{"
			   "\"method\":\"com.github.nirs.vmnetbroker.Destroy\"}}");
	peer_close(&peer);
}

static void test_oneway(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	fake_linux_waits = true;
	say(&peer, METHOD("Acquire") ",\"oneway\":true,\"parameters\":{\"network\":\"lab\"}}");
	say(&peer, METHOD("Destroy") ",\"oneway\":true}");
	say(&peer, METHOD("Acquire") ",\"oneway\":true}");
	say(&peer, METHOD("Attach") ",\"oneway\":true,\"parameters\":{\"network\":\"lab\"}}");
	say(&peer, METHOD("Acquire") ",\"oneway\":true,\"parameters\":{\"network\":\"lost\"}}");
	say(&peer, GET_INFO);
	assert_silent(&peer);
	fake_linux_waits = false;
	fake_linux_run();
	assert_int_equal(fake_linux_closed, 1);
	free(take(&peer));
	assert_silent(&peer);
	say(&peer, RELEASE);
	assert_says(&peer, "{\"parameters\":{}}");
	peer_close(&peer);
}

static void test_hang_up_while_waiting(void **state)
{
	struct peer peer = peer_connect();
	struct peer other = peer_connect();

	(void)state;
	fake_linux_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, GET_INFO);
	say(&other, ACQUIRE);
	fake_linux_run();
	peer_close(&peer);
	fake_linux_run();
	fake_linux_waits = false;
	assert_says(&other, "{\"parameters\":" NETWORK(1) "}");
	/* The same while an interface is made: its descriptors are nobody's. */
	fake_linux_waits = true;
	say(&other, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":3}}");
	fake_linux_run();
	peer_close(&other);
	fake_linux_run();
	fake_linux_waits = false;
	fake_linux_run();
	assert_int_equal(fake_linux_closed, 3);
	assert_null(linux_platform.broker->networks);
}

static void test_a_client_that_sends_nothing_more_gets_its_replies(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	fake_linux_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, RELEASE);
	shutdown(peer.fd, SHUT_WR);
	fake_linux_run();
	fake_linux_waits = false;
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}");
	assert_says(&peer, "{\"parameters\":{}}");
	assert_disconnected(&peer);
	peer_close(&peer);
}

/* Descriptors come with their own reply, also when it is one of many that wait. */
static void test_attach_among_other_calls(void **state)
{
	struct peer peer = peer_connect();
	size_t n_replies = 0;
	char *text;

	(void)state;
	say(&peer, ACQUIRE);
	for (int i = 0; i < 20; i++)
		say(&peer, METHOD("ListNetworks") "}");
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":16}}");
	say(&peer, GET_INFO);
	fake_linux_run();
	while ((text = take(&peer))) {
		n_replies++;
		/* One call of recvmsg() never reads past a message with descriptors. */
		if (strstr(text, "tapFileDescriptors"))
			assert_int_equal(peer.n_fds, 16);
		free(text);
	}
	assert_int_equal(n_replies, 23);
	peer_close(&peer);
}

/* What is not read is not served, and what is not served is not read. */
static void test_replies_that_are_not_read(void **state)
{
	struct peer peer = peer_connect();
	size_t n_calls = 0;
	size_t n_replies = 0;
	char *text;

	(void)state;
	/* Whole calls only: what fits of the last one is no message. */
	for (;;) {
		ssize_t n = send(peer.fd, GET_INFO, sizeof(GET_INFO), MSG_NOSIGNAL);

		fake_linux_run();
		if (n < 0)
			break;
		n_calls += n == sizeof(GET_INFO);
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(n_calls * sizeof(GET_INFO) < 2 * 1024 * 1024);
	for (;;) {
		while ((text = take(&peer))) {
			n_replies++;
			free(text);
		}
		if (!fake_linux_step())
			break;
	}
	assert_int_equal(n_replies, n_calls);
	peer_close(&peer);
}

static void test_stop_ends_everything(void **state)
{
	struct peer peer = peer_connect();
	struct peer monitor = peer_connect();
	struct peer silent = peer_connect();

	(void)state;
	say(&monitor, MONITOR);
	say(&peer, ACQUIRE);
	fake_linux_run();
	fake_linux_close();
	assert_int_equal(hear(&silent), false);
	setup(NULL);
	peer_close(&peer);
	peer_close(&monitor);
	peer_close(&silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_varlink),
		TEST(test_a_message_too_long),
		TEST(test_calls_are_answered_in_order),
		TEST(test_oneway),
		TEST(test_hang_up_while_waiting),
		TEST(test_a_client_that_sends_nothing_more_gets_its_replies),
		TEST(test_attach_among_other_calls),
		TEST(test_replies_that_are_not_read),
		TEST(test_stop_ends_everything),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
