/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal: what is shown, what is escaped, how wide it is. */
#include "tests/unit/test.h"

#include <locale.h>
#include <stdio.h>

#include "vmnetctl/text.h"

static void assert_written(const char *text, const char *keep, const char *expected, size_t width)
{
	char written[256] = "";
	FILE *stream = fmemopen(written, sizeof(written), "w");

	assert_non_null(stream);
	assert_int_equal(text_write(stream, text, keep), width);
	assert_int_equal(fclose(stream), 0);
	assert_string_equal(written, expected);
	assert_int_equal(text_write(NULL, text, keep), width);
}

static void test_plain(void **state)
{
	(void)state;
	assert_written("", "", "", 0);
	assert_written("network \"lab\"", "", "network \"lab\"", 13);
	assert_written("\xc3\xa9t\xc3\xa9", "", "\xc3\xa9t\xc3\xa9", 3);
	assert_written("\xe7\xb6\xb2", "", "\xe7\xb6\xb2", 2);
}

static void test_controls_are_escaped(void **state)
{
	(void)state;
	assert_written("\033[2Jhi", "", "\\x1b[2Jhi", 9);
	assert_written("a\nb\tc", "", "a\\x0ab\\x09c", 11);
	assert_written("\x7f", "", "\\x7f", 4);
	/* U+009B is a control sequence of its own. */
	assert_written("\xc2\x9b", "", "\\xc2\\x9b", 8);
	/* U+202E turns the rest of the line around. */
	assert_written("\xe2\x80\xae", "", "\\xe2\\x80\\xae", 12);
}

static void test_what_is_no_text_is_escaped(void **state)
{
	(void)state;
	assert_written("a\xff", "", "a\\xff", 5);
	/* The beginning of a character, and no more. */
	assert_written("\xe7\xb6", "", "\\xe7\\xb6", 8);
}

static void test_kept(void **state)
{
	(void)state;
	assert_written("a\n\tb\r", "\n\t", "a\n\tb\\x0d", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_controls_are_escaped),
		cmocka_unit_test(test_what_is_no_text_is_escaped),
		cmocka_unit_test(test_kept),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
