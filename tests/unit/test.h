/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes first: cmocka, and what cmocka wants before it. */
#ifndef VMNET_BROKER_TEST_H
#define VMNET_BROKER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
