/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end on Linux, as the platform starts and stops it: the Varlink service on a Unix
 * socket, by which clients call the policy.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_VARLINK_H
#define VMNET_BROKER_LINUX_VARLINK_VARLINK_H

#include <stdbool.h>

/*
 * Serves clients on a listening socket, which is taken over (and made not to
 * block), and those that an earlier broker has left. Returns 0, or a negative
 * errno: then the socket is the caller's still.
 */
int varlink_start(int listen_fd);

/*
 * No client is accepted any more, and no call read: those that have come are
 * served (varlink_has_calls()), and the connections are the next broker's.
 */
void varlink_leave(void);
bool varlink_has_calls(void);

/* Closes the listening socket and every connection: all holds end, if not for varlink_leave(). */
void varlink_stop(void);

#endif
