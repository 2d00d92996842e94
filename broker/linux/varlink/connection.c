/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection ends here and nowhere else, from the loop: on_io() and
 * connection_serve(). What goes wrong while something is sent, which may be
 * from deep within the policy, shuts the socket down instead; that is a
 * hang-up, which the loop reports at its next turn.
 *
 * What a client can have waiting is bounded: calls are served only while all
 * replies have gone out, and read only while there is none to be served.
 */
#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/log.h"
#include "broker/interface.h"
#include "broker/linux/linux.h"
#include "broker/user_limits.h"
#include "describe.h"
#include "disposal.h"
#include "events.h"
#include "peer.h"

/* A reply that every call can have, whatever its user has not read: an error, for instance. */
#define SMALL_REPLY ((size_t)1024)
#define TOO_MANY_BYTES                                                                           \
	"its user's connections have more calls that have not come whole, replies that are not " \
	"read, and groups, than are left for others; read them, or end some connections"

#define TOO_MANY_DESCRIPTORS \
	"too many descriptors are on their way to clients that do not take them; try again later"

/* A connection that has ended, with descriptors that the client has not taken. */
struct untaken {
	struct untaken *next;
	int fd;
	struct user *user; /* one more connection of it */
	unsigned int descriptors;
};

static struct untaken *all_untaken;
static struct connections connections = TAILQ_HEAD_INITIALIZER(connections);
static bool leaving; /* see connections_leave() */

static const char *runtime_dir(void)
{
	return linux_platform.options->runtime_dir;
}

/* The connection's own; the stream is closed or left by now. */
static void connection_free(struct connection *connection)
{
	TAILQ_REMOVE(&connections, connection, all);
	user_count_open(connection->user, -1);
	events_leave(connection);
	if (connection->ready)
		user_dequeue(connection);
	user_charge_bytes(connection->user, -(ssize_t)connection->bytes);
	free(connection);
}

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

/* Those that have been taken meanwhile; or all, at the end. */
static void close_untaken(bool all)
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
		close_untaken(false);
		TAILQ_FOREACH(other, &connections, all)
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
static void close_or_keep(struct connection *connection)
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

static void connection_end(struct connection *connection)
{
	struct client *client = connection->client;
	struct user *user = connection->user;

	user_unwatch(connection);
	if (connection->kept)
		kept_remove(runtime_dir(), connection->kept, connection->stream.fd);
	close_or_keep(connection);
	connection_free(connection);
	broker_client_gone(client);
	user_leave(user);
}

/* The client stays the policy's: its holds do not end. */
static void connection_leave(struct connection *connection)
{
	struct user *user = connection->user;

	user_unwatch(connection);
	user_charge_descriptors(user, -(int)connection->descriptors);
	stream_leave(&connection->stream);
	connection_free(connection);
	user_leave(user);
}

static void connection_shut_down(struct connection *connection)
{
	connection->state = CONNECTION_ENDING;
	(void)shutdown(connection->stream.fd, SHUT_RDWR);
}

/* A client's own fault: told to the administrator, not too often, and to nobody else. */
static void log_fault(const struct connection *connection, const char *fault)
{
	const struct credentials *credentials = &connection->client->credentials;

	if (platform_may_log(credentials->uid, true))
		log_warning(NULL, "%s (pid %jd, uid %ju) is disconnected: %s", credentials->command,
			    (intmax_t)credentials->pid, (uintmax_t)credentials->uid, fault);
}

void connection_keep(struct connection *connection)
{
	if (connection->kept)
		kept_save(runtime_dir(), connection->kept, connection->client);
}

static void note(struct connection *connection, enum kept_state state)
{
	if (connection->kept && state != connection->noted)
		kept_note(connection->stream.fd, state);
	connection->noted = state;
}

/* What another broker would have to go on with. */
static enum kept_state kept_state(const struct connection *connection)
{
	if (!stream_is_at_rest(&connection->stream))
		return KEPT_BUSY;
	if (connection->state == CONNECTION_MONITORING)
		return KEPT_MONITORING;
	if (connection->state == CONNECTION_WAITING && !connection->call.oneway)
		return KEPT_WAITING;
	return KEPT_OPEN;
}

/* What it has in memory is its user's. */
static void connection_charge(struct connection *connection)
{
	const struct credentials *credentials = &connection->client->credentials;
	size_t bytes = connection->stream.output_size + connection->stream.input.size +
		       credentials->n_groups * sizeof(*credentials->groups);

	user_charge_bytes(connection->user, (ssize_t)(bytes - connection->bytes));
	connection->bytes = bytes;
}

