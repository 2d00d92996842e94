/* SPDX-License-Identifier: Apache-2.0 */
/* Names of networks and of network interfaces: what fits, and what a network may be called. */
#ifndef VMNET_BROKER_NAME_H
#define VMNET_BROKER_NAME_H

#include <stdbool.h>

#define NETWORK_NAME_MAX 63
#define INTERFACE_NAME_SIZE 16 /* with the terminator */

/* 1 to 63 of a-z A-Z 0-9 . _ -, the first a letter or digit. */
bool network_name_is_valid(const char *name);

#endif
