/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes first: cmocka, and what cmocka wants before it. */
#ifndef VMNET_BROKER_TEST_H
#define VMNET_BROKER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"

/* What cmocka 2 calls it. */
#ifdef assert_int_in_range
#undef assert_in_range
#define assert_in_range assert_int_in_range
#endif

/* One that the file's setup() and teardown() go around. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/*
 * For a test of the limit on descriptors, to leave out: valgrind has some of
 * its own. (cmocka's TAP counts a test that skips itself as failed.)
 */
static inline bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "valgrind");
}

#endif
