/* SPDX-License-Identifier: Apache-2.0 */
/* Sends and receives on the socket: every byte and every descriptor that passes. */
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

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
	vmnet_broker_input_clear(&transport->input);
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
		vmnet_broker_input_clear(&transport->input);
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

static void take_fd(void *context, int fd)
{
	struct transport *transport = context;

	if (fd >= 0 && !transport->wants_fds) {
		close(fd);
	} else if (fd >= 0 && transport->n_fds < TRANSPORT_FDS_MAX) {
		transport->fds[transport->n_fds++] = fd;
	} else {
		transport->lost_fds = true;
		if (fd >= 0)
			close(fd);
	}
}

/* Reads once. Returns 0, or a negative errno: -EAGAIN when nothing has come. */
static int read_some(struct transport *transport)
{
	int r = vmnet_broker_input_receive(&transport->input, transport->fd, TRANSPORT_REPLY_MAX,
					   take_fd, transport);

	if (r < 0)
		return r;
	return r > 0 ? 0 : -ECONNRESET;
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

int vmnet_broker_transport_receive(struct transport *transport, int timeout, const char **message,
				   size_t *length)
{
	int64_t deadline = timeout < 0 ? -1 : now_milliseconds() + timeout;

	while (!(*message = vmnet_broker_input_take(&transport->input, length))) {
		int r = read_some(transport);

		if (r == -EAGAIN)
			r = wait_for_input(transport, deadline);
		if (r < 0)
			return r;
	}
	return 0;
}
