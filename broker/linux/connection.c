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
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../json_text.h"
#include "../user_limits.h"
#include "describe.h"
#include "linux.h"
#include "peer.h"
#include "varlink.h"

static struct connections connections = TAILQ_HEAD_INITIALIZER(connections);

static void connection_end(struct connection *connection)
{
	struct client *client = connection->client;

	TAILQ_REMOVE(&connections, connection, all);
	if (connection->ready)
		user_dequeue(connection);
	sd_event_source_disable_unref(connection->io);
	stream_close(&connection->stream);
	user_leave(connection->user);
	free(connection);
	broker_client_gone(client);
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

	varlink_log_client_fault("%s (pid %jd, uid %ju) is disconnected: %s", credentials->command,
				 (intmax_t)credentials->pid, (uintmax_t)credentials->uid, fault);
}

/* Makes the loop look for what the connection can go on with. */
static void connection_update(struct connection *connection)
{
	struct stream *stream = &connection->stream;
	bool serves = connection->state == CONNECTION_OPEN && !stream->output;
	bool ready = serves && stream_has_message(stream);
	uint32_t events = 0;

	if (stream->output && connection->state != CONNECTION_ENDING)
		events |= EPOLLOUT;
	if (serves && !ready && !connection->eof)
		events |= EPOLLIN;
	if (sd_event_source_set_io_events(connection->io, events) < 0) {
		connection_shut_down(connection);
		return;
	}
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
	text = limit_text("descriptors_in_flight", files.rlim_cur,
			  "too many descriptors are on their way to clients that do not take "
			  "them; try again later");
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

/*
 * A client that monitors and does not read: it loses what was not sent, gets a
 * last word, for which the socket is given some room, and is dropped.
 */
static void drop_slow_reader(struct connection *connection)
{
	char *text;

	log_fault(connection, "it does not read its events");
	stream_drop_unsent(&connection->stream);
	text = limit_text("unread_event_bytes", MONITOR_QUEUE_MAX,
			  "events came faster than they were read");
	if (text && queue_text(connection, text, NULL) == 0) {
		(void)setsockopt(connection->stream.fd, SOL_SOCKET, SO_SNDBUF, &(int){ 1 << 20 },
				 sizeof(int));
		(void)stream_flush(&connection->stream);
	}
	connection_shut_down(connection);
}

/* The text of a message, or of an error when it is too long; NULL when memory is short. */
static char *message_text(const json_t *message)
{
	char *text = json_text_dump(message, JSON_COMPACT);

	if (!text || strlen(text) < REPLY_SIZE_MAX)
		return text;
	free(text);
	return limit_text("reply_bytes", REPLY_SIZE_MAX, "the reply is too long to be sent");
}

void connection_send(struct connection *connection, json_t *message, struct interface_fds *fds)
{
	char *text = message_text(message);

	json_decref(message);
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
	connection_flush(connection);
	if (connection->state == CONNECTION_MONITORING &&
	    connection->stream.output_size > MONITOR_QUEUE_MAX)
		drop_slow_reader(connection);
	connection_update(connection);
}

void connection_answered(struct connection *connection)
{
	if (connection->state == CONNECTION_WAITING)
		connection->state = CONNECTION_OPEN;
	connection_update(connection);
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
	int r = stream_receive(&connection->stream);

	if (r == -EMSGSIZE)
		log_fault(connection, "its message is longer than 64 KiB");
	connection->eof = r == 0;
	return r >= 0 || r == -EAGAIN;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *connection = userdata;
	bool serves;

	(void)source;
	(void)fd;
	connection_flush(connection);
	serves = connection->state == CONNECTION_OPEN && !connection->stream.output;
	if ((events & (EPOLLHUP | EPOLLERR)) && !serves) {
		connection_end(connection);
		return 0;
	}
	if (serves && !connection->ready && !connection_read(connection)) {
		connection_end(connection);
		return 0;
	}
	connection_update(connection);
	if (is_over(connection))
		connection_end(connection);
	return 0;
}

/* Says no, whatever the client is going to ask. */
static void refuse(int fd, const struct credentials *credentials, const struct error *error)
{
	char *text = error_text(error);

	varlink_log_client_fault("%s (pid %jd, uid %ju) is refused: %s", credentials->command,
				 (intmax_t)credentials->pid, (uintmax_t)credentials->uid,
				 error->reason);
	if (text)
		(void)send(fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
}

/* Takes over fd and credentials on success. */
static int connection_new(int fd, struct credentials *credentials)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -1;
	connection->user = user_join(credentials->uid);
	if (!connection->user)
		goto no_user;
	connection->client = broker_client_new(linux_platform.broker, credentials, connection);
	if (!connection->client)
		goto no_client;
	if (sd_event_add_io(linux_platform.event, &connection->io, fd, EPOLLIN, on_io, connection) <
	    0)
		goto no_source;
	stream_init(&connection->stream, fd);
	TAILQ_INSERT_TAIL(&connections, connection, all);
	return 0;

no_source:
	broker_client_gone(connection->client);
no_client:
	user_leave(connection->user);
no_user:
	free(connection);
	return -1;
}

void connection_open(int fd)
{
	struct credentials credentials;
	struct error error;

	if (peer_credentials(fd, &credentials) < 0) {
		close(fd);
		return;
	}
	if (limits_check_connection(linux_platform.broker, credentials.uid, &error) < 0) {
		refuse(fd, &credentials, &error);
		close(fd);
	} else if (connection_new(fd, &credentials) < 0) {
		close(fd);
	}
	free(credentials.groups);
}

void connections_end(void)
{
	while (!TAILQ_EMPTY(&connections))
		connection_end(TAILQ_FIRST(&connections));
}
