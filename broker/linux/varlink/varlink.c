/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accepts connections, at the pace that the system allows. Behind it:
 *
 *	turns.c		whose turn is next: to come in, to be read, to be served
 *	admission.c	who comes in
 *	peer.c		who it is: pid, uid, groups
 *	connection.c	one client: when it is read, served, ended
 *	stream.c	its messages and descriptors, on the socket
 *	calls.c		the methods
 *	attach_options.c	what Attach asks for with an interface
 *	lists.c		those that list, part by part
 *	metrics.c	io.systemd.Metrics
 *	describe.c	the policy's structures and errors in the protocol's words
 *	sending.c	what it is sent
 *	events.c	what those are told who monitor
 *	untaken.c	descriptors on their way
 *	disposal.c	the socket's end
 *	fdstore.c	what is left for another broker
 *	restore.c	and how that goes on with it
 */
#include "varlink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "connection.h"
#include "disposal.h"
#include "events.h"
#include "restore.h"
#include "turns.h"

/* How long nobody is accepted after the system had no room for another client. */
#define PAUSE_USEC ((uint64_t)200 * 1000)
/* So many are accepted at a time, which takes little: they come in in their users' turns. */
#define ACCEPT_MAX 16

struct listening {
	int fd;
	sd_event_source *io;
	sd_event_source *pause; /* ends the pause */
	bool has_paused; /* since somebody was accepted */
};

static struct listening listening = { .fd = -1 };

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	(void)sd_event_source_set_enabled(listening.io, SD_EVENT_ON);
	return 0;
}

/* Clients wait in the socket's queue meanwhile. */
static void pause_accepting(int error)
{
	if (!listening.has_paused)
		log_warning(NULL, "clients have to wait: %s", strerror(error));
	listening.has_paused = true;
	timer_set(listening.pause, PAUSE_USEC);
	(void)sd_event_source_set_enabled(listening.io, SD_EVENT_OFF);
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)events;
	(void)userdata;
	for (unsigned int i = 0; i < ACCEPT_MAX; i++) {
		int client_fd = -1;

		if (users_prepare() == 0)
			client_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client_fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				pause_accepting(errno);
			return 0;
		}
		listening.has_paused = false;
		stream_refuse_fds(client_fd);
		users_arrive(client_fd);
	}
	return 0;
}

static int add_sources(int listen_fd)
{
	int r = sd_event_add_io(linux_platform.event, &listening.io, listen_fd, EPOLLIN, on_client,
				NULL);

	if (r < 0)
		return r;
	r = timer_add(linux_platform.event, &listening.pause, on_pause_over, NULL);
	if (r < 0)
		return r;
	r = events_start(linux_platform.event);
	if (r < 0)
		return r;
	return users_start(linux_platform.event);
}

static void remove_sources(void)
{
	users_stop();
	events_stop();
	listening.pause = sd_event_source_disable_unref(listening.pause);
	listening.io = sd_event_source_disable_unref(listening.io);
}

int varlink_start(int listen_fd)
{
	int flags = fcntl(listen_fd, F_GETFL);
	int r;

	if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	stream_refuse_fds(listen_fd);
	r = add_sources(listen_fd);
	if (r < 0) {
		remove_sources();
		return r;
	}
	listening.fd = listen_fd;
	connections_restore();
	return 0;
}

void varlink_leave(void)
{
	(void)sd_event_source_set_enabled(listening.io, SD_EVENT_OFF);
	(void)sd_event_source_set_enabled(listening.pause, SD_EVENT_OFF);
	connections_leave();
}

bool varlink_has_calls(void)
{
	return users_have_calls() || events_are_pending() || lists_are_pending();
}

void varlink_stop(void)
{
	connections_end();
	remove_sources();
	/* With those who have not been accepted, and what they sent. */
	if (listening.fd >= 0)
		disposal_leave(listening.fd);
	listening = (struct listening){ .fd = -1 };
}
