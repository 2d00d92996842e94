/* SPDX-License-Identifier: Apache-2.0 */
/* The socket of a connection: every byte and every descriptor that passes. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define INPUT_SIZE_MIN ((size_t)4 * 1024)
/* The kernel's limit of one message (SCM_MAX_FD). */
#define MESSAGE_FDS_MAX 253

int vmnet_broker_transport_connect(struct transport *transport, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	transport->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (transport->fd < 0)
		return -errno;
	do
		r = connect(transport->fd, (struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

void vmnet_broker_transport_close(struct transport *transport)
{
	vmnet_broker_transport_close_fds(transport);
	free(transport->input);
	if (transport->fd >= 0)
		close(transport->fd);
	*transport = (struct transport)TRANSPORT_INIT;
}

int vmnet_broker_transport_connect_again(struct transport *transport, const char *path)
{
	struct transport new = TRANSPORT_INIT;
	int r = vmnet_broker_transport_connect(&new, path);

	if (r == 0 && dup3(new.fd, transport->fd, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0) {
		vmnet_broker_transport_close_fds(transport);
		transport->input_start = transport->input_scanned = transport->input_end = 0;
	}
	vmnet_broker_transport_close(&new);
	return r;
}

void vmnet_broker_transport_shut_down(struct transport *transport)
{
	(void)shutdown(transport->fd, SHUT_RDWR);
}

int vmnet_broker_transport_send(struct transport *transport, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(transport->fd, text, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

void vmnet_broker_transport_close_fds(struct transport *transport)
{
	for (size_t i = 0; i < transport->n_fds; i++)
		if (transport->fds[i] >= 0)
			close(transport->fds[i]);
	transport->n_fds = 0;
	transport->lost_fds = false;
}

static void take_fd(struct transport *transport, int fd)
{
	if (!transport->wants_fds) {
		close(fd);
	} else if (transport->n_fds >= TRANSPORT_FDS_MAX) {
		transport->lost_fds = true;
		close(fd);
	} else {
		transport->fds[transport->n_fds++] = fd;
	}
}

static void take_fds(struct transport *transport, struct msghdr *header)
{
	if (header->msg_flags & MSG_CTRUNC)
		transport->lost_fds = true;
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			take_fd(transport, fd);
		}
	}
}

/* Makes room behind what has come. */
static int make_room(struct transport *transport)
{
	size_t length = transport->input_end - transport->input_start;
	size_t size = transport->input_size > 0 ? transport->input_size * 2 : INPUT_SIZE_MIN;
	char *input;

	if (transport->input_start > 0) {
		memmove(transport->input, transport->input + transport->input_start, length);
		transport->input_scanned -= transport->input_start;
		transport->input_start = 0;
		transport->input_end = length;
	}
	if (length < transport->input_size)
		return 0;
	if (transport->input_size >= TRANSPORT_REPLY_MAX)
		return -EMSGSIZE;
	input = realloc(transport->input, size);
	if (!input)
		return -ENOMEM;
	transport->input = input;
	transport->input_size = size;
	return 0;
}

/* Reads once. Returns 0, or a negative errno: -EAGAIN when nothing has come. */
static int read_some(struct transport *transport)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	int r;

	r = make_room(transport);
	if (r < 0)
		return r;
	iov.iov_base = transport->input + transport->input_end;
	iov.iov_len = transport->input_size - transport->input_end;
	do
		n = recvmsg(transport->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(transport, &header);
	transport->input_end += (size_t)n;
	return n > 0 ? 0 : -ECONNRESET;
}

static int64_t now_milliseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* deadline: -1 is none. Returns 0 when there is something to read, or its end. */
static int wait_for_input(const struct transport *transport, int64_t deadline)
{
	struct pollfd pollfd = { .fd = transport->fd, .events = POLLIN };
	int timeout = -1;
	int n;

	if (deadline >= 0) {
		int64_t left = deadline - now_milliseconds();

		timeout = left > 0 ? (int)left : 0;
	}
	n = poll(&pollfd, 1, timeout);
	if (n < 0)
		return -errno;
	return n > 0 ? 0 : -ETIMEDOUT;
}

/* Gives the first message that was not taken. Looks at each byte once. */
static bool take_message(struct transport *transport, const char **message, size_t *length)
{
	const char *end = NULL;

	if (transport->input_scanned < transport->input_end)
		end = memchr(transport->input + transport->input_scanned, '\0',
			     transport->input_end - transport->input_scanned);
	if (!end) {
		transport->input_scanned = transport->input_end;
		return false;
	}
	*message = transport->input + transport->input_start;
	*length = (size_t)(end - *message);
	transport->input_start += *length + 1;
	transport->input_scanned = transport->input_start;
	return true;
}

int vmnet_broker_transport_receive(struct transport *transport, int timeout, const char **message,
				   size_t *length)
{
	int64_t deadline = timeout < 0 ? -1 : now_milliseconds() + timeout;

	while (!take_message(transport, message, length)) {
		int r = read_some(transport);

		if (r == -EAGAIN)
			r = wait_for_input(transport, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}
