/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a client's socket, in which descriptors may lie that nobody has
 * asked for. To close the last one of a descriptor takes as long as its owner
 * likes, such as a connection of TCP that lingers: nobody else waits for that.
 */
#ifndef VMNET_BROKER_DISPOSAL_H
#define VMNET_BROKER_DISPOSAL_H

#include <stdbool.h>
#include <sys/types.h>

#define DISPOSAL_NOBODY ((uid_t)-1) /* who it is cannot be told */

/*
 * Shuts a socket down and closes it. Never blocks.
 *
 * fd: taken over.
 * uid: whose it is, or DISPOSAL_NOBODY.
 */
void disposal_close(int fd, uid_t uid);

/* Sockets of the user are still being closed. */
bool disposal_is_pending(uid_t uid);

#endif
