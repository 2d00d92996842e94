/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that waits: for sockets and timers. It starts with the first watch. */
#include "double.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ULL

static struct watch *watches;
static int wake_pipe[2];
static bool started;

uint64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

void loop_wake(void)
{
	/* A full pipe wakes as well. */
	if (started)
		(void)!write(wake_pipe[1], "", 1);
}

static int timeout_of(uint64_t deadline)
{
	uint64_t time = now();

	if (deadline == 0)
		return -1;
	if (deadline <= time)
		return 0;
	return (int)((deadline - time) / 1000000 + 1);
}

/* Fills fds with what to wait for, the pipe first. Returns how many. */
static nfds_t collect(struct pollfd **fds, int *timeout)
{
	uint64_t deadline = 0;
	nfds_t n = 1;

	for (const struct watch *watch = watches; watch; watch = watch->next)
		n++;
	*fds = allocate(n * sizeof(**fds));
	(*fds)[0] = (struct pollfd){ .fd = wake_pipe[0], .events = POLLIN };
	n = 1;
	for (const struct watch *watch = watches; watch; watch = watch->next) {
		(*fds)[n].fd = watch->want_read || watch->want_write ? watch->fd : -1;
		(*fds)[n].events = (short)((watch->want_read ? POLLIN : 0) |
					   (watch->want_write ? POLLOUT : 0));
		if (watch->deadline > 0 && (deadline == 0 || watch->deadline < deadline))
			deadline = watch->deadline;
		n++;
	}
	*timeout = timeout_of(deadline);
	return n;
}

static short events_of(const struct pollfd *fds, nfds_t n, int fd)
{
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].fd == fd)
			return fds[i].revents;
	return 0;
}

/* One that is ready may change the list: then the next round sees to the others. */
static void tell_one(const struct pollfd *fds, nfds_t n)
{
	uint64_t time = now();

	for (struct watch *watch = watches; watch; watch = watch->next) {
		short events = watch->fd >= 0 ? events_of(fds, n, watch->fd) : 0;
		bool readable = watch->want_read && (events & (POLLIN | POLLHUP | POLLERR));
		bool writable = watch->want_write && (events & (POLLOUT | POLLHUP | POLLERR));
		bool due = watch->deadline > 0 && watch->deadline <= time;

		if (!readable && !writable && !due)
			continue;
		if (due)
			watch->deadline = 0;
		/* To the end of the line, so that nobody starves. */
		loop_remove(watch);
		loop_add(watch);
		watch->ready(watch, readable, writable, due);
		return;
	}
}

static void *run(void *unused)
{
	for (;;) {
		struct pollfd *fds;
		char drain[64];
		int timeout;
		nfds_t n;

		lock();
		n = collect(&fds, &timeout);
		unlock();
		(void)poll(fds, n, timeout);
		if (fds[0].revents)
			(void)!read(wake_pipe[0], drain, sizeof(drain));
		lock();
		tell_one(fds, n);
		unlock();
		free(fds);
	}
	return unused;
}

static void start(void)
{
	sigset_t all;
	sigset_t before;
	pthread_t thread;

	if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		broken("double: pipe2");
	started = true;
	/* Signals are the program's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, NULL) != 0)
		broken("double: pthread_create");
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_detach(thread);
}

void loop_add(struct watch *watch)
{
	struct watch **link = &watches;

	lock();
	if (!started)
		start();
	while (*link)
		link = &(*link)->next;
	watch->next = NULL;
	*link = watch;
	unlock();
	loop_wake();
}

void loop_remove(struct watch *watch)
{
	lock();
	for (struct watch **link = &watches; *link; link = &(*link)->next) {
		if (*link == watch) {
			*link = watch->next;
			break;
		}
	}
	unlock();
	/* A socket that is waited for is not closed before that ends. */
	loop_wake();
}
