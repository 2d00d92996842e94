/* SPDX-License-Identifier: Apache-2.0 */
/* The door on Linux: the Varlink service on a Unix socket. */
#ifndef VMNET_BROKER_VARLINK_H
#define VMNET_BROKER_VARLINK_H

/* Serves clients on a listening socket, which is taken over. Returns 0 or a negative errno. */
int varlink_start(int listen_fd);

/* Closes the listening socket and every connection: all holds end. */
void varlink_stop(void);

#endif
