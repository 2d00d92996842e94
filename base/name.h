/* SPDX-License-Identifier: Apache-2.0 */
/* Names of networks, interfaces and machines: what fits, and what they may be called. */
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

#define DNS_LABEL_MAX 63

/* A machine's name: 1 to 63 of a-z A-Z 0-9 -, the first and the last no -. */
static inline bool dns_label_is_valid(const char *name)
{
	size_t length = strspn(name, ALNUM "-");

	return name[length] == '\0' && length >= 1 && length <= DNS_LABEL_MAX && name[0] != '-' &&
	       name[length - 1] != '-';
}

#endif
