/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection: it is made, watched, read, served, and ended or left to the next
 * broker. Whether it comes to be is decided in admission.c and restore.c, what it is sent in
 * sending.c, what a call does in calls.c.
 *
 * It ends from the loop only: connection_io() and connection_serve(). What goes wrong while
 * something is sent, which may be from deep within the policy, shuts the socket down instead;
 * that is a hang-up, which the loop reports at its next turn.
 *
 * What a client can have waiting is bounded: calls are served only while all
 * replies have gone out, and read only while there is none to be served.
 */
#include "connection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "broker/capture.h"
#include "broker/linux/linux.h"
#include "broker/platform.h"
#include "describe.h"
#include "events.h"
#include "sending.h"
#include "untaken.h"

/* So many holds of a connection that ends do in a turn of the loop. */
#define HOLDS_AT_ONCE 16U

struct connections all_connections = TAILQ_HEAD_INITIALIZER(all_connections);
static bool leaving; /* see connections_leave() */

static const char *runtime_dir(void)
{
	return linux_platform.options->runtime_dir;
}

/* The connection's own; the stream is closed or left by now. */
static void connection_free(struct connection *connection)
{
	TAILQ_REMOVE(&all_connections, connection, all);
	user_count_open(connection->user, -1);
	events_leave(connection);
	if (connection->ready)
		user_dequeue(connection);
	user_charge_bytes(connection->user, -(ssize_t)connection->bytes);
	free(connection);
}

void connection_end(struct connection *connection)
{
	struct client *client = connection->client;
	struct user *user = connection->user;

	user_unwatch(connection);
	if (connection->stored)
		fdstore_remove(runtime_dir(), connection->stored, connection->stream.fd);
	untaken_close_or_keep(connection);
	connection_free(connection);
	broker_captures_release(client);
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

void connection_shut_down(struct connection *connection)
{
	connection->state = CONNECTION_ENDING;
	(void)shutdown(connection->stream.fd, SHUT_RDWR);
}

/* A hang-up stays one: for what is left of its holds there is another turn of the loop. */
static void connection_give_up(struct connection *connection)
{
	if (broker_client_end(connection->client, HOLDS_AT_ONCE))
		connection_end(connection);
	else
		connection_shut_down(connection);
}

void connection_log_fault(const struct connection *connection, const char *fault)
{
	const struct credentials *credentials = &connection->client->credentials;

	if (platform_may_log(credentials->uid, true))
		log_warning(NULL, "%s (pid %jd, uid %ju) is disconnected: %s", credentials->command,
			    (intmax_t)credentials->pid, (uintmax_t)credentials->uid, fault);
}

void connection_keep(struct connection *connection)
{
	if (connection->stored)
		fdstore_save(runtime_dir(), connection->stored, connection->client);
}

void connection_note(struct connection *connection, enum fdstore_state state)
{
	if (connection->stored && state != connection->noted)
		fdstore_note(connection->stream.fd, state);
	connection->noted = state;
}

/* What another broker would have to go on with. */
static enum fdstore_state state_to_store(const struct connection *connection)
{
	if (connection->state == CONNECTION_LISTING || !stream_is_at_rest(&connection->stream))
		return FDSTORE_BUSY;
	if (connection->state == CONNECTION_MONITORING)
		return FDSTORE_MONITORING;
	if (connection->state == CONNECTION_WAITING && !connection->call.oneway)
		return FDSTORE_WAITING;
	return FDSTORE_OPEN;
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

struct connection *connection_new(int fd, struct credentials *credentials)
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
	TAILQ_INSERT_TAIL(&all_connections, connection, all);
	return connection;

no_source:
	broker_client_gone(connection->client);
no_client:
	user_leave(connection->user);
no_user:
	free(connection);
	return NULL;
}

void connection_update(struct connection *connection)
{
	struct stream *stream = &connection->stream;
	bool serves = connection->state == CONNECTION_OPEN && !stream->output;
	bool ready = serves && stream_has_message(stream);
	bool sends = stream->output || connection->state == CONNECTION_LISTING;
	uint32_t events = 0;

	connection_note(connection, state_to_store(connection));
	connection_charge(connection);
	if (sends && connection->state != CONNECTION_ENDING)
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

void platform_client_end(struct client *client, const struct network *network,
			 const struct error *error)
{
	struct connection *connection = client->connection;

	if (connection->state == CONNECTION_ENDING)
		return;
	connection_send(connection, describe_error(error, network->config->name), NULL);
	connection_shut_down(connection);
}

void platform_gone(const void *what)
{
	struct connection *connection;

	TAILQ_FOREACH(connection, &all_connections, all)
		if (connection->state == CONNECTION_WAITING)
			calls_gone(connection, what);
}

void connections_reload(void)
{
	struct connection *connection;

	TAILQ_FOREACH(connection, &all_connections, all)
		if (connection->state == CONNECTION_WAITING && connection->call.reload)
			calls_reload(connection);
}

void connection_serve(struct connection *connection)
{
	size_t length;
	const char *text = stream_take(&connection->stream, &length);
	int r = calls_serve(connection, text, length);

	if (r < 0) {
		connection_log_fault(connection, r == -ENOMEM ? "out of memory"
							      : "what it sent is not Varlink");
		connection_give_up(connection);
		return;
	}
	connection_update(connection);
	if (is_over(connection))
		connection_give_up(connection);
}

/* Returns false when the connection is to be ended. */
static bool connection_read(struct connection *connection)
{
	int r;

	connection_note(connection, FDSTORE_BUSY); /* what is read is in this process alone */
	r = stream_receive(&connection->stream);
	if (r == -EMSGSIZE)
		connection_log_fault(connection, "its message is longer than 64 KiB");
	else if (r == -EPERM)
		connection_log_fault(connection, "it sent descriptors, which no call takes");
	connection->eof = r == 0;
	connection_charge(connection);
	if (r > 0 && !user_may_have_bytes(connection->user, 0) &&
	    !stream_has_message(&connection->stream)) {
		connection_log_fault(connection, TOO_MANY_BYTES);
		return false;
	}
	return r >= 0 || r == -EAGAIN;
}

void connection_io(struct connection *connection, uint32_t events)
{
	bool serves;

	connection_flush(connection);
	if (connection->state == CONNECTION_LISTING && !connection->stream.output &&
	    !(events & (EPOLLHUP | EPOLLERR)))
		list_continue(connection);
	serves = connection->state == CONNECTION_OPEN && !connection->stream.output;
	if ((events & (EPOLLHUP | EPOLLERR)) && !serves) {
		connection_give_up(connection);
		return;
	}
	if (serves && !connection->ready && !connection_read(connection)) {
		connection_give_up(connection);
		return;
	}
	if (serves && !users_have_calls() && stream_has_message(&connection->stream)) {
		user_take_turn(connection->user);
		connection_serve(connection);
		return;
	}
	connection_update(connection);
	if (is_over(connection))
		connection_give_up(connection);
}

void connections_leave(void)
{
	struct connection *connection;

	leaving = true;
	TAILQ_FOREACH(connection, &all_connections, all)
		connection_update(connection);
}

void connections_end(void)
{
	while (!TAILQ_EMPTY(&all_connections)) {
		if (leaving)
			connection_leave(TAILQ_FIRST(&all_connections));
		else
			connection_end(TAILQ_FIRST(&all_connections));
	}
	untaken_close(true);
	leaving = false;
}