/* Makes the loop look for what the connection can go on with. */
static void connection_update(struct connection *connection)
{
	struct stream *stream = &connection->stream;
	bool serves = connection->state == CONNECTION_OPEN && !stream->output;
	bool ready = serves && stream_has_message(stream);
	uint32_t events = 0;

	note(connection, kept_state(connection));
	connection_charge(connection);
	if (stream->output && connection->state != CONNECTION_ENDING)
		events |= EPOLLOUT;
	else if (connection->monitors && (connection->events & EPOLLOUT))
		events_wake();
	if (serves && !ready && !connection->eof && !leaving)
		events |= EPOLLIN;
	if (events != connection->events && user_watch_other(connection, events) < 0) {
		connection_shut_down(connection);
		return;
	}
	connection->events = events;
	if (ready && !connection->ready)
		user_enqueue(connection);
}

/* The client has sent its last call, and has its last reply. */
static bool is_over(struct connection *connection)
{
	return connection->eof && connection->state == CONNECTION_OPEN &&
	       !connection->stream.output && !connection->ready;
}

/* The text of an error message; NULL when memory is short. */
static char *error_text(const struct error *error)
{
	json_t *message = describe_error(error, "");
	char *text = json_text_dump(message, JSON_COMPACT);

	json_decref(message);
	return text;
}

/* The same of one that names a limit of the door's own. */
static char *limit_text(const char *limit, size_t value, const char *reason)
{
	struct error error;

	error_set(&error, ERROR_LIMIT_EXCEEDED, "%s", reason);
	error.limit = limit;
	error.value = (unsigned int)value;
	return error_text(&error);
}

static int queue_text(struct connection *connection, char *text, struct interface_fds *fds)
{
	return stream_queue(&connection->stream, text, strlen(text) + 1, fds);
}

/*
 * The first reply's descriptors cannot be sent: clients that do not take theirs
 * have used up what the broker may have on its way. This one gets an error
 * instead.
 */
static int replace_first(struct connection *connection)
{
	struct rlimit files = { 0 };
	char *text;

	stream_drop_first(&connection->stream);
	(void)getrlimit(RLIMIT_NOFILE, &files);
	text = limit_text("descriptors_in_flight", files.rlim_cur, TOO_MANY_DESCRIPTORS);
	if (!text || queue_text(connection, text, NULL) < 0)
		return -ENOMEM;
	return stream_flush(&connection->stream);
}

static void connection_flush(struct connection *connection)
{
	int r = stream_flush(&connection->stream);

	if (r == -ETOOMANYREFS)
		r = replace_first(connection);
	if (r < 0 && r != -EAGAIN)
		connection_shut_down(connection);
}

void connection_drop_slow_reader(struct connection *connection)
{
	char *text;

	log_fault(connection, "it does not read its events");
	stream_drop_unsent(&connection->stream);
	text = limit_text("unread_event_bytes", EVENTS_BYTES,
			  "events came faster than they were read");
	if (text && queue_text(connection, text, NULL) == 0) {
		(void)setsockopt(connection->stream.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 },
				 sizeof(int));
		(void)stream_flush(&connection->stream);
	}
	connection_shut_down(connection);
}

/*
 * The text of a message, or of an error when it is too long, or too much with all that the
 * user has not read; NULL when memory is short.
 */
static char *message_text(const struct connection *connection, const json_t *message)
{
	char *text = json_text_dump(message, JSON_COMPACT);
	size_t length = text ? strlen(text) : 0;
	bool fits = length < SMALL_REPLY || user_may_have_bytes(connection->user, length);

	if (!text || (fits && length < REPLY_SIZE_MAX))
		return text;
	free(text);
	if (fits)
		return limit_text("reply_bytes", REPLY_SIZE_MAX,
				  "the reply is too long to be sent");
	return limit_text("bytes_per_user", USERS_BYTES / 2, TOO_MANY_BYTES);
}

void connection_send(struct connection *connection, json_t *message, struct interface_fds *fds)
{
	char *text = message_text(connection, message);

	json_decref(message);
	if (connection->state == CONNECTION_WAITING)
		connection->state = CONNECTION_OPEN; /* this is the answer */
	if (connection->state == CONNECTION_ENDING || !text) {
		if (fds)
			platform_fds_discard(fds);
		free(text);
		connection_shut_down(connection);
		return;
	}
	if (queue_text(connection, text, fds) < 0) {
		connection_shut_down(connection);
		return;
	}
	/* From the next broker it would get this reply again, or never. */
	note(connection, KEPT_BUSY);
	connection_flush(connection);
	connection_update(connection);
}

