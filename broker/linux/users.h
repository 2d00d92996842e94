/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose call is served next. Users take turns, so that one with many
 * connections and calls waits for himself only.
 */
#ifndef VMNET_BROKER_USERS_H
#define VMNET_BROKER_USERS_H

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct connection;

struct user {
	TAILQ_ENTRY(user) all;
	TAILQ_ENTRY(user) turn; /* while ready is not empty */
	TAILQ_HEAD(connections, connection) ready; /* those with a call to be served */
	uint64_t last_turn; /* its number */
	uid_t uid;
	unsigned int connections;
};

/* Returns 0 or a negative errno. */
int users_start(sd_event *event);
void users_stop(void);

/* A call waits for its turn. */
bool users_have_calls(void);

/* One more connection of a user. Returns the user, for user_leave(), or NULL without memory. */
struct user *user_join(uid_t uid);
void user_leave(struct user *user);

/* The connection has a call: connection_serve() is called once, in its turn. */
void user_enqueue(struct connection *connection);

/* The connection, which was enqueued, no longer wants to be served. */
void user_dequeue(struct connection *connection);

#endif
