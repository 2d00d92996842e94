/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as text: whole, however long it is. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"

#define LONGEST 5000

static void test_lengths(void **state)
{
	char letters[LONGEST + 1];

	(void)state;
	memset(letters, 'x', LONGEST);
	letters[LONGEST] = '\0';
	for (size_t length = 0; length <= LONGEST; length++) {
		json_t *value = json_pack("[s%]", letters, length);
		char *text = json_text_dump(value, JSON_COMPACT);

		assert_int_equal(strlen(text), length + strlen("[\"\"]"));
		assert_memory_equal(text, "[\"", 2);
		assert_memory_equal(text + 2, letters, length);
		assert_string_equal(text + 2 + length, "\"]");
		free(text);
		json_decref(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
