/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was sent with descriptors and not received counts as its user's, until it has been received
 * or nobody is left to; the kernel says of a socket whether something waits in it. That of a
 * connection whose end the client keeps outlives the connection.
 */
#include "untaken.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "connection.h"
#include "disposal.h"

/* A connection that has ended, with descriptors that the client has not taken. */
struct untaken {
	struct untaken *next;
	int fd;
	struct user *user; /* one more connection of it */
	unsigned int descriptors;
};

static struct untaken *all_untaken;

/* All that was sent by a socket was received, or nobody is left to. */
static bool is_taken(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) < 0 || bytes == 0;
}

static void settle(struct connection *connection)
{
	if (connection->descriptors == 0 || connection->stream.output ||
	    !is_taken(connection->stream.fd))
		return;
	user_charge_descriptors(connection->user, -(int)connection->descriptors);
	connection->descriptors = 0;
}

void untaken_close(bool all)
{
	struct untaken **link = &all_untaken;

	while (*link) {
		struct untaken *untaken = *link;

		if (!all && !is_taken(untaken->fd)) {
			link = &untaken->next;
			continue;
		}
		*link = untaken->next;
		user_charge_descriptors(untaken->user, -(int)untaken->descriptors);
		user_count_open(untaken->user, -1);
		disposal_close(untaken->fd, untaken->user->uid);
		user_leave(untaken->user);
		free(untaken);
	}
}

int connection_reserve_descriptors(struct connection *connection, unsigned int n,
				   struct error *error)
{
	struct connection *other;

	settle(connection);
	if (!user_may_have_descriptors(connection->user, n)) {
		untaken_close(false);
		TAILQ_FOREACH(other, &all_connections, all)
			if (other != connection)
				settle(other);
	}
	if (!user_may_have_descriptors(connection->user, n)) {
		error_set(error, ERROR_LIMIT_EXCEEDED, "%s", TOO_MANY_DESCRIPTORS);
		error->limit = "descriptors_in_flight";
		error->value = USERS_DESCRIPTORS / 2;
		return -1;
	}
	user_charge_descriptors(connection->user, (int)n);
	connection->descriptors += n;
	return 0;
}

/* The client may keep its end, with descriptors in it: then so do we, to see when it has gone. */
void untaken_close_or_keep(struct connection *connection)
{
	struct user *user = connection->user;
	struct untaken *untaken = NULL;

	if (connection->descriptors > 0 && !is_taken(connection->stream.fd))
		untaken = malloc(sizeof(*untaken));
	if (!untaken) {
		user_charge_descriptors(user, -(int)connection->descriptors);
		stream_close(&connection->stream, user->uid);
		return;
	}
	*untaken = (struct untaken){ .next = all_untaken,
				     .fd = stream_end(&connection->stream),
				     .user = user,
				     .descriptors = connection->descriptors };
	user->connections++;
	user_count_open(user, 1);
	all_untaken = untaken;
}
