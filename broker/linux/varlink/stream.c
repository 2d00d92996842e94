/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends and receives. A message of ours is sent by calls of its own: descriptors reach the peer
 * with the first byte of the call that they were sent with, so messages are never joined.
 *
 * Descriptors that a client sends are nobody's wish. A new kernel is asked to
 * keep them out, by the listening socket: a client of it that connects later never
 * has any to be looked for. With an older one they are not received, and the
 * connection is ended (disposal.h).
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/linux/fds.h"
#include "broker/platform.h"
#include "disposal.h"

/* For headers older than the kernel. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

struct message {
	struct message *next;
	char *text;
	size_t size;
	size_t sent;
	struct interface_fds *fds; /* NULL: none, or sent */
};

/* An option that a kernel does not know is as on. */
static bool is_on(int fd, int option)
{
	int value = 1;

	(void)getsockopt(fd, SOL_SOCKET, option, &value, &(socklen_t){ sizeof(value) });
	return value != 0;
}

void stream_refuse_fds(int fd)
{
	/* The listening socket's, since the client has connected: none can have come before. */
	if (!is_on(fd, SO_PASSRIGHTS))
		return;
	/* Where the kernel does not know of it, who sends one is disconnected. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){ 0 }, sizeof(int));
	/* MSG_PEEK would pass over a byte sent with MSG_OOB, and recvmsg() free what it brings. */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &(int){ 1 }, sizeof(int));
}

void stream_init(struct stream *stream, int fd)
{
	*stream = (struct stream){ .fd = fd };
	stream->output_tail = &stream->output;
	stream->never_had_fds = !is_on(fd, SO_PASSRIGHTS) && !is_on(fd, SO_OOBINLINE);
}

static void message_free(struct message *message)
{
	if (message->fds)
		platform_fds_discard(message->fds);
	free(message->text);
	free(message);
}

void stream_drop_first(struct stream *stream)
{
	struct message *message = stream->output;

	stream->output = message->next;
	if (!stream->output)
		stream->output_tail = &stream->output;
	stream->output_size -= message->size;
	message_free(message);
}

void stream_drop_unsent(struct stream *stream)
{
	struct message *begun = stream->output;

	if (begun && begun->sent > 0) {
		stream->output = begun->next;
		stream->output_size -= begun->size;
	} else {
		begun = NULL;
	}
	while (stream->output)
		stream_drop_first(stream);
	if (begun) {
		begun->next = NULL;
		stream->output = begun;
		stream->output_size = begun->size;
		stream->output_tail = &begun->next;
	}
}

/* Forgets what was not sent or not taken. Returns the socket. */
static int give_up(struct stream *stream)
{
	int fd = stream->fd;

	while (stream->output)
		stream_drop_first(stream);
	vmnet_broker_input_clear(&stream->input);
	stream->fd = -1;
	return fd;
}

void stream_close(struct stream *stream, uid_t uid)
{
	disposal_close(give_up(stream), uid);
}

int stream_end(struct stream *stream)
{
	(void)shutdown(stream->fd, SHUT_RDWR);
	return give_up(stream);
}

void stream_leave(struct stream *stream)
{
	disposal_leave(give_up(stream));
}

static void drop_fd(void *context, int fd)
{
	(void)context;
	(void)close(fd);
}

int stream_receive(struct stream *stream)
{
	/* Without a function for them it looks first, each time. */
	return vmnet_broker_input_receive(&stream->input, stream->fd, CALL_SIZE_MAX,
					  stream->never_had_fds ? drop_fd : NULL, NULL);
}

bool stream_has_message(struct stream *stream)
{
	/* A client that is silent costs no buffer. */
	if (stream->input.start == stream->input.end)
		vmnet_broker_input_clear(&stream->input);
	return vmnet_broker_input_has_message(&stream->input);
}

bool stream_is_at_rest(const struct stream *stream)
{
	return !stream->output && stream->input.start == stream->input.end;
}

const char *stream_take(struct stream *stream, size_t *length)
{
	return vmnet_broker_input_take(&stream->input, length);
}

int stream_queue(struct stream *stream, char *text, size_t size, struct interface_fds *fds)
{
	struct message *message = calloc(1, sizeof(*message));

	if (!message) {
		if (fds)
			platform_fds_discard(fds);
		free(text);
		return -ENOMEM;
	}
	message->text = text;
	message->size = size;
	message->fds = fds;
	*stream->output_tail = message;
	stream->output_tail = &message->next;
	stream->output_size += size;
	return 0;
}

static void attach_fds(struct msghdr *header, const struct interface_fds *fds)
{
	struct cmsghdr *cmsg;
	size_t tap_size = fds->n_tap * sizeof(int);
	size_t vhost_size = fds->n_vhost * sizeof(int);

	header->msg_controllen = CMSG_SPACE(tap_size + vhost_size);
	cmsg = CMSG_FIRSTHDR(header);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(tap_size + vhost_size);
	memcpy(CMSG_DATA(cmsg), fds->tap, tap_size);
	memcpy(CMSG_DATA(cmsg) + tap_size, fds->vhost, vhost_size);
}

static int message_send(int fd, struct message *message)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * INTERFACE_QUEUES_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = {
		.iov_base = message->text + message->sent,
		.iov_len = message->size - message->sent,
	};
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (message->fds && message->fds->n_tap + message->fds->n_vhost > 0) {
		header.msg_control = &control;
		attach_fds(&header, message->fds);
	}
	do
		n = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	message->sent += (size_t)n;
	if (message->fds)
		platform_fds_discard(message->fds);
	message->fds = NULL;
	return message->sent < message->size ? -EAGAIN : 0;
}

int stream_flush(struct stream *stream)
{
	while (stream->output) {
		int r = message_send(stream->fd, stream->output);

		if (r < 0)
			return r;
		stream_drop_first(stream);
	}
	return 0;
}
