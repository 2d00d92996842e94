/* SPDX-License-Identifier: Apache-2.0 */
/* What was meant by a misspelt word, and what is no word at all. */
#include "tests/unit/test.h"

#include <string.h>

#include "base/nearest.h"

static const char *const words[] = { "networks", "run", "reload", "dhcp_reservations" };

static const char *nearest(const char *misspelt)
{
	return nearest_word(misspelt, words, ARRAY_SIZE(words));
}

static void test_near(void **state)
{
	(void)state;
	assert_string_equal(nearest("network"), "networks");
	assert_string_equal(nearest("netwroks"), "networks");
	assert_string_equal(nearest("rn"), "run");
	assert_string_equal(nearest("RELOAD"), "reload");
	assert_string_equal(nearest("reservations"), "dhcp_reservations");
}

static void test_far(void **state)
{
	char longest[200];

	(void)state;
	assert_null(nearest("status"));
	assert_null(nearest_word("run", words, 0));
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(nearest(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
