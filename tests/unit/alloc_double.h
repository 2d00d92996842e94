/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs short when a test says so: one allocation fails, and those
 * after it succeed again. Needs the program to be linked with alloc_double_args
 * (tests/unit/meson.build).
 */
#ifndef VMNET_BROKER_ALLOC_DOUBLE_H
#define VMNET_BROKER_ALLOC_DOUBLE_H

#include <stdbool.h>

/*
 * From now on the n-th allocation fails, counted from 1; 0: none does.
 * jansson's count once json_text.h has been used.
 */
void alloc_double_fail(unsigned int n);

/* Has it failed? */
bool alloc_double_failed(void);

#endif
