/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: where to, what ends it, and what the broker refuses. */
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/client/fixture.h"

static void test_address(void **state)
{
	(void)state;
	setenv("VMNET_BROKER_SOCKET", "/somewhere/else", 1);
	assert_string_equal(vmnet_broker_address(), "/somewhere/else");
	setenv("VMNET_BROKER_SOCKET", "", 1);
	assert_string_equal(vmnet_broker_address(), "/run/vmnet-broker/socket");
	unsetenv("VMNET_BROKER_SOCKET");
	assert_string_equal(vmnet_broker_address(), "/run/vmnet-broker/socket");
}

static void assert_connect_fails(const char *path, int expected)
{
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;
	size_t n_fds = count_fds();

	setenv("VMNET_BROKER_SOCKET", path, 1);
	errno = 0;
	assert_null(vmnet_broker_connect(&status));
	assert_int_equal(errno, expected);
	assert_int_equal(status, VMNET_BROKER_XPC_FAILURE);
	assert_null(vmnet_broker_connect(NULL));
	assert_int_equal(count_fds(), n_fds);
	unsetenv("VMNET_BROKER_SOCKET");
}

static void test_connect_fails(void **state)
{
	char long_path[200];

	(void)state;
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_connect_fails("/nowhere/to/be/found", ENOENT);
	assert_connect_fails("/dev/null", ECONNREFUSED);
	assert_connect_fails(long_path, ENAMETOOLONG);
}

static void test_errors(void **state)
{
	static const struct {
		const char *reply;
		vmnet_broker_return_t status;
		const char *sentence;
	} errors[] = {
		{ ERROR("NetworkNotFound") "{\"network\":\"lab\",\"reason\":\"no network \\\"lab\\\" "
					   "is configured\"}}",
		  VMNET_BROKER_NOT_FOUND, "no network \"lab\" is configured" },
		{ ERROR("NotAllowed") "{\"network\":\"lab\",\"reason\":\"network \\\"lab\\\" may be "
				      "acquired only by user \\\"ci\\\" and root\"}}",
		  VMNET_BROKER_NOT_ALLOWED,
		  "network \"lab\" may be acquired only by user \"ci\" and root" },
		{ ERROR("NotAcquired") "{\"network\":\"lab\"}}", VMNET_BROKER_INVALID_REQUEST,
		  "the broker answered with com.github.nirs.vmnetbroker.NotAcquired; it may be of "
		  "another version" },
		{ ERROR("CreateFailed") "{\"network\":\"lab\",\"reason\":\"dnsmasq is missing\"}}",
		  VMNET_BROKER_CREATE_FAILURE, "network \"lab\": dnsmasq is missing" },
		{ ERROR("LimitExceeded") "{\"limit\":\"holds_per_user\",\"value\":3,\"reason\":\"user "
					 "7 has 3 holds\"}}",
		  VMNET_BROKER_INTERNAL_ERROR, "network \"lab\": user 7 has 3 holds" },
		{ ERROR("ParameterRefused") "{\"parameter\":\"macAddress\",\"reason\":\"it is used "
					    "on network \\\"lab\\\"\"}}",
		  VMNET_BROKER_INVALID_REQUEST, "it is used on network \"lab\"" },
		{ ERROR("Internal") "{\"reason\":\"out of memory\"}}", VMNET_BROKER_INTERNAL_ERROR,
		  "network \"lab\": out of memory" },
		{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
		  "\"macAddress\"}}",
		  VMNET_BROKER_INVALID_REQUEST,
		  "network \"lab\": the broker does not take this \"macAddress\"" },
		{ "{\"error\":\"org.varlink.service.MethodNotFound\"}", VMNET_BROKER_INVALID_REPLY,
		  "the broker answered with org.varlink.service.MethodNotFound; it may be of "
		  "another version" },
		{ ERROR("Internal") "{\"reason\":7}}", VMNET_BROKER_INTERNAL_ERROR,
		  "the broker answered with com.github.nirs.vmnetbroker.Internal; it may be of "
		  "another version" },
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		say(fixture, errors[i].reply);
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
				 errors[i].status);
		assert_null(network);
		assert_string_equal(vmnet_broker_error(fixture->broker), errors[i].sentence);
	}
	/* None of these ends the connection. */
	say(fixture, "{}");
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
}