void connection_send_events(struct connection *connection, char *text, size_t size)
{
	if (!text || (size > 0 && stream_queue(&connection->stream, text, size, NULL) < 0)) {
		connection_shut_down(connection);
		return;
	}
	if (size == 0)
		free(text);
	/* From the next broker it goes on; events are lost, at worst. */
	connection_flush(connection);
	connection_update(connection);
}

void connection_monitor(struct connection *connection)
{
	connection->state = CONNECTION_MONITORING;
	broker_monitor(connection->client);
	events_join(connection);
}

void connection_answered(struct connection *connection)
{
	if (connection->state == CONNECTION_WAITING)
		connection->state = CONNECTION_OPEN;
	connection_update(connection);
}

void connections_reload(void)
{
	struct connection *connection;

	TAILQ_FOREACH(connection, &connections, all)
		if (connection->state == CONNECTION_WAITING && connection->call.reload)
			calls_reload(connection);
}

void connection_serve(struct connection *connection)
{
	size_t length;
	const char *text = stream_take(&connection->stream, &length);
	int r = calls_serve(connection, text, length);

	if (r < 0) {
		log_fault(connection,
			  r == -ENOMEM ? "out of memory" : "what it sent is not Varlink");
		connection_end(connection);
		return;
	}
	connection_update(connection);
	if (is_over(connection))
		connection_end(connection);
}

/* Returns false when the connection is to be ended. */
static bool connection_read(struct connection *connection)
{
	int r;

	note(connection, KEPT_BUSY); /* what is read is in this process alone */
	r = stream_receive(&connection->stream);
	if (r == -EMSGSIZE)
		log_fault(connection, "its message is longer than 64 KiB");
	else if (r == -EPERM)
		log_fault(connection, "it sent descriptors, which no call takes");
	connection->eof = r == 0;
	connection_charge(connection);
	if (r > 0 && !user_may_have_bytes(connection->user, 0) &&
	    !stream_has_message(&connection->stream)) {
		log_fault(connection, TOO_MANY_BYTES);
		return false;
	}
	return r >= 0 || r == -EAGAIN;
}

void connection_io(struct connection *connection, uint32_t events)
{
	bool serves;

	connection_flush(connection);
	serves = connection->state == CONNECTION_OPEN && !connection->stream.output;
	if ((events & (EPOLLHUP | EPOLLERR)) && !serves) {
		connection_end(connection);
		return;
	}
	if (serves && !connection->ready && !connection_read(connection)) {
		connection_end(connection);
		return;
	}
	connection_update(connection);
	if (is_over(connection))
		connection_end(connection);
}

/* Says no, whatever the client is going to ask. */
static void refuse(int fd, const struct credentials *credentials, const struct error *error)
{
	char *text = error_text(error);

	if (platform_may_log(credentials->uid, true))
		log_warning(NULL, "%s (pid %jd, uid %ju) is refused: %s", credentials->command,
			    (intmax_t)credentials->pid, (uintmax_t)credentials->uid, error->reason);
	if (text)
		(void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
}

/* Takes over fd and credentials on success. Returns NULL when memory is short. */
static struct connection *connection_new(int fd, struct credentials *credentials)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->user = user_join(credentials->uid);
	if (!connection->user)
		goto no_user;
	stream_init(&connection->stream, fd);
	connection->events = EPOLLIN;
	connection->client = broker_client_new(linux_platform.broker, credentials, connection);
	if (!connection->client)
		goto no_client;
	if (user_watch(connection, EPOLLIN) < 0)
		goto no_source;
	connection_charge(connection);
	user_count_open(connection->user, 1);
	TAILQ_INSERT_TAIL(&connections, connection, all);
	return connection;

no_source:
	broker_client_gone(connection->client);
no_client:
	user_leave(connection->user);
no_user:
	free(connection);
	return NULL;
}

static int check_limits(const struct user *user, const struct credentials *credentials,
			struct error *error)
{
	uid_t uid = credentials->uid;

	if (!user_may_have_bytes(user, credentials->n_groups * sizeof(*credentials->groups))) {
		error_set(error, ERROR_LIMIT_EXCEEDED, "%s", TOO_MANY_BYTES);
		error->limit = "bytes_per_user";
		error->value = (unsigned int)(USERS_BYTES / 2);
		return -1;
	}
	if (!disposal_is_pending(uid))
		return limits_check_connection(uid, user->open, users_open(), error);
	error_set(error, ERROR_LIMIT_EXCEEDED,
		  "user %ju has sent descriptors, which no call takes, and they have not been "
		  "closed yet; try again later",
		  (uintmax_t)uid);
	error->limit = "descriptors_sent";
	return -1;
}

