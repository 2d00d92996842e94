/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy of captures: who may see a machine's frames, and how many such devices there may be.
 * Those are made below, in broker/linux/network/capture.c, and only on systems where the broker
 * makes interfaces (interface.h). A capture ends when its device does, by itself, and with the
 * machine's.
 */
#ifndef VMNET_BROKER_CAPTURE_H
#define VMNET_BROKER_CAPTURE_H

#include "broker.h"

struct interface_fds;

struct capture {
	struct capture *next;
	struct broker *broker;
	struct client *client; /* who waits for it, or NULL */
	uid_t owner; /* who captures */
	struct usage *usage; /* its account's (user_limits.h) */
	void *platform;
};

/*
 * Captures the machine whose device this is, for its own user or root. The answer is one call of
 * platform_captured(), from within this call or later, under the same rule as broker_acquire().
 */
void broker_capture(struct client *client, const char *network, const char *device);

/* Nobody waits any more for what this client has asked for. Before broker_client_gone(). */
void broker_captures_release(const struct client *client);

/* Called by the platform, never from within its own functions. */

/* The answer to platform_capture_start(): error is NULL, or capture is freed. fds is taken over. */
void broker_capture_started(struct capture *capture, struct interface_fds *fds,
			    const struct error *error);

/* The device is gone; capture is freed. */
void broker_capture_ended(struct capture *capture);

/* One that goes on from an earlier broker. Returns it, or NULL when memory is short. */
struct capture *broker_capture_adopt(struct broker *broker, uid_t owner);

#endif
