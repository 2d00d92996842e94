/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections send: messages, requests, replies, barriers, in their order
 * and while no handler runs; and who waits for a reply.
 */
#include <Block.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "xpc_connection.h"

static pthread_cond_t reply_arrived = PTHREAD_COND_INITIALIZER;

static void barrier_run(dispatch_block_t barrier)
{
	/* On a queue of its own: no order with the target queue is promised. */
	dispatch_queue_t queue = queue_private();

	dispatch_async(queue, barrier);
	dispatch_release(queue);
	Block_release(barrier);
}

static void outgoing_drop(struct outgoing *outgoing)
{
	if (outgoing->barrier)
		barrier_run(outgoing->barrier);
	buffer_clear(&outgoing->frame);
	free(outgoing);
}

void connection_drop_outgoing(xpc_connection_t connection)
{
	while (connection->outgoing) {
		struct outgoing *next = connection->outgoing->next;

		outgoing_drop(connection->outgoing);
		connection->outgoing = next;
	}
}

/* Takes over the reply. Of one with a handler this is the end. */
static void waiting_end(struct waiting *waiting, xpc_object_t reply)
{
	dispatch_queue_t queue = waiting->queue;
	xpc_handler_t handler = waiting->handler;

	waiting->reply = reply;
	if (!queue) {
		(void)pthread_cond_broadcast(&reply_arrived);
		return;
	}
	free(waiting);
	dispatch_async(queue, ^{
		handler(reply);
		xpc_release(reply);
	});
	Block_release(handler);
	object_release(queue);
}

void connection_fail_waiting(xpc_connection_t connection, xpc_object_t error)
{
	while (connection->waiting) {
		struct waiting *waiting = connection->waiting;

		connection->waiting = waiting->next;
		waiting_end(waiting, error);
	}
}

void connection_on_reply(xpc_connection_t connection, uint64_t id, xpc_object_t reply)
{
	for (struct waiting **link = &connection->waiting; *link; link = &(*link)->next) {
		struct waiting *waiting = *link;

		if (waiting->id != id)
			continue;
		*link = waiting->next;
		waiting_end(waiting, reply);
		return;
	}
	misuse("a reply came that nobody waits for");
}

static bool connect_service(xpc_connection_t connection)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[256];
	int fd;

	if (connection->kind == CONNECTION_BUNDLED)
		return false;
	(void)snprintf(name, sizeof(name), "%s.socket", connection->name);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world_path(name));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		broken("double: socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return false;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		broken("double: fcntl");
	connection->watch.fd = fd;
	connection->watch.want_read = true;
	loop_add(&connection->watch);
	return true;
}

void connection_flush(xpc_connection_t connection)
{
	struct outgoing *first;

	while ((first = connection->outgoing)) {
		if (connection->suspensions > 0 || connection->handling)
			return;
		if (connection->watch.fd < 0 && !connect_service(connection)) {
			connection_end(connection);
			return;
		}
		if (!first->barrier && !frame_send(connection->watch.fd, &first->frame)) {
			connection->watch.want_write = true;
			loop_wake();
			return;
		}
		connection->outgoing = first->next;
		outgoing_drop(first);
	}
}

/* frame and barrier are taken over; one of them is empty. */
static void enqueue(xpc_connection_t connection, struct buffer frame, dispatch_block_t barrier)
{
	struct outgoing *outgoing = allocate(sizeof(*outgoing));
	struct outgoing **link = &connection->outgoing;

	outgoing->frame = frame;
	outgoing->barrier = barrier;
	if (connection->ended) {
		outgoing_drop(outgoing);
		return;
	}
	while (*link)
		link = &(*link)->next;
	*link = outgoing;
	connection_flush(connection);
}

static void send_frame(xpc_connection_t connection, enum frame_kind kind, uint64_t id,
		       xpc_object_t message)
{
	struct frame_header header = { .kind = kind, .id = id };
	struct buffer frame = { .bytes = allocate(sizeof(header)), .length = sizeof(header) };

	memcpy(frame.bytes, &header, sizeof(header));
	if (message)
		value_encode(message, &frame);
	enqueue(connection, frame, NULL);
}

static void check_sender(xpc_connection_t connection, xpc_object_t message, const char *call)
{
	connection_check(connection, call);
	dictionary_check(message, call);
	if (connection->kind == CONNECTION_LISTENER || connection->kind == CONNECTION_ANONYMOUS)
		misuse("%s: on a listener", call);
	if (!connection->active)
		misuse("%s: on a connection that was not activated", call);
}

static void reply_context_free(struct reply_context *context)
{
	object_release(context->connection);
	free(context);
}

void reply_context_drop(struct reply_context *context)
{
	send_frame(context->connection, FRAME_NO_REPLY, context->id, NULL);
	reply_context_free(context);
}

static void send_reply(xpc_connection_t connection, xpc_object_t reply)
{
	struct reply_context *context = dictionary_take_reply_context(reply);

	if (!context)
		misuse("xpc_connection_send_message: a reply is sent twice");
	if (context->connection != connection)
		misuse("xpc_connection_send_message: a reply to another connection");
	send_frame(connection, FRAME_REPLY, context->id, reply);
	reply_context_free(context);
}

void xpc_connection_send_message(xpc_connection_t connection, xpc_object_t message)
{
	lock();
	check_sender(connection, message, "xpc_connection_send_message");
	if (dictionary_is_reply(message))
		send_reply(connection, message);
	else
		send_frame(connection, FRAME_MESSAGE, 0, message);
	unlock();
}

void xpc_connection_send_barrier(xpc_connection_t connection, dispatch_block_t barrier)
{
	lock();
	connection_check(connection, "xpc_connection_send_barrier");
	enqueue(connection, (struct buffer){ 0 }, Block_copy(barrier));
	unlock();
}

xpc_object_t xpc_connection_send_message_with_reply_sync(xpc_connection_t connection,
							 xpc_object_t message)
{
	struct waiting waiting = { .message = message };

	lock();
	check_sender(connection, message, "xpc_connection_send_message_with_reply_sync");
	if (connection->handling && pthread_equal(connection->handler_thread, pthread_self()))
		misuse("xpc_connection_send_message_with_reply_sync: in the connection's own "
		       "handler, which waits for itself");
	if (connection->ended) {
		unlock();
		return XPC_ERROR_CONNECTION_INVALID;
	}
	waiting.id = ++connection->last_id;
	waiting.next = connection->waiting;
	connection->waiting = &waiting;
	send_frame(connection, FRAME_REQUEST, waiting.id, message);
	while (!waiting.reply)
		(void)pthread_cond_wait(&reply_arrived, &double_lock);
	unlock();
	return waiting.reply;
}

void xpc_connection_send_message_with_reply(xpc_connection_t connection, xpc_object_t message,
					    dispatch_queue_t queue, xpc_handler_t handler)
{
	struct waiting *waiting = allocate(sizeof(*waiting));

	lock();
	check_sender(connection, message, "xpc_connection_send_message_with_reply");
	if (queue)
		object_retain(queue);
	waiting->queue = queue ? queue : queue_private();
	waiting->handler = Block_copy(handler);
	waiting->id = ++connection->last_id;
	if (connection->ended) {
		waiting_end(waiting, XPC_ERROR_CONNECTION_INVALID);
	} else {
		waiting->next = connection->waiting;
		connection->waiting = waiting;
		send_frame(connection, FRAME_REQUEST, waiting->id, message);
	}
	unlock();
}
