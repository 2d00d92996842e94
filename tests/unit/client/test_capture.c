/* SPDX-License-Identifier: Apache-2.0 */
/* Captures and ends: what is asked for, what comes, and the last word of a broker. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/client/fixture.h"

#define METHOD(name) "{\"method\":\"com.github.nirs.vmnetbroker." name "\",\"parameters\":"
#define ENDED                                                                                   \
	"{\"error\":\"com.github.nirs.vmnetbroker.Ended\",\"parameters\":{\"network\":\"lab\"," \
	"\"reason\":\"network \\\"lab\\\" was ended by user 0\"}}"

static void test_capture(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	say_with_fds(fixture, "{\"parameters\":{\"tapFileDescriptor\":0}}", 1);
	assert_int_equal(vmnet_broker_capture(fixture->broker, "lab", "vmt0", &fd),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture, METHOD("Capture") "{\"network\":\"lab\",\"device\":\"vmt0\"}}");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void test_captures_of_another_shape(void **state)
{
	static const struct {
		const char *reply;
		size_t n_fds;
	} replies[] = {
		{ "{\"parameters\":{\"tapFileDescriptor\":0}}", 0 },
		{ "{\"parameters\":{\"tapFileDescriptor\":0}}", 2 },
		{ "{\"parameters\":{\"tapFileDescriptor\":1}}", 1 },
		{ "{\"parameters\":{\"tapFileDescriptor\":null}}", 1 },
		{ "{}", 1 },
	};
	struct fixture *fixture = *state;
	size_t n_fds = count_fds();
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		say_with_fds(fixture, replies[i].reply, replies[i].n_fds);
		assert_int_equal(vmnet_broker_capture(fixture->broker, "lab", "vmt0", &fd),
				 VMNET_BROKER_INVALID_REPLY);
		assert_int_equal(fd, -1);
		assert_int_equal(count_fds(), n_fds);
	}
}

static void test_end(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	say(fixture, "{}");
	say(fixture, "{}");
	assert_int_equal(vmnet_broker_end(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
	assert_int_equal(vmnet_broker_end(fixture->broker, "lab", "vmt0"), VMNET_BROKER_SUCCESS);
	assert_asked(fixture, METHOD("End") "{\"network\":\"lab\"}}\n" METHOD(
				      "End") "{\"network\":\"lab\",\"device\":\"vmt0\"}}");
	assert_int_equal(vmnet_broker_end(fixture->broker, "lab", ""),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_int_equal(vmnet_broker_capture(fixture->broker, "lab", "a-name-of-sixteen", &fd),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_string_equal(vmnet_broker_error(fixture->broker),
			    "network \"lab\": \"a-name-of-sixteen\" is no name of a device");
	assert_asked_nothing(fixture);
}

/* What it was told is the answer to whatever it asks next, and nothing is acquired again. */
static void test_the_last_word(void **state)
{
	struct fixture *fixture = *state;

	vmnet_broker_set_reconnect(fixture->broker, true);
	say(fixture, "{\"parameters\":" NETWORK_TEXT "}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
	say(fixture, ENDED);
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_ENDED);
	assert_string_equal(vmnet_broker_error(fixture->broker),
			    "network \"lab\" was ended by user 0");
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
	assert_ended_by_library(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_captures_of_another_shape, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_word, setup, teardown),
	};

	return cmocka_run_group_tests_name("capture", tests, NULL, NULL);
}
