/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users take turns, one call each, and so do the connections of a user. Who has
 * had no turn for longest is next: somebody who calls now and then never waits
 * for a second call of somebody who calls all the time. Between two turns the
 * loop looks at its other sources: nobody's calls keep it from accepting,
 * reading, or hearing of the platform.
 */
#include "users.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "connection.h"

static TAILQ_HEAD(users, user) users = TAILQ_HEAD_INITIALIZER(users);
static struct users turns = TAILQ_HEAD_INITIALIZER(turns);
/*
 * A descriptor that is always readable: its source falls due anew in each round
 * of the loop, behind the others that are. (A "defer" source stays due, and
 * would go before all others for as long as there are calls.)
 */
static sd_event_source *turn_source;
static uint64_t last_turn; /* the number of the last one */

static void arm(void)
{
	(void)sd_event_source_set_enabled(turn_source,
					  TAILQ_EMPTY(&turns) ? SD_EVENT_OFF : SD_EVENT_ON);
}

static int on_turn(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct user *user = TAILQ_FIRST(&turns);
	struct connection *connection = TAILQ_FIRST(&user->ready);

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	user_dequeue(connection);
	user->last_turn = ++last_turn;
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
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = sd_event_add_io(event, &turn_source, fd, EPOLLIN, on_turn, NULL);
	if (r < 0) {
		close(fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(turn_source, 1);
	arm();
	return 0;
}

void users_stop(void)
{
	turn_source = sd_event_source_disable_unref(turn_source);
}

bool users_have_calls(void)
{
	return !TAILQ_EMPTY(&turns);
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
		user->last_turn = last_turn; /* coming anew is no way to the front */
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

/* The turns are in the order of the last ones. */
static void take_place(struct user *user)
{
	struct user *after;

	TAILQ_FOREACH(after, &turns, turn)
		if (after->last_turn > user->last_turn)
			break;
	if (after)
		TAILQ_INSERT_BEFORE(after, user, turn);
	else
		TAILQ_INSERT_TAIL(&turns, user, turn);
}

void user_enqueue(struct connection *connection)
{
	struct user *user = connection->user;

	if (TAILQ_EMPTY(&user->ready))
		take_place(user);
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
