/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the kernel knows on a link: by ARP, and for IPv6 by neighbour discovery. */
#ifndef VMNET_HOST_NEIGHBOURS_H
#define VMNET_HOST_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct nlmsghdr;

struct neighbour {
	int family;
	union {
		struct in_addr ipv4;
		struct in6_addr ipv6;
	} address;
	struct mac_address mac;
};

/* Who says that a neighbour is there. */
enum neighbour_source {
	NEIGHBOUR_NOBODY, /* it is asked for, has not answered, has gone, or is no neighbour */
	NEIGHBOUR_KERNEL, /* itself, or whoever has written it for the kernel to look after */
	NEIGHBOUR_SETTING, /* an administrator, for as long as the link is there */
	NEIGHBOUR_ROUTING, /* a routing daemon, that has heard of it from elsewhere */
};

/*
 * What an RTM_NEWNEIGH or RTM_DELNEIGH message says, of a link's neighbour by IPv4 or IPv6.
 * neighbour: gets its family and address, also when nobody says that it is there; its MAC address,
 * when somebody does. link: gets the link's index.
 * Returns 0, or -1 when it is of anything else.
 */
int neighbour_parse(const struct nlmsghdr *message, struct neighbour *neighbour, int *link,
		    enum neighbour_source *source);

/*
 * Those of the link with this index that have answered, and those that an administrator has set:
 * not who is asked for, or has not answered. *list is the caller's to free. Returns 0, or a
 * negative errno.
 */
int neighbours_list(int link, struct neighbour **list, size_t *n);

/* Those of the link that a routing daemon has told of: they are on other hosts. The same. */
int neighbours_list_told(int link, struct neighbour **list, size_t *n);

/*
 * Has the kernel know one on the link with this index, whoever it was before, and look after it as
 * if it had been heard of. is_confirmed: just now, which keeps the kernel from forgetting it for a
 * while. Returns 0, or a negative errno.
 */
int neighbour_write(int link, const struct neighbour *neighbour, bool is_confirmed);

/* Has it forget one, of which family and address count. None is no error. Returns the same. */
int neighbour_forget(int link, const struct neighbour *neighbour);

#endif
