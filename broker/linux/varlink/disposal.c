/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closes a socket with descriptors in it on a thread of its own. They are
 * never received: a file in the broker's table would be flushed when it is
 * closed, which a file system of the user's own can keep from ending. Another
 * thread, with a table of its own, has it for a moment longer and closes it by
 * its end: the kernel does not let connections linger then, for as long as their
 * owner has said, and threads do not gather.
 */
#include "disposal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/varlink_input.h"

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

/* A thread's own descriptors, and its end. */
struct last_holder {
	sem_t holds;
	sem_t may_end;
};

/* What a thread closes by its end does not linger, and nobody waits for a thread that ends. */
static void *hold_to_the_end(void *argument)
{
	struct last_holder *self = argument;

	/* Without, the other one has to wait. */
	(void)unshare(CLONE_FILES);
	(void)sem_post(&self->holds);
	(void)sem_wait(&self->may_end);
	return NULL;
}

static void *run(void *argument)
{
	struct disposal *self = argument;
	struct last_holder holder;
	pthread_t thread;
	bool is_held;

	(void)sem_init(&holder.holds, 0, 0);
	(void)sem_init(&holder.may_end, 0, 0);
	is_held = pthread_create(&thread, NULL, hold_to_the_end, &holder) == 0;
	if (is_held)
		(void)sem_wait(&holder.holds);
	(void)close(self->fd);
	if (is_held) {
		(void)sem_post(&holder.may_end);
		(void)pthread_join(thread, NULL);
	}
	(void)sem_destroy(&holder.holds);
	(void)sem_destroy(&holder.may_end);
	unlink_disposal(self);
	free(self);
	return NULL;
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
