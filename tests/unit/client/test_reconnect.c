/* SPDX-License-Identifier: Apache-2.0 */
/* The next broker: what it is asked for again, and by whom. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/client/fixture.h"

/* The next broker: a thread, for its replies are waited for in the same call that connects. */
struct next_broker {
	pthread_t thread;
	int listener;
	int server;
	const char *const *replies; /* one for each call; ended by NULL */
	unsigned int deaths; /* so many die of the first call, before this one answers */
	char asked[2048];
};

#define ACQUIRED "{\"parameters\":" NETWORK_TEXT "}"
#define ASKED_ACQUIRE(name)                                                                       \
	"{\"method\":\"com.github.nirs.vmnetbroker.Acquire\",\"parameters\":{\"network\":\"" name \
	"\"}}\n"
#define ASKED_INFO "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\n"

/* Adds a call to what was asked. */
static bool read_call(struct next_broker *next)
{
	size_t length = strlen(next->asked);

	do {
		if (recv(next->server, next->asked + length, 1, 0) != 1)
			return false;
	} while (next->asked[length++] != '\0');
	next->asked[length - 1] = '\n';
	return true;
}

static void *serve_next(void *userdata)
{
	struct next_broker *next = userdata;

	for (; next->deaths > 0; next->deaths--) {
		next->server = accept4(next->listener, NULL, NULL, SOCK_CLOEXEC);
		if (!read_call(next))
			return NULL;
		close(next->server);
		next->server = -1;
	}
	if (!next->replies)
		return NULL;
	next->server = accept4(next->listener, NULL, NULL, SOCK_CLOEXEC);
	for (const char *const *reply = next->replies; *reply; reply++) {
		if (!read_call(next) ||
		    send(next->server, *reply, strlen(*reply) + 1, MSG_NOSIGNAL) < 0)
			return NULL;
	}
	return NULL;
}

/* The broker dies, and the next one answers so, after others that have died, too. */
static void replace_broker_after(struct fixture *fixture, struct next_broker *next,
				 unsigned int deaths, const char *const *replies)
{
	*next = (struct next_broker){
		.listener = fixture->listener, .server = -1, .replies = replies, .deaths = deaths
	};
	hang_up(fixture);
	assert_int_equal(pthread_create(&next->thread, NULL, serve_next, next), 0);
}

static void replace_broker(struct fixture *fixture, struct next_broker *next,
			   const char *const *replies)
{
	replace_broker_after(fixture, next, 0, replies);
}

/* The next broker is the fixture's from now on. */
static void assert_next_asked(struct fixture *fixture, struct next_broker *next,
			      const char *expected)
{
	assert_int_equal(pthread_join(next->thread, NULL), 0);
	assert_string_equal(next->asked, expected);
	fixture->server = next->server;
}

static void acquire_lab(struct fixture *fixture)
{
	vmnet_broker_set_reconnect(fixture->broker, true);
	say(fixture, ACQUIRED);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
}

static void test_reconnect_acquires_again(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{\"parameters\":{}}", NULL };
	struct fixture *fixture = *state;
	struct vmnet_broker_network **networks;
	struct next_broker next;
	int fd = vmnet_broker_fd(fixture->broker);
	size_t n;

	acquire_lab(fixture);
	for (unsigned int times = 1; times <= 2; times++) {
		replace_broker(fixture, &next, replies);
		assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
				 VMNET_BROKER_SUCCESS);
		vmnet_broker_networks_free(networks, n);
		assert_next_asked(
			fixture, &next,
			ASKED_ACQUIRE("lab") "{\"method\":\"com.github.nirs.vmnetbroker."
					     "ListNetworks\",\"parameters\":{},\"more\":true}\n");
		assert_int_equal(vmnet_broker_reconnects(fixture->broker), times);
		assert_int_equal(vmnet_broker_fd(fixture->broker), fd);
	}
}

static void test_reconnect_outlives_several_brokers(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker_after(fixture, &next, 3, replies);
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab")
				  ASKED_ACQUIRE("lab") ASKED_INFO);
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 1);
}

static void test_reconnect_gives_a_call_up_that_brokers_die_of(void **state)
{
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker_after(fixture, &next, 4, NULL);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "other", NULL),
			 VMNET_BROKER_XPC_FAILURE);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab")
				  ASKED_ACQUIRE("lab"));
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
}

static char path[sizeof(((struct fixture *)NULL)->path)], away[sizeof(path) + 1];

static void bring_back(int number)
{
	(void)number;
	(void)rename(away, path);
}

static void test_reconnect_goes_on_after_a_signal(void **state)
{
	static const char *const replies[] = { ACQUIRED, ACQUIRED, NULL };
	const struct sigaction action = { .sa_handler = bring_back };
	const struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	(void)snprintf(path, sizeof(path), "%s", fixture->path);
	(void)snprintf(away, sizeof(away), "%s-", path);
	assert_int_equal(rename(path, away), 0);
	replace_broker(fixture, &next, replies);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "other", NULL),
			 VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("lab") ASKED_ACQUIRE("other"));
}

static void test_reconnect_is_off_at_first(void **state)
{
	struct fixture *fixture = *state;

	hang_up(fixture);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
			 VMNET_BROKER_XPC_FAILURE);
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
}

static void test_reconnect_does_not_acquire_what_was_released(void **state)
{
	static const char *const replies[] = { ACQUIRED, NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	/* By an alias: what it stands for is asked for. */
	acquire_lab(fixture);
	say(fixture, "{}");
	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
	assert_int_equal(vmnet_broker_release(fixture->broker, "alias"), VMNET_BROKER_SUCCESS);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "other", NULL),
			 VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("other"));
}

static void test_reconnect_that_is_refused_is_tried_again(void **state)
{
	static const char *const refusal[] = { ERROR("NetworkNotFound") "{\"network\":\"lab\"}}",
					       NULL };
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker(fixture, &next, refusal);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_NOT_FOUND);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("lab"));
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") "{\"method\":\"com.github.nirs.vmnetbroker."
					       "Release\",\"parameters\":{\"network\":\"lab\"}}\n");
}

static void test_reconnect_of_a_monitor_is_an_event(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;
	struct next_broker next;

	acquire_lab(fixture);
	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	/* For as long as there is none, no event comes. */
	hang_up(fixture);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
	close(fixture->listener);
	fixture->listener = listen_at(fixture->path);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_RECONNECTED);
	assert_string_equal(event->network, "");
	vmnet_broker_event_free(event);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("lab") ASKED_INFO);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reconnect_acquires_again),
		TEST(test_reconnect_outlives_several_brokers),
		TEST(test_reconnect_gives_a_call_up_that_brokers_die_of),
		TEST(test_reconnect_goes_on_after_a_signal),
		TEST(test_reconnect_is_off_at_first),
		TEST(test_reconnect_does_not_acquire_what_was_released),
		TEST(test_reconnect_that_is_refused_is_tried_again),
		TEST(test_reconnect_of_a_monitor_is_an_event),
	};

	return cmocka_run_group_tests_name("reconnect", tests, NULL, NULL);
}