void connection_open(int fd)
{
	struct credentials credentials;
	struct connection *connection;
	struct error error;
	struct user *user;

	close_untaken(false);
	if (peer_credentials(fd, &credentials) < 0) {
		disposal_close(fd, DISPOSAL_NOBODY);
		return;
	}
	user = user_join(credentials.uid);
	if (!user) {
		disposal_close(fd, credentials.uid);
	} else if (check_limits(user, &credentials, &error) < 0) {
		refuse(fd, &credentials, &error);
		disposal_close(fd, credentials.uid);
	} else {
		connection = connection_new(fd, &credentials);
		if (connection)
			connection->kept = kept_add(fd);
		else
			disposal_close(fd, credentials.uid);
	}
	if (user)
		user_leave(user);
	free(credentials.groups);
}

/* Connections that an earlier broker left */

static struct network *adopted_network(const char *name)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		if (strcmp(network->config->name, name) == 0)
			return network;
	return NULL;
}

/* Returns NULL, or why the hold is lost. */
static const char *restore_hold(struct client *client, const struct kept_hold *hold)
{
	struct network *network = adopted_network(hold->network);

	if (!network)
		return "a network that it holds could not be taken over";
	if (broker_hold_adopt(client, network) < 0)
		return "out of memory";
	for (size_t i = 0; i < hold->n_named; i++)
		broker_interface_claim(network, &hold->named[i], client);
	return NULL;
}

/* Returns NULL, or why the connection cannot go on. */
static const char *restore_holds(struct client *client, const struct kept *kept)
{
	const char *fault = NULL;

	if (kept->damaged)
		return "what it holds cannot be read";
	for (const struct kept_hold *hold = kept->holds; hold && !fault; hold = hold->next)
		fault = restore_hold(client, hold);
	return fault;
}

/* Goes on where the earlier broker was. */
static void restore_state(struct connection *connection)
{
	struct error error;

	if (connection->noted == KEPT_MONITORING) {
		connection_monitor(connection);
	} else if (connection->noted == KEPT_WAITING) {
		error_set(&error, ERROR_INTERNAL, "the broker was restarted meanwhile; try again");
		connection_send(connection, describe_error(&error, ""), NULL);
	}
	connection_update(connection);
}

/* Returns NULL when it cannot be a client. */
static struct connection *connection_of_kept(const struct kept *kept)
{
	struct credentials credentials;
	struct connection *connection;

	if (peer_credentials(kept->fd, &credentials) < 0)
		return NULL;
	connection = connection_new(kept->fd, &credentials);
	free(credentials.groups);
	return connection;
}

static void connection_restore(const struct kept *kept)
{
	struct connection *connection;
	const char *fault;

	stream_refuse_fds(kept->fd);
	connection = connection_of_kept(kept);
	if (!connection) {
		kept_remove(runtime_dir(), kept->number, kept->fd);
		disposal_close(kept->fd, DISPOSAL_NOBODY);
		return;
	}
	connection->kept = kept->number;
	connection->noted = kept_noted(kept->fd);
	fault = restore_holds(connection->client, kept);
	if (!fault && connection->noted == KEPT_BUSY)
		fault = "the broker was restarted in the midst of a message";
	if (fault) {
		log_fault(connection, fault);
		connection->state = CONNECTION_ENDING;
	} else {
		restore_state(connection);
	}
}

void connections_restore(void)
{
	struct connection *next;
	struct kept *kept;

	while ((kept = kept_next())) {
		connection_restore(kept);
		kept_free(kept);
	}
	/* Not before: what they held ends with them, unless others are known to hold it, too. */
	for (struct connection *connection = TAILQ_FIRST(&connections); connection;
	     connection = next) {
		next = TAILQ_NEXT(connection, all);
		if (connection->state == CONNECTION_ENDING)
			connection_end(connection);
	}
}

void connections_leave(void)
{
	struct connection *connection;

	leaving = true;
	TAILQ_FOREACH(connection, &connections, all)
		connection_update(connection);
}

void connections_end(void)
{
	while (!TAILQ_EMPTY(&connections)) {
		if (leaving)
			connection_leave(TAILQ_FIRST(&connections));
		else
			connection_end(TAILQ_FIRST(&connections));
	}
	close_untaken(true);
	leaving = false;
}
