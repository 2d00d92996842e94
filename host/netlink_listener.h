/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that hear what the kernel's netlink tells by itself. */
#ifndef VMNET_HOST_NETLINK_LISTENER_H
#define VMNET_HOST_NETLINK_LISTENER_H

#include <netlink/netlink.h>
#include <stdbool.h>

/*
 * Opens one that never waits, and belongs to no group yet: nl_socket_add_memberships() is the
 * caller's. protocol: NETLINK_ROUTE and the like. each: gets each message that is read.
 * *socket: nl_socket_free() ends it, also when this fails. Returns 0 or a negative code of libnl's:
 * those of netlink_connect(), or what nl_socket_set_nonblocking() fails with.
 */
int netlink_listener_open(struct nl_sock **socket, int protocol, nl_recvmsg_msg_cb_t each);

/*
 * Reads a few messages, so that others of the loop have their turns in between; or, when there
 * were more than the socket holds, *lost is true, and all that is left has been read: before
 * that the kernel adds none, and to look at what they were about would be too early.
 * Returns 0, -NLE_AGAIN when there is nothing left, or another negative code of libnl's.
 */
int netlink_listener_read(struct nl_sock *socket, bool *lost);

#endif
