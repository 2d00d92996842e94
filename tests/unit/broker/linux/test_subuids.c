/* SPDX-License-Identifier: Apache-2.0 */
/* Whom ids are charged to, as the file has it, and whatever is in it. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "broker/linux/subuids.h"
#include "broker/platform.h"
#include "tests/unit/log_double.h"

static int setup(void **state)
{
	(void)state;
	log_double_clear();
	subuids_load("/nonexistent/subuid");
	return 0;
}

static void read_text(const char *text)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");

	assert_non_null(file);
	subuids_read(file, "FILE");
	assert_int_equal(fclose(file), 0);
}

/* The ids of an owner are one user, on however many lines. */
static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(platform_account(100000), 100000);
	read_text("alice:231072:65536\n"
		  "bob:165536:65536\n"
		  "alice:100000:65536\n"
		  "1000:4294901759:65536");
	assert_int_equal(platform_account(99999), 99999);
	assert_int_equal(platform_account(100000), 100000);
	assert_int_equal(platform_account(165535), 100000);
	assert_int_equal(platform_account(165536), 165536);
	assert_int_equal(platform_account(231071), 165536);
	assert_int_equal(platform_account(231072), 100000);
	assert_int_equal(platform_account(296607), 100000);
	assert_int_equal(platform_account(296608), 296608);
	assert_int_equal(platform_account(4294967294), 4294901759);
	assert_string_equal(log_double_text(), "");
}

/* Those of the host's own users are not somebody's, as root's lines have them for containers. */
static void test_accounts_are_themselves(void **state)
{
	(void)state;
	read_text("root:1000:1\nroot:0:65537\nroot:1000000:1000000\n");
	assert_int_equal(platform_account(0), 0);
	assert_int_equal(platform_account(1000), 1000);
	assert_int_equal(platform_account(65535), 65535);
	assert_int_equal(platform_account(65536), 65536);
	assert_int_equal(platform_account(1999999), 65536);
}

static void test_the_file_is_read_anew(void **state)
{
	(void)state;
	read_text("alice:100000:65536\n");
	assert_int_equal(platform_account(100001), 100000);
	read_text("# nobody\n\n");
	assert_int_equal(platform_account(100001), 100001);
	read_text("alice:100000:65536\n");
	subuids_load("/nonexistent/subuid");
	assert_int_equal(platform_account(100001), 100001);
	assert_string_equal(log_double_text(), "");
	/* What cannot be read changes nothing. */
	read_text("alice:100000:65536\n");
	subuids_load("/");
	assert_int_equal(platform_account(100001), 100000);
	assert_non_null(strstr(log_double_text(), "/ cannot be read: what it had before"));
}

static void test_damage(void **state)
{
	static const char *const lines[] = {
		"alice",
		"alice:100000",
		":100000:1",
		"alice:100000:0",
		"alice::1",
		"alice:100000:",
		"alice:-1:10",
		"alice:+100000:10",
		"alice:100000:0x10",
		"alice: 100000:10",
		"alice:100000:4294967295",
		"alice:100000:18446744073709551615",
		"alice:100000:1:1",
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		log_double_clear();
		(void)snprintf(text, sizeof(text), "%s\nbob:200000:10\n", lines[i]);
		read_text(text);
		assert_int_equal(platform_account(100001), 100001);
		assert_int_equal(platform_account(200009), 200000);
		assert_non_null(strstr(log_double_text(), "FILE:1: is not \"OWNER:FIRST:COUNT\""));
	}
}

static void test_many_lines(void **state)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	assert_non_null(file);
	for (unsigned int i = 0; i <= SUBUIDS_MAX; i++)
		assert_true(fprintf(file, "user%u:%u:10\n", i, 100000 + 10 * i) > 0);
	assert_int_equal(fclose(file), 0);
	read_text(text);
	free(text);
	assert_int_equal(platform_account(100000 + 10 * SUBUIDS_MAX - 1),
			 100000 + 10 * (SUBUIDS_MAX - 1));
	assert_int_equal(platform_account(100000 + 10 * SUBUIDS_MAX + 1),
			 100000 + 10 * SUBUIDS_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_ranges, setup),
		cmocka_unit_test_setup(test_accounts_are_themselves, setup),
		cmocka_unit_test_setup(test_the_file_is_read_anew, setup),
		cmocka_unit_test_setup(test_damage, setup),
		cmocka_unit_test_setup(test_many_lines, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
