/* SPDX-License-Identifier: Apache-2.0 */
/* What a network may be called. */
#include "tests/unit/test.h"

#include "base/name.h"

static void test_names(void **state)
{
	static const char *const good[] = {
		"a",
		"0",
		"a.b_c-D",
		"a23456789a123456789a123456789a123456789a123456789a123456789a123",
	};
	static const char *const bad[] = {
		"",    ".",	"..",
		"-a",  "_a",	".a",
		"a/b", "a b",	"a\n",
		"a\"", "a\x7f", "a\xc3\xa4",
		"a%d", "a$(b",	"a23456789a123456789a123456789a123456789a123456789a123456789a1234",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(network_name_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(network_name_is_valid(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
