/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends texts of a bounded length by stream.h. A failure shuts the connection down, and ends
 * nothing: this may be from deep within the policy. Which error has which name is describe.c's.
 */
#include "sending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/json_text.h"
#include "broker/platform.h"
#include "connection.h"
#include "describe.h"
#include "events.h"

/* A reply that every call can have, whatever its user has not read: an error, for instance. */
#define SMALL_REPLY ((size_t)1024)

/* The text of an error that names a limit of the front end's own. */
static char *limit_text(const char *limit, size_t value, const char *reason)
{
	struct error error;

	error_set(&error, ERROR_LIMIT_EXCEEDED, "%s", reason);
	error.limit = limit;
	error.value = (unsigned int)value;
	return describe_error_text(&error);
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

void connection_flush(struct connection *connection)
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

	connection_log_fault(connection, "it does not read its events");
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
 * The text, which is taken over, or that of an error when it is too long, or too much with all
 * that the user has not read; NULL when memory is short, or text is.
 */
static char *fitting_text(const struct connection *connection, char *text, size_t length)
{
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
	char *text = json_text_dump(message, JSON_COMPACT);

	json_decref(message);
	text = fitting_text(connection, text, text ? strlen(text) : 0);
	if (connection->state == CONNECTION_WAITING || connection->state == CONNECTION_LISTING)
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
	connection_note(connection, FDSTORE_BUSY);
	connection_flush(connection);
	connection_update(connection);
}

void connection_send_part(struct connection *connection, char *text, size_t size)
{
	char *fitting = fitting_text(connection, text, size);

	if (fitting != text) {
		connection->state = CONNECTION_OPEN;
		size = fitting ? strlen(fitting) + 1 : 0;
	}
	if (!fitting || stream_queue(&connection->stream, fitting, size, NULL) < 0) {
		connection_shut_down(connection);
		return;
	}
	connection_note(connection, FDSTORE_BUSY);
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
