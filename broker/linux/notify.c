/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams to NOTIFY_SOCKET, by a socket that does not block, and a queue before it. */
#include "notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "base/log.h"

struct notification {
	STAILQ_ENTRY(notification) all;
	int fd; /* -1: none */
	char text[];
};

static struct {
	STAILQ_HEAD(, notification) waiting;
	sd_event *event;
	int socket; /* -1: not open */
	sd_event_source *io; /* while something waits */
} manager = { .waiting = STAILQ_HEAD_INITIALIZER(manager.waiting), .socket = -1 };

static const char *manager_path(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path && path[0] != '\0' ? path : NULL;
}

void notify_start(sd_event *event)
{
	manager.event = event;
}

bool notify_has_manager(void)
{
	return manager_path() != NULL;
}

/* Returns 0 or a negative errno. */
static int open_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = manager_path();
	size_t length = strlen(path);
	int result = 0;

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	else
		length++;
	manager.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (manager.socket < 0)
		return -errno;
	/* Nobody sends anything to a socket without a name; nor could he. */
	if (shutdown(manager.socket, SHUT_RD) < 0 ||
	    connect(manager.socket, (const struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0) {
		result = -errno;
		(void)close(manager.socket);
		manager.socket = -1;
	}
	return result;
}

/* Returns 0 or a negative errno: -EAGAIN when the manager takes nothing now. */
static int send_now(const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	int result = manager.socket < 0 ? open_socket() : 0;

	if (result < 0)
		return result;
	if (fd >= 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	do
		result = sendmsg(manager.socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
	while (result == -EINTR);
	return result;
}

static void drop(struct notification *notification)
{
	STAILQ_REMOVE(&manager.waiting, notification, notification, all);
	free(notification);
	if (STAILQ_EMPTY(&manager.waiting))
		manager.io = sd_event_source_disable_unref(manager.io);
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct notification *first;
	int result = 0;

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	while ((first = STAILQ_FIRST(&manager.waiting))) {
		result = send_now(first->text, first->fd);
		if (result == -EAGAIN)
			return 0;
		if (result < 0)
			log_warning(NULL, "the service manager cannot be told %s: %s", first->text,
				    strerror(-result));
		drop(first);
	}
	return 0;
}

static int enqueue(const char *text, int fd)
{
	struct notification *notification = malloc(sizeof(*notification) + strlen(text) + 1);
	int result = 0;

	if (!notification)
		return -ENOMEM;
	notification->fd = fd;
	strcpy(notification->text, text);
	if (!manager.io)
		result = sd_event_add_io(manager.event, &manager.io, manager.socket, EPOLLOUT,
					 on_writable, NULL);
	if (result < 0) {
		free(notification);
		return result;
	}
	STAILQ_INSERT_TAIL(&manager.waiting, notification, all);
	return 0;
}

int notify_with_fd(const char *text, int fd)
{
	int result = -EAGAIN;

	if (STAILQ_EMPTY(&manager.waiting))
		result = send_now(text, fd);
	return result == -EAGAIN ? enqueue(text, fd) : result;
}

void notify(const char *text)
{
	int result = notify_has_manager() ? notify_with_fd(text, -1) : 0;

	if (result < 0)
		log_warning(NULL, "the service manager cannot be told %s: %s", text,
			    strerror(-result));
}

bool notify_withdraw(int fd)
{
	struct notification *notification;

	STAILQ_FOREACH(notification, &manager.waiting, all)
	{
		if (notification->fd != fd)
			continue;
		drop(notification);
		return true;
	}
	return false;
}

bool notify_is_pending(void)
{
	return !STAILQ_EMPTY(&manager.waiting);
}

void notify_stop(void)
{
	while (notify_is_pending())
		drop(STAILQ_FIRST(&manager.waiting));
	if (manager.socket >= 0)
		(void)close(manager.socket);
	manager.socket = -1;
}
