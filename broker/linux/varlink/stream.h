/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing of Varlink on one socket that never blocks: messages end with a NUL byte, and may
 * bring open descriptors, which are sent to clients here. What waits here, in either direction, is
 * bounded. What a message says is calls.h's.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_STREAM_H
#define VMNET_BROKER_LINUX_VARLINK_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "wire/varlink_input.h"

/* What a client may send at once, and what it may be sent, in bytes with the NUL. */
#define CALL_SIZE_MAX ((size_t)64 * 1024)
#define REPLY_SIZE_MAX ((size_t)4 * 1024 * 1024)

struct interface_fds;
struct message;

struct stream {
	int fd;
	bool never_had_fds; /* nor can: the kernel has kept them out from the beginning */
	struct input input;
	struct message *output;
	struct message **output_tail;
	size_t output_size; /* bytes queued */
};

/*
 * Has the kernel keep out descriptors that come to fd, or to what it accepts (Linux 6.16);
 * and those that came before, out of band, are looked at as all others are. Before anything
 * else is done with a client's socket.
 */
void stream_refuse_fds(int fd);

/* Takes over fd, a connected socket with O_NONBLOCK that stream_refuse_fds() knows. */
void stream_init(struct stream *stream, int fd);

/*
 * Ends the connection and forgets what was not sent or not taken. Never blocks.
 * uid: whose it is.
 */
void stream_close(struct stream *stream, uid_t uid);

/* Ends it in the same way, but for the socket, which is returned open and shut down. */
int stream_end(struct stream *stream);

/* The same, but whoever has a copy of the socket can go on with it. */
void stream_leave(struct stream *stream);

/*
 * Reads once. Returns 1 when something came, 0 at the end of the stream, or a
 * negative errno: -EAGAIN when nothing has come, -EMSGSIZE when a message is
 * longer than CALL_SIZE_MAX, -EPERM when it brings descriptors.
 */
int stream_receive(struct stream *stream);

/* A whole message has come and was not taken yet. */
bool stream_has_message(struct stream *stream);

/* Nothing has come that was not taken, and nothing waits to be sent. */
bool stream_is_at_rest(const struct stream *stream);

/*
 * Takes the next message, terminated and valid until the next call on the
 * stream, or returns NULL.
 * length: gets its length without the terminator.
 */
const char *stream_take(struct stream *stream, size_t *length);

/*
 * Queues a message.
 * text, size: allocated, with its NUL; taken over whatever is returned.
 * fds: NULL, or sent with its first byte, and taken over with text.
 * Returns 0 or -ENOMEM.
 */
int stream_queue(struct stream *stream, char *text, size_t size, struct interface_fds *fds);

/*
 * Sends what the socket takes. Returns 0, or a negative errno: -EAGAIN when
 * something is left, -ETOOMANYREFS when the descriptors of the first message
 * cannot be sent now.
 */
int stream_flush(struct stream *stream);

/* Drops the first queued message, of which nothing has been sent. */
void stream_drop_first(struct stream *stream);

/* Drops every queued message of which nothing has been sent. */
void stream_drop_unsent(struct stream *stream);

#endif
