/* SPDX-License-Identifier: Apache-2.0 */
/* The part of macOS's libproc.h that the project calls. */
#ifndef TESTS_DARWIN_LIBPROC_H
#define TESTS_DARWIN_LIBPROC_H

#include <stdint.h>

/* The name of a process. Returns its length, or 0. */
int proc_name(int pid, void *buffer, uint32_t size);

#endif
