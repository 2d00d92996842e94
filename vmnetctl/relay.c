/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for each direction, which waits wherever its reader or writer does: so that one which
 * does not read keeps its own direction waiting alone, and descriptors that are others', too, stay
 * as they are.
 */
#include "relay.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "text.h"
#include "vmnetctl.h"

#define CHUNK (64 * 1024)

struct direction {
	int from, to;
	const char *reading, *writing; /* for people: what could not be done */
};

/* What ends one direction ends the other: the first one says why. */
static int failed(const char *what)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (atomic_flag_test_and_set(&said))
		return FAILED;
	complain("cannot %s: %s", what, strerror(errno));
	return FAILED;
}

static bool write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		data += n;
		length -= (size_t)n;
	}
	return true;
}

/* Until the end of what there is to read. */
static int copy(const struct direction *direction)
{
	char data[CHUNK];
	ssize_t n;

	while ((n = read(direction->from, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(direction->reading);
		if (!write_all(direction->to, data, (size_t)n))
			return failed(direction->writing);
	}
	return DONE;
}

/* Returns a non-NULL pointer when it has failed. */
static void *send_input(void *fd)
{
	const struct direction direction = { STDIN_FILENO, *(int *)fd, "read standard input",
					     "send to the machine" };
	int result = copy(&direction);

	if (result == DONE)
		(void)shutdown(direction.to, SHUT_WR);
	return result == DONE ? NULL : fd;
}

int relay(int fd)
{
	const struct direction direction = { fd, STDOUT_FILENO, "receive from the machine",
					     "write to standard output" };
	pthread_t sender;
	void *failure = NULL;
	int result;

	/* A write that nobody takes fails, and what came in before is read still. */
	(void)signal(SIGPIPE, SIG_IGN);
	errno = pthread_create(&sender, NULL, send_input, &fd);
	if (errno != 0)
		return failed("start a thread");
	result = copy(&direction);
	/* Nobody is to type into a connection that has ended. */
	if (result != DONE || isatty(STDIN_FILENO))
		return result;
	(void)close(STDOUT_FILENO);
	(void)pthread_join(sender, &failure);
	return failure ? FAILED : DONE;
}
