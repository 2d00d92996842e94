/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Varlink front end when memory is short: every allocation of a client's whole
 * life fails once, in turn. The client may lose its connection, but what it was
 * told before is whole; the broker goes on, and nothing is left behind.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "tests/unit/alloc_double.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"

#define METHOD(name) "{\"method\":\"com.github.nirs.vmnetbroker." name "\""
#define GET_INFO "{\"method\":\"org.varlink.service.GetInfo\"}"
/* More allocations than a client's life needs. */
#define MANY 10000

static const char *const calls[] = {
	GET_INFO,
	METHOD("Acquire") ",\"parameters\":{\"network\":\"lab\"}}",
	METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2,\"vhost\":true}}",
	METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"openByName\":true}}",
	METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"macAddress\":\"x\"}}",
	METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"portForwarding\":[{"
			 "\"protocol\":\"tcp\",\"externalPort\":80}]}}",
	METHOD("DescribeNetwork") ",\"parameters\":{\"network\":\"lab\"}}",
	METHOD("ListClients") ",\"more\":true,\"parameters\":{\"network\":\"lab\"}}",
	METHOD("ListNetworks") ",\"more\":true}",
	"{\"method\":\"io.systemd.Metrics.List\",\"more\":true}",
	"{\"method\":\"io.systemd.Metrics.Describe\",\"more\":true}",
	METHOD("Acquire") ",\"parameters\":{\"network\":\"lost\"}}",
	METHOD("Nothing") "}",
	METHOD("Release") ",\"parameters\":{\"network\":\"lab\"}}",
};

/* One to each, but for metrics and families of them: eight. */
#define REPLIES (ARRAY_SIZE(calls) + 7 + 7)

static const char *path;

/* Nothing here allocates: only the broker does. */
struct peer {
	int fd;
	char text[65536];
	size_t length;
};

static struct peer client;
static struct peer monitor;

static void peer_connect(struct peer *peer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	peer->length = 0;
	strcpy(address.sun_path, path);
	assert_int_equal(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void hear(struct peer *peer)
{
	ssize_t n;

	do {
		n = recv(peer->fd, peer->text + peer->length, sizeof(peer->text) - peer->length, 0);
		peer->length += n > 0 ? (size_t)n : 0;
	} while (n > 0);
}

/* The connection may have ended, and may end by that. */
static void say(struct peer *peer, const char *text)
{
	if (send(peer->fd, text, strlen(text) + 1, MSG_NOSIGNAL) < 0)
		assert_true(errno == EPIPE || errno == ECONNRESET);
	fake_linux_run();
	hear(peer);
}

/* A client's life, watched by another. */
static void live(void)
{
	peer_connect(&monitor);
	say(&monitor, METHOD("Monitor") ",\"more\":true}");
	peer_connect(&client);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		say(&client, calls[i]);
	close(client.fd);
	fake_linux_run();
	hear(&monitor);
	close(monitor.fd);
	fake_linux_run();
}

/* Returns how many messages there are; each has to be one. */
static size_t count_messages(const struct peer *peer)
{
	size_t n = 0;

	for (size_t start = 0; start < peer->length; n++) {
		json_t *message = json_loads(peer->text + start, JSON_REJECT_DUPLICATES, NULL);

		assert_true(json_is_object(json_object_get(message, "parameters")));
		json_decref(message);
		start += strlen(peer->text + start) + 1;
		assert_true(start <= peer->length);
	}
	return n;
}

static void test_every_allocation_fails_once(void **state)
{
	bool failed = true;
	unsigned int n;

	(void)state;
	path = fake_linux_open("{\"lab\":{\"mode\":\"shared\",\"description\":\"The lab\"}}");
	for (n = 1; failed && n < MANY; n++) {
		memset(client.text, 0, sizeof(client.text));
		memset(monitor.text, 0, sizeof(monitor.text));
		alloc_double_fail(n);
		live();
		failed = alloc_double_failed();
		alloc_double_fail(0);
		assert_true(broker_is_idle(linux_platform.broker));
		assert_true(count_messages(&client) <= REPLIES);
		(void)count_messages(&monitor);
		log_double_clear();
	}
	assert_true(n > 200);
	/* With all the memory it wants: every call is answered, every event told. */
	assert_int_equal(count_messages(&client), REPLIES);
	assert_int_equal(count_messages(&monitor), 10);
	fake_linux_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests_name("varlink_memory", tests, NULL, NULL);
}
