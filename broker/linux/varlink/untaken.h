/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors on their way to clients, who need not take them: counted until they are taken. They
 * are sent by stream.h.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_UNTAKEN_H
#define VMNET_BROKER_LINUX_VARLINK_UNTAKEN_H

#include <stdbool.h>

#include "base/error.h"

struct connection;

/*
 * So many descriptors are going to be sent. Returns 0, or -1 with error when those that the
 * user's clients have not taken are too many.
 */
int connection_reserve_descriptors(struct connection *connection, unsigned int n,
				   struct error *error);

/*
 * Closes the connection's socket, at its end; or keeps it for as long as the client keeps its
 * own, with descriptors in it.
 */
void untaken_close_or_keep(struct connection *connection);

/* Closes those that have been taken meanwhile; or all, at the end. */
void untaken_close(bool all);

#endif
