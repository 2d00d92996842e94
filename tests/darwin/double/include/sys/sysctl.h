/* SPDX-License-Identifier: Apache-2.0 */
/* The part of macOS's <sys/sysctl.h>, and of its <sys/socket.h>, that the project uses. */
#ifndef TESTS_DARWIN_SYSCTL_H
#define TESTS_DARWIN_SYSCTL_H

#include <stddef.h>
#include <sys/types.h>

#define CTL_NET 4
#define NET_RT_DUMP 1

int sysctl(int *name, u_int length, void *old, size_t *old_size, void *new, size_t new_size);

#endif
