/* SPDX-License-Identifier: Apache-2.0 */
/* What comes in by a connection's socket: frames, and its end. */
#include <errno.h>
#include <string.h>

#include "xpc_connection.h"

static void on_request(xpc_connection_t connection, uint64_t id, xpc_object_t message)
{
	struct reply_context *context = allocate(sizeof(*context));

	object_retain(connection);
	context->connection = connection;
	context->id = id;
	dictionary_set_reply_context(message, context);
	connection_push(connection, message);
}

static void on_frame(xpc_connection_t connection, const struct buffer *frame)
{
	struct reader reader = { .buffer = frame, .at = sizeof(struct frame_header) };
	struct frame_header header;
	xpc_object_t value = XPC_ERROR_CONNECTION_INTERRUPTED;

	if (frame->length < sizeof(header))
		misuse("a message of the double is cut");
	memcpy(&header, frame->bytes, sizeof(header));
	if (header.kind != FRAME_NO_REPLY) {
		value = value_decode(&reader);
		dictionary_set_remote(value, connection);
	}
	switch ((enum frame_kind)header.kind) {
	case FRAME_MESSAGE:
		connection_push(connection, value);
		break;
	case FRAME_REQUEST:
		on_request(connection, header.id, value);
		break;
	case FRAME_REPLY:
	case FRAME_NO_REPLY:
		connection_on_reply(connection, header.id, value);
		break;
	}
}

static void on_end_of_stream(xpc_connection_t connection)
{
	if (connection->kind == CONNECTION_PEER) {
		connection_end(connection);
		return;
	}
	connection_disconnect(connection, XPC_ERROR_CONNECTION_INTERRUPTED);
	connection_push(connection, XPC_ERROR_CONNECTION_INTERRUPTED);
}

static void receive(xpc_connection_t connection)
{
	for (;;) {
		struct buffer frame = { .bytes = allocate(FRAME_MAX) };
		ssize_t length = frame_receive(connection->watch.fd, &frame);

		if (length > 0 && !connection->terminated)
			on_frame(connection, &frame);
		buffer_clear(&frame);
		/* The other side has left something unread; what it wrote comes after this. */
		if (length < 0 && (errno == ECONNRESET || errno == EINTR))
			continue;
		if (length == 0)
			on_end_of_stream(connection);
		if (length <= 0)
			break;
	}
	connection_pump(connection);
}

void connection_on_socket(struct watch *watch, bool readable, bool writable, bool due)
{
	xpc_connection_t connection =
		(xpc_connection_t)((char *)watch - offsetof(struct _xpc_connection_s, watch));

	(void)due;
	object_retain(connection);
	if (writable) {
		watch->want_write = false;
		connection_flush(connection);
	}
	if (readable && connection->kind == CONNECTION_LISTENER)
		connection_accept(connection);
	else if (readable && watch->fd >= 0)
		receive(connection);
	object_release(connection);
}
