/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A socket with descriptors in it is closed by a thread of its own. They are
 * never received: a file in the broker's table would be flushed when it is
 * closed, which a file system of the user's own can keep from ending.
 */
#include "disposal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/linux/input.h"

struct disposal {
	struct disposal *next;
	int fd;
	uid_t uid;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disposal *pending;
static struct disposal *left; /* by disposal_leave() */
static bool is_closing; /* there is a thread for these */

static void unlink_disposal(const struct disposal *self)
{
	struct disposal **link = &pending;

	(void)pthread_mutex_lock(&lock);
	while (*link != self)
		link = &(*link)->next;
	*link = self->next;
	(void)pthread_mutex_unlock(&lock);
}

static void *run(void *argument)
{
	struct disposal *self = argument;

	(void)close(self->fd);
	unlink_disposal(self);
	free(self);
	return NULL;
}

static void *close_left(void *argument)
{
	struct disposal *self;

	(void)argument;
	(void)pthread_mutex_lock(&lock);
	while ((self = left)) {
		left = self->next;
		(void)pthread_mutex_unlock(&lock);
		(void)close(self->fd);
		free(self);
		(void)pthread_mutex_lock(&lock);
	}
	is_closing = false;
	(void)pthread_mutex_unlock(&lock);
	return NULL;
}

static int start_thread(void *(*function)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int result = pthread_attr_init(&attributes);

	if (result)
		return result;
	result = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (!result)
		result = pthread_create(&thread, &attributes, function, argument);
	(void)pthread_attr_destroy(&attributes);
	return result;
}

/* Without a thread it stays open, and its user shut out; without memory it just stays open. */
static void close_apart(int fd, uid_t uid)
{
	struct disposal *self = malloc(sizeof(*self));

	if (!self)
		return;
	(void)pthread_mutex_lock(&lock);
	*self = (struct disposal){ .next = pending, .fd = fd, .uid = uid };
	pending = self;
	(void)pthread_mutex_unlock(&lock);
	(void)start_thread(run, self);
}

/* Of a socket that has been shut down: nothing more comes. */
static bool has_descriptors(int fd)
{
	char bytes[4096];
	ssize_t n;

	while ((n = vmnet_broker_input_peek(fd, bytes, sizeof(bytes))) > 0)
		(void)recv(fd, bytes, (size_t)n, MSG_DONTWAIT);
	return n == -EPERM;
}

void disposal_close(int fd, uid_t uid)
{
	/* The peer need not wait, or whoever has a copy, to see the end. */
	(void)shutdown(fd, SHUT_RDWR);
	if (has_descriptors(fd))
		close_apart(fd, uid);
	else
		(void)close(fd);
}

/* More may come at any time. One after the other: there can be thousands. */
void disposal_leave(int fd)
{
	struct disposal *self = malloc(sizeof(*self));

	if (!self)
		return;
	(void)pthread_mutex_lock(&lock);
	*self = (struct disposal){ .next = left, .fd = fd };
	left = self;
	if (!is_closing)
		is_closing = start_thread(close_left, NULL) == 0;
	(void)pthread_mutex_unlock(&lock);
}

bool disposal_is_pending(uid_t uid)
{
	const struct disposal *disposal;

	(void)pthread_mutex_lock(&lock);
	for (disposal = pending; disposal && disposal->uid != uid; disposal = disposal->next)
		;
	(void)pthread_mutex_unlock(&lock);
	return disposal;
}
