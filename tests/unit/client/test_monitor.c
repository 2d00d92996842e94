/* SPDX-License-Identifier: Apache-2.0 */
/* Events, and what ends the wait for one. */
#include "tests/unit/test.h"

#include <signal.h>
#include <sys/time.h>

#include "tests/unit/client/fixture.h"

static void on_alarm(int number)
{
	(void)number;
}

static void test_monitor(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;
	struct vmnet_broker_network **networks;
	size_t n;

	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event),
			 VMNET_BROKER_INVALID_REQUEST);
	say(fixture, "{\"parameters\":{\"vendor\":\"vmnet-broker\"}}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\n"
		     "{\"method\":\"com.github.nirs.vmnetbroker.Monitor\",\"parameters\":{},"
		     "\"more\":true}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_asked_nothing(fixture);

	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 10, &event),
			 VMNET_BROKER_SUCCESS);
	assert_null(event);

	say(fixture, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"network_created\","
		     "\"network\":\"lab\"}}}");
	say(fixture,
	    "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"of_tomorrow\","
	    "\"network\":\"lab\",\"client\":{\"pid\":7,\"uid\":8,\"command\":\"qemu\"}}}}");
	say(fixture, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
		     "\"interface_attached\",\"network\":\"lab\",\"interface\":" INTERFACE_TEXT
		     ",\"client\":null}}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_NETWORK_CREATED);
	assert_string_equal(event->network, "lab");
	assert_null(event->client);
	vmnet_broker_event_free(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_EVENT_UNKNOWN);
	assert_int_equal(event->client->uid, 8);
	vmnet_broker_event_free(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_string_equal(event->interface->device, "vmt0");
	vmnet_broker_event_free(event);
}

static void test_a_signal_ends_the_wait_for_an_event(void **state)
{
	struct fixture *fixture = *state;
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	struct vmnet_broker_event *event;

	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_null(event);
	soon = (struct itimerval){ 0 };
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
}

static void test_monitoring_ends(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;

	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_INVALID_REPLY);
	say(fixture, ERROR("LimitExceeded") "{\"limit\":\"unread_event_bytes\",\"value\":1,"
					    "\"reason\":\"too slow\"}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_INTERNAL_ERROR);
	assert_string_equal(vmnet_broker_error(fixture->broker), "too slow");
	hang_up(fixture);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_XPC_FAILURE);
	assert_null(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_monitor),
		TEST(test_a_signal_ends_the_wait_for_an_event),
		TEST(test_monitoring_ends),
	};

	return cmocka_run_group_tests_name("monitor", tests, NULL, NULL);
}
