/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of control groups, as systemd makes them. */
#include "tests/unit/test.h"

#include "host/socket_unit.h"

static void assert_unit(const char *path, const char *wanted)
{
	size_t length;
	const char *unit = socket_unit_in_path(path, &length);

	assert_non_null(unit);
	assert_int_equal(length, strlen(wanted));
	assert_memory_equal(unit, wanted, length);
}

static void assert_none(const char *path)
{
	size_t length;

	assert_null(socket_unit_in_path(path, &length));
}

static void test_units(void **state)
{
	(void)state;
	assert_unit("/system.slice/systemd-resolved.service", "systemd-resolved.service");
	assert_unit("/system.slice/system-unbound.slice/unbound@1.service", "unbound@1.service");
	assert_unit("/user.slice/user-0.slice/session-1.scope", "session-1.scope");
	assert_unit("/init.scope", "init.scope");
}

static void test_names_that_others_choose(void **state)
{
	(void)state;
	assert_unit("/user.slice/user-1000.slice/user@1000.service/app.slice/named.service",
		    "user@1000.service");
	assert_unit("/machine.slice/docker-1.scope/init.scope", "docker-1.scope");
}

static void test_no_unit(void **state)
{
	(void)state;
	assert_none("");
	assert_none("/");
	assert_none("/system.slice");
	assert_none("/docker/0123456789ab");
	assert_none("/.service");
	assert_none("/.scope/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_names_that_others_choose),
		cmocka_unit_test(test_no_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
