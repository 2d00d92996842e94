/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn is next, to be heard, to be served, to come in, and what each user has of the front
 * end: bytes, descriptors, connections. One with many connections and calls waits for himself
 * only. How many holds and interfaces a user may have is broker/user_limits.h's.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_TURNS_H
#define VMNET_BROKER_LINUX_VARLINK_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

/*
 * What all users but root may have together. One has no more of it than what is
 * left for the others: alone half, and who comes last is not refused.
 */
#define USERS_BYTES ((size_t)64 * 1024 * 1024) /* of calls, replies and groups */
#define USERS_DESCRIPTORS 49152U /* on their way, of the 65536 that the broker may have there */
#define USERS_ARRIVALS 2048U /* connected, and waiting for their user's turn */

/* What those are told who would have more. */
#define TOO_MANY_BYTES                                                                           \
	"its user's connections have more calls that have not come whole, replies that are not " \
	"read, and groups, than are left for others; read them, or end some connections"

#define TOO_MANY_DESCRIPTORS \
	"too many descriptors are on their way to clients that do not take them; try again later"

struct arrival;
struct connection;

/* Log lines in a time that began then. */
struct log_count {
	uint64_t since;
	unsigned int lines;
	unsigned int faults; /* those that are warnings */
};

/* Without a connection it is only remembered, for a while. */
struct user {
	LIST_ENTRY(user) all; /* in its bucket */
	TAILQ_ENTRY(user) turn; /* while it has one */
	TAILQ_HEAD(connections, connection) ready; /* those with a call to be served */
	STAILQ_HEAD(, arrival) arrivals; /* who has connected */
	bool has_turn;
	bool arrived; /* the last turn was an arrival's */
	uint64_t last_turn; /* its number */
	uid_t uid; /* as platform_account() has it */
	int epoll; /* its connections' sockets */
	sd_event_source *io; /* of that */
	unsigned int connections; /* with arrivals, and those that have ended but are not closed */
	unsigned int arriving; /* of these */
	unsigned int open; /* of these, those that have come in: as many descriptors */
	size_t bytes;
	unsigned int descriptors; /* sent and not taken, as far as is known */
	struct log_count logged;
};

/* Returns 0 or a negative errno. */
int users_start(sd_event *event);

/* After the end of all connections. */
void users_stop(void);

/* Somebody waits for a turn. */
bool users_have_calls(void);

/* Before a client is accepted: a descriptor is there for a new user. 0 or a negative errno. */
int users_prepare(void);

/*
 * A client has connected: connection_open() is called with fd, which is taken over, in turn;
 * or it is closed, when too many of its user wait for theirs.
 */
void users_arrive(int fd);

/* One more connection of a user. Returns the user, for user_leave(), or NULL without memory. */
struct user *user_join(uid_t uid);
void user_leave(struct user *user);

/* The user who has a connection, or is remembered; or NULL. */
struct user *user_known(uid_t uid);

/*
 * Has connection_io() called for events of epoll_ctl(2), in the user's turn; and for others from
 * then on. Both return 0 or a negative errno.
 */
int user_watch(struct connection *connection, uint32_t events);
int user_watch_other(struct connection *connection, uint32_t events);
void user_unwatch(struct connection *connection);

/*
 * The user's turn is now. That is fair while nobody waits for one, which users_have_calls()
 * says: what comes meanwhile is looked at before what comes of this user next.
 */
void user_take_turn(struct user *user);

/* The connection has a call: connection_serve() is called once, in its turn. */
void user_enqueue(struct connection *connection);

/* The connection, which was enqueued, no longer wants to be served. */
void user_dequeue(struct connection *connection);

/* Those of all users that have come in, and are not closed. */
unsigned int users_open(void);

/* The user has one more of them, or one less. */
void user_count_open(struct user *user, int more);

/* Whether the user may have so many more. Root may always. */
bool user_may_have_bytes(const struct user *user, size_t more);
bool user_may_have_descriptors(const struct user *user, unsigned int more);

/* It has so many more, or fewer. */
void user_charge_bytes(struct user *user, ssize_t more);
void user_charge_descriptors(struct user *user, int more);

#endif
