/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be set is named as whoever sets it by hand has to write it. */
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

#include "host/sysctl.h"

static void check_refusal(int family, const char *interface, int value, const char *reason)
{
	struct error error;

	assert_int_equal(sysctl_set(family, interface, "forwarding", value, &error), -ENOENT);
	assert_int_equal(error.code, ERROR_CREATE_FAILED);
	assert_string_equal(error.reason, reason);
}

static void test_names(void **state)
{
	(void)state;
	check_refusal(AF_INET, "nobody", 0,
		      "net.ipv4.conf.nobody.forwarding has to be 0, and cannot be set: "
		      "No such file or directory");
	check_refusal(AF_INET6, "nobody.5", 1,
		      "net.ipv6.conf.nobody/5.forwarding has to be 1, and cannot be set: "
		      "No such file or directory");
	check_refusal(AF_INET6, "vmb-nobody", 1,
		      "net.ipv6.conf.vmb-nobody.forwarding has to be 1, and cannot be set: "
		      "No such file or directory (a new interface has it from "
		      "net.ipv6.conf.default.forwarding)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
