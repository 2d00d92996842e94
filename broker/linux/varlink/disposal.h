/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a client's socket, in which descriptors may lie that nobody has asked for. To close
 * the last one of a descriptor takes as long as its owner likes, such as a connection of TCP that
 * lingers: nobody else waits for that.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_DISPOSAL_H
#define VMNET_BROKER_LINUX_VARLINK_DISPOSAL_H

#include <stdbool.h>
#include <sys/types.h>

#define DISPOSAL_NOBODY ((uid_t)-1) /* who it is cannot be told */

/*
 * Shuts a socket down and closes it. Never blocks.
 *
 * fd: taken over; stream_refuse_fds() knows it.
 * uid: whose it is, or DISPOSAL_NOBODY.
 */
void disposal_close(int fd, uid_t uid);

/*
 * Closes one, or a listening socket, that others may have a copy of and go on with: it is not
 * shut down. Never blocks; the end of the process does what is not done by then.
 */
void disposal_leave(int fd);

/* Sockets of the user are still being closed. */
bool disposal_is_pending(uid_t uid);

#endif
