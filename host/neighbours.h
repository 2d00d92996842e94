/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the kernel knows on a link: by ARP, and for IPv6 by neighbour discovery. */
#ifndef VMNET_HOST_NEIGHBOURS_H
#define VMNET_HOST_NEIGHBOURS_H

#include <stddef.h>

#include "base/address.h"

struct neighbour {
	int family;
	union {
		struct in_addr ipv4;
		struct in6_addr ipv6;
	} address;
	struct mac_address mac;
};

/*
 * Those of the link with this index that have answered, and those that an administrator has set:
 * not who is asked for, or has not answered. *list is the caller's to free. Returns 0, or a
 * negative errno.
 */
int neighbours_list(int link, struct neighbour **list, size_t *n);

#endif
