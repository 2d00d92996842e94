/* SPDX-License-Identifier: Apache-2.0 */
/* Names of networks and of network interfaces: what fits, and what a network may be called. */
#ifndef VMNET_BASE_NAME_H
#define VMNET_BASE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define NETWORK_NAME_MAX 63
#define INTERFACE_NAME_SIZE 16 /* with the terminator */

/* 1 to 63 of a-z A-Z 0-9 . _ -, the first a letter or digit. NULL is no name. */
static inline bool network_name_is_valid(const char *name)
{
	size_t length = name ? strspn(name, ALNUM "._-") : 0;

	return length >= 1 && length <= NETWORK_NAME_MAX && name[length] == '\0' &&
	       strchr("._-", name[0]) == NULL;
}

#endif
