/* SPDX-License-Identifier: Apache-2.0 */
/* The door on Linux: the Varlink service on a Unix socket. */
#ifndef VMNET_BROKER_VARLINK_H
#define VMNET_BROKER_VARLINK_H

/*
 * Serves clients on a listening socket, which is taken over (and made not to
 * block). Returns 0, or a negative errno: then the socket is the caller's still.
 */
int varlink_start(int listen_fd);

/* Closes the listening socket and every connection: all holds end. */
void varlink_stop(void);

/* What a client did wrong: a warning, or one of many that are only counted for a while. */
void varlink_log_client_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
