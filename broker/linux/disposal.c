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

static int start_thread(struct disposal *self)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int result = pthread_attr_init(&attributes);

	if (result)
		return result;
	result = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (!result)
		result = pthread_create(&thread, &attributes, run, self);
	(void)pthread_attr_destroy(&attributes);
	return result;
}

/* Without a thread it stays open, and its user shut out. */
static void close_apart(int fd, uid_t uid)
{
	struct disposal *self = malloc(sizeof(*self));

	if (!self) {
		(void)close(fd);
		return;
	}
	(void)pthread_mutex_lock(&lock);
	*self = (struct disposal){ .next = pending, .fd = fd, .uid = uid };
	pending = self;
	(void)pthread_mutex_unlock(&lock);
	(void)start_thread(self);
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

bool disposal_is_pending(uid_t uid)
{
	const struct disposal *disposal;

	(void)pthread_mutex_lock(&lock);
	for (disposal = pending; disposal && disposal->uid != uid; disposal = disposal->next)
		;
	(void)pthread_mutex_unlock(&lock);
	return disposal;
}