/* What is no Varlink at all: nothing that follows can be trusted. */
static void assert_ends_the_connection(const char *reply)
{
	struct vmnet_broker_network *network;
	struct fixture *fixture;
	void *state;

	setup(&state);
	fixture = state;
	say(fixture, reply);
	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
			 VMNET_BROKER_INVALID_REPLY);
	assert_ended_by_library(fixture);
	hang_up(fixture);
	teardown(&state);
}

static void test_no_varlink(void **state)
{
	char deep[8192];

	(void)state;
	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_ends_the_connection("");
	assert_ends_the_connection("HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_ends_the_connection("[]");
	assert_ends_the_connection("7");
	assert_ends_the_connection("{\"parameters\":[]}");
	assert_ends_the_connection("{\"parameters\":null}");
	assert_ends_the_connection("{\"error\":7}");
	assert_ends_the_connection("{\"error\":\"a.b\",\"parameters\":7}");
	assert_ends_the_connection("{\"parameters\":{},\"parameters\":{}}");
	assert_ends_the_connection("{\"parameters\":{}} {}");
	assert_ends_the_connection("{\"parameters\":{\"network\":\"\xff\"}}");
	assert_ends_the_connection(deep);
}

/* A child says words without end; the library listens to only so many. */
static void test_a_reply_without_end(void **state)
{
	struct fixture *fixture = *state;
	static char words[65536];
	pid_t child;
	int status;

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(vmnet_broker_fd(fixture->broker));
		memset(words, 'x', sizeof(words));
		while (send(fixture->server, words, sizeof(words), MSG_NOSIGNAL) > 0)
			;
		_exit(errno == EPIPE ? 0 : 1);
	}
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_INVALID_REPLY);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_the_broker_goes(void **state)
{
	struct fixture *fixture = *state;
	struct pollfd pollfd = { .fd = vmnet_broker_fd(fixture->broker), .events = POLLIN };
	struct vmnet_broker_network **networks;
	size_t n;

	assert_int_equal(poll(&pollfd, 1, 0), 0);
	hang_up(fixture);
	assert_int_equal(poll(&pollfd, 1, 0), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
				 VMNET_BROKER_XPC_FAILURE);
		assert_string_equal(
			vmnet_broker_error(fixture->broker),
			"network \"lab\": the broker has ended the connection; try again, and "
			"with fewer connections at a time if there are many");
	}
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
			 VMNET_BROKER_XPC_FAILURE);
	assert_null(networks);
	assert_int_equal(n, 0);
}

static void test_the_broker_goes_in_the_middle(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(send(fixture->server, "{\"param", 7, 0), 7);
	hang_up(fixture);
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_XPC_FAILURE);
}

static void test_the_brokers_last_word(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, ERROR("LimitExceeded") "{\"limit\":\"connections_per_user\",\"value\":1024,"
					    "\"reason\":\"user 7 has 1024 connections\"}}");
	hang_up(fixture);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
			 VMNET_BROKER_INTERNAL_ERROR);
	assert_string_equal(vmnet_broker_error(fixture->broker),
			    "network \"lab\": user 7 has 1024 connections");
}

static void test_descriptors_that_nobody_asked_for(void **state)
{
	struct fixture *fixture = *state;
	size_t n_fds = count_fds();

	say_with_fds(fixture, "{}", 64);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
	assert_int_equal(count_fds(), n_fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_connect_fails),
		TEST(test_errors),
		cmocka_unit_test(test_no_varlink),
		TEST(test_a_reply_without_end),
		TEST(test_the_broker_goes),
		TEST(test_the_broker_goes_in_the_middle),
		TEST(test_the_brokers_last_word),
		TEST(test_descriptors_that_nobody_asked_for),
	};

	return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
