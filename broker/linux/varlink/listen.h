/* SPDX-License-Identifier: Apache-2.0 */
/* Where clients connect: systemd's socket, or one of the broker's own. Accepting is varlink.c's. */
#ifndef VMNET_BROKER_LINUX_VARLINK_LISTEN_H
#define VMNET_BROKER_LINUX_VARLINK_LISTEN_H

#include <stdbool.h>

#include "broker/platform.h"

struct listener {
	int fd;
	bool on_demand; /* systemd's: it listens on when the broker has gone */
};

/*
 * Gets the listening socket, and takes the connections that an earlier broker
 * left (fdstore_take()). With on_demand false listener_remove() is to be
 * called at the end. Returns 0, or -1 after logging why.
 */
int listener_open(const struct options *options, struct listener *listener);

/* Removes the socket from the file system, when the broker made it; closes nothing. */
void listener_remove(const struct options *options, const struct listener *listener);

#endif
