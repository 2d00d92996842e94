/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that hear what the kernel's netlink tells by itself. */
#ifndef VMNET_HOST_NETLINK_LISTENER_H
#define VMNET_HOST_NETLINK_LISTENER_H

#include <netlink/netlink.h>
#include <stdbool.h>

/* Gets a message that was read. */
typedef void netlink_listener_function(const struct nlmsghdr *message);

/*
 * Opens one that belongs to no group yet: nl_socket_add_memberships() is the caller's.
 * protocol: NETLINK_ROUTE and the like. *socket: nl_socket_free() ends it, also when this fails.
 * Returns 0 or a negative code of libnl's: those of netlink_connect().
 */
int netlink_listener_open(struct nl_sock **socket, int protocol);

/*
 * Reads a few messages, never waiting, so that others of the loop have their turns in between; or,
 * when there were more than the socket holds, *lost is true, and all that is left has been read:
 * before that the kernel adds none, and to look at what they were about would be too early.
 * each: gets each message that is read. On the policy's thread alone.
 * Returns 0, -EAGAIN when there is nothing left, or another negative errno.
 */
int netlink_listener_read(const struct nl_sock *socket, netlink_listener_function *each,
			  bool *lost);

#endif
