/* SPDX-License-Identifier: Apache-2.0 */
/* What those are told who monitor, and those who do not read it. */
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"
#include "tests/unit/varlink_client.h"

static void test_monitor(void **state)
{
	struct peer monitor = peer_connect();
	struct peer peer = peer_connect();
	const int uid = geteuid() == 0 ? OUTSIDER : (int)geteuid();
	char expected[512];

	(void)state;
	say(&monitor, MONITOR);
	say(&monitor, GET_INFO);
	assert_silent(&monitor);
	say(&peer, ACQUIRE);
	assert_says(&monitor, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
			      "\"network_created\",\"network\":\"lab\"}}}");
	snprintf(expected, sizeof(expected),
		 "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"client_acquired\","
		 "\"network\":\"lab\",\"client\":{\"pid\":%d,\"uid\":%d,\"command\":"
		 "\"test_varlink\"}}}}",
		 (int)getpid(), uid);
	assert_says(&monitor, expected);
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\"}}");
	snprintf(expected, sizeof(expected),
		 "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"interface_attached\","
		 "\"network\":\"lab\",\"interface\":" INTERFACE("06:07:07:07:07:07") INTERFACE_END
		 "}}}",
		 uid);
	assert_says(&monitor, expected);
	broker_network_fault(linux_platform.broker->networks, FAULT_NETWORK, "it rains");
	assert_says(&monitor, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
			      "\"network_faulted\",\"network\":\"lab\",\"fault\":\"it rains\"}}}");
	broker_network_fault(linux_platform.broker->networks, FAULT_NETWORK, NULL);
	assert_says(&monitor, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
			      "\"network_mended\",\"network\":\"lab\"}}}");
	assert_silent(&monitor);
	peer_close(&monitor);
	fake_linux_run();
	peer_close(&peer);
}

static void assert_whole(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	json_decref(json);
}

static void test_a_monitor_that_does_not_read(void **state)
{
	struct peer slow = peer_connect();
	struct peer peer = peer_connect();
	char *last;
	char *text;

	(void)state;
	say(&slow, MONITOR);
	fake_linux_run();
	while (!strstr(log_double_text(), "is disconnected: it does not read its events")) {
		say(&peer, ACQUIRE);
		say(&peer, RELEASE);
		fake_linux_run();
		free(take(&peer));
		free(take(&peer));
		if (strlen(log_double_text()) > 32768)
			log_double_clear();
	}
	/* Nothing but whole messages came before the last one. */
	last = take(&slow);
	assert_whole(last);
	while ((text = take(&slow))) {
		assert_whole(text);
		free(last);
		last = text;
	}
	assert_non_null(strstr(last, "\"unread_event_bytes\",\"value\":262144,"));
	free(last);
	assert_disconnected(&slow);
	say(&peer, ACQUIRE);
	fake_linux_run();
	text = take(&peer);
	assert_non_null(text);
	free(text);
	peer_close(&slow);
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_monitor),
		TEST(test_a_monitor_that_does_not_read),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
