/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of forwarding databases: which MAC addresses are behind which port of a bridge, and to
 * which other host a VXLAN device sends them. Below stands netlink_socket.h.
 */
#ifndef VMNET_HOST_FDB_H
#define VMNET_HOST_FDB_H

#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct fdb_entry {
	int link; /* a port of a bridge, or a VXLAN device */
	struct mac_address mac; /* all zero: what is for everybody, or for nobody known */
	bool is_sticky; /* of a bridge: not to be learned to be elsewhere */
	int family; /* of the host's address: AF_INET or AF_INET6; AF_UNSPEC: it is a bridge's */
	union {
		struct in_addr ipv4;
		struct in6_addr ipv6;
	} host;
	uint32_t vni; /* that the host is sent; 0: the device's own */
};

/*
 * The entries of the VXLAN device with this index; more than one of a MAC address that is sent to
 * several hosts. *list is the caller's to free. Returns 0, or a negative errno.
 */
int fdb_list(int link, struct fdb_entry **list, size_t *n);

/*
 * Requests for netlink_request(), NULL when memory is short. To add one that is there already is
 * no error; to remove one that is not is -ENOENT.
 */
struct nl_msg *fdb_add_message(const struct fdb_entry *entry);
struct nl_msg *fdb_remove_message(const struct fdb_entry *entry);

/*
 * Has a MAC address behind a port of a bridge, unless it has a place already, here or on another
 * host. Returns 0, also then, or a negative errno.
 */
int fdb_claim(int link, const struct mac_address *mac);

/*
 * Has the kernel tell all who listen once more that a MAC address is behind a port of a bridge, if
 * it is. Returns 0, also when it is not, or a negative errno.
 */
int fdb_tell_again(int link, const struct mac_address *mac);

/* Whether an entry of a VXLAN device is of what is for everybody, or for nobody known. */
bool fdb_is_flood(const struct fdb_entry *entry);

/*
 * Reads an RTM_NEWNEIGH or RTM_DELNEIGH. What is not there of an address is 0. Returns 0, or
 * -EPROTO when it is no such entry.
 */
int fdb_parse(const struct nlmsghdr *message, struct fdb_entry *entry);

#endif
