/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into a broker: how long its loop is blocked, from when a wait
 * of its first thread returns until it waits again. What the kernel has had it
 * wait for a processor meanwhile is not counted: others had that.
 *
 * The file that $BENCH_LOOP names has struct blocked then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "vmnet-broker"
#define NS_PER_SEC UINT64_C(1000000000)

/* In nanoseconds. */
struct blocked {
	uint64_t times; /* how often */
	uint64_t longest;
	uint64_t longest_with_others; /* the time that others had counted */
};

static struct blocked *blocked; /* NULL where nothing is to be counted */
static pthread_t loop_thread;
static int loop_fd = -1; /* the epoll instance that it waits on; there may be others */
static int schedstat = -1;

/* Both clocks at once. */
struct look {
	uint64_t time;
	uint64_t waited; /* for a processor, by then */
};

static struct look woken; /* time 0: it has not waited yet */

static void fail(const char *what)
{
	fprintf(stderr, "loop: %s: %s\n", what, strerror(errno));
	_exit(EXIT_FAILURE);
}

static uint64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * NS_PER_SEC + (uint64_t)time.tv_nsec;
}

/* How long this thread has waited for a processor so far. */
static uint64_t waited_for_processor(void)
{
	char text[64];
	ssize_t n = pread(schedstat, text, sizeof(text) - 1, 0);
	char *rest;

	if (n <= 0)
		fail("schedstat");
	text[n] = '\0';
	(void)strtoull(text, &rest, 10);
	return strtoull(rest, NULL, 10);
}

/* What the broker forks is not its loop. */
static void forget(void)
{
	blocked = NULL;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("BENCH_LOOP");
	int fd;

	if (!path || strcmp(program_invocation_short_name, PROGRAM) != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || schedstat < 0)
		fail(path);
	blocked = mmap(NULL, sizeof(*blocked), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (blocked == MAP_FAILED || pthread_atfork(NULL, NULL, forget) != 0)
		fail(path);
	(void)close(fd);
	(void)unsetenv("BENCH_LOOP"); /* nor is what it executes */
	loop_thread = pthread_self();
}

/* Nobody else has had the processor from one to the other: one would have that, and one not. */
static struct look look(void)
{
	struct look look;

	do {
		look.waited = waited_for_processor();
		look.time = now();
	} while (waited_for_processor() != look.waited);
	return look;
}

static void waits(void)
{
	struct look at;
	uint64_t time;
	uint64_t others;

	if (woken.time == 0)
		return;
	blocked->times++;
	if (now() - woken.time <= blocked->longest)
		return;
	at = look();
	time = at.time - woken.time;
	others = at.waited - woken.waited;
	if (time > blocked->longest_with_others)
		blocked->longest_with_others = time;
	if (time - others > blocked->longest)
		blocked->longest = time - others;
}

/* The loop waits for as long as nothing happens; whoever does not is not it. */
static int is_loop(int fd, int timeout)
{
	if (!blocked || !pthread_equal(pthread_self(), loop_thread))
		return 0;
	if (loop_fd < 0 && timeout < 0)
		loop_fd = fd;
	return fd == loop_fd;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	int (*next)(int, struct epoll_event *, int, int) =
		(int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, __func__);
	const int is_of_loop = is_loop(fd, timeout);
	int result;
	int error;

	if (is_of_loop)
		waits();
	result = next(fd, events, max, timeout);
	error = errno;
	if (is_of_loop)
		woken = look();
	errno = error;
	return result;
}
