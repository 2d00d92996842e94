/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users take turns, one call each, and so do the connections of a user. Between
 * two turns the loop looks at its other sources: nobody's calls keep it from
 * accepting, reading, or hearing of the platform.
 */
#include "users.h"

#include <errno.h>
#include <stdlib.h>

#include "connection.h"

static TAILQ_HEAD(users, user) users = TAILQ_HEAD_INITIALIZER(users);
static struct users turns = TAILQ_HEAD_INITIALIZER(turns);
static sd_event_source *turn_source;

/*
 * The source fires once each time it is switched on, which puts it behind the
 * other sources that are due.
 */
static void arm(void)
{
	(void)sd_event_source_set_enabled(turn_source,
					  TAILQ_EMPTY(&turns) ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_turn(sd_event_source *source, void *userdata)
{
	struct user *user = TAILQ_FIRST(&turns);
	struct connection *connection = TAILQ_FIRST(&user->ready);

	(void)source;
	(void)userdata;
	user_dequeue(connection);
	if (!TAILQ_EMPTY(&user->ready)) {
		TAILQ_REMOVE(&turns, user, turn);
		TAILQ_INSERT_TAIL(&turns, user, turn);
	}
	/* This may end the connection, and with it the user. */
	connection_serve(connection);
	arm();
	return 0;
}

int users_start(sd_event *event)
{
	int r = sd_event_add_defer(event, &turn_source, on_turn, NULL);

	if (r < 0)
		return r;
	arm();
	return 0;
}

void users_stop(void)
{
	turn_source = sd_event_source_disable_unref(turn_source);
}

struct user *user_join(uid_t uid)
{
	struct user *user;

	TAILQ_FOREACH(user, &users, all)
	if (user->uid == uid)
		break;
	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return NULL;
		user->uid = uid;
		TAILQ_INIT(&user->ready);
		TAILQ_INSERT_TAIL(&users, user, all);
	}
	user->connections++;
	return user;
}

void user_leave(struct user *user)
{
	user->connections--;
	if (user->connections > 0)
		return;
	TAILQ_REMOVE(&users, user, all);
	free(user);
}

void user_enqueue(struct connection *connection)
{
	struct user *user = connection->user;

	if (TAILQ_EMPTY(&user->ready))
		TAILQ_INSERT_TAIL(&turns, user, turn);
	TAILQ_INSERT_TAIL(&user->ready, connection, turn);
	connection->ready = true;
	arm();
}

void user_dequeue(struct connection *connection)
{
	struct user *user = connection->user;

	TAILQ_REMOVE(&user->ready, connection, turn);
	connection->ready = false;
	if (TAILQ_EMPTY(&user->ready))
		TAILQ_REMOVE(&turns, user, turn);
}
