/* SPDX-License-Identifier: Apache-2.0 */
/* A thread beside the policy's: order, threads, and the end. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/linux/worker.h"

#define N_JOBS 1000

struct counted_job {
	struct job job;
	int number;
};

static struct {
	sd_event *event;
	pthread_t thread; /* the policy's */
	int run; /* the worker's, until it has stopped */
	int done;
} seen;

static void run(struct job *job)
{
	assert_false(pthread_equal(pthread_self(), seen.thread));
	assert_int_equal(((struct counted_job *)job)->number, seen.run++);
}

static void done(struct job *job)
{
	assert_true(pthread_equal(pthread_self(), seen.thread));
	assert_int_equal(((struct counted_job *)job)->number, seen.done++);
	free(job);
}

static void submit(int number)
{
	struct counted_job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	*job = (struct counted_job){ .job = { .run = run, .done = done }, .number = number };
	worker_submit(&network_worker, &job->job);
}

static int setup(void **state)
{
	(void)state;
	seen.thread = pthread_self();
	seen.run = 0;
	seen.done = 0;
	assert_true(sd_event_new(&seen.event) >= 0);
	assert_int_equal(worker_start(&network_worker, seen.event), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	seen.event = sd_event_unref(seen.event);
	return 0;
}

static void test_in_order(void **state)
{
	(void)state;
	assert_true(worker_is_idle(&network_worker));
	for (int i = 0; i < N_JOBS; i++)
		submit(i);
	assert_false(worker_is_idle(&network_worker));
	while (!worker_is_idle(&network_worker))
		assert_true(sd_event_run(seen.event, UINT64_MAX) >= 0);
	assert_int_equal(seen.run, N_JOBS);
	assert_int_equal(seen.done, N_JOBS);
	worker_stop(&network_worker);
}

static void test_stop_finishes(void **state)
{
	(void)state;
	for (int i = 0; i < N_JOBS; i++)
		submit(i);
	worker_stop(&network_worker);
	assert_int_equal(seen.done, N_JOBS);
	assert_true(worker_is_idle(&network_worker));
}

static void test_close(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	worker_close(ends[0]);
	worker_close(ends[1]);
	worker_stop(&network_worker);
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(fcntl(ends[1], F_GETFD), -1);
}

/* A job that runs until it is told to end, or notes that it has run. */
struct noting_job {
	struct job job;
	char name;
	int fd;
};

#define N_NOTED 24
static char noted[N_NOTED + 1];

static void run_on(struct job *job)
{
	const int fd = ((struct noting_job *)job)->fd;
	char byte = 0;

	assert_int_equal(write(fd, &byte, sizeof(byte)), sizeof(byte));
	assert_int_equal(read(fd, &byte, sizeof(byte)), 0);
}

static void note(struct job *job)
{
	const struct noting_job *self = (struct noting_job *)job;

	noted[strlen(noted)] = self->name;
	assert_true(fcntl(self->fd, F_GETFD) >= 0);
}

static void noted_done(struct job *job)
{
	(void)job;
}

/* The worker has something to do until the second of ends is closed. */
static void hold_up(struct noting_job *gate, int ends[2])
{
	char byte;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*gate = (struct noting_job){
		.job = { .run = run_on, .done = noted_done },
		.fd = ends[0],
	};
	worker_submit(&network_worker, &gate->job);
	assert_int_equal(read(ends[1], &byte, sizeof(byte)), sizeof(byte));
}

/* Who has many jobs waits for himself, and nobody for descriptors that are to be closed. */
static void test_turns(void **state)
{
	struct noting_job gate;
	struct noting_job jobs[] = {
		{ .name = 'a', .job.owner = JOB_OWNER(0) },
		{ .name = 'b', .job.owner = JOB_OWNER(0) },
		{ .name = 'c', .job.owner = JOB_OWNER(0) },
		{ .name = 'd', .job.owner = JOB_OWNER(1001) },
		{ .name = 'e', .job.owner = 0 },
		{ .name = 'f', .job.owner = JOB_OWNER(1001) },
	};
	int ends[2];

	(void)state;
	hold_up(&gate, ends);
	worker_close(ends[0]);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i].fd = ends[0];
		jobs[i].job.run = note;
		jobs[i].job.done = noted_done;
		worker_submit(&network_worker, &jobs[i].job);
	}
	assert_int_equal(close(ends[1]), 0);
	worker_stop(&network_worker);
	assert_string_equal(noted, "adebfc");
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
}

static void note_all(struct job *job)
{
	for (; job; job = job->next)
		noted[strlen(noted)] = ((struct noting_job *)job)->name;
	noted[strlen(noted)] = ' ';
}

static void count_done(struct job *job)
{
	(void)job;
	seen.done++;
}

/* Those that are submitted one behind the other, but not all of many. */
static void test_at_once(void **state)
{
	static const char names[] = "abCdefghijklmnopq";
	struct noting_job gate;
	struct noting_job jobs[sizeof(names) - 1];
	int ends[2];

	(void)state;
	memset(noted, 0, sizeof(noted));
	hold_up(&gate, ends);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = (struct noting_job){
			.job = { .run = note_all, .done = count_done, .at_once = names[i] != 'C' },
			.name = names[i],
		};
		worker_submit(&network_worker, &jobs[i].job);
	}
	assert_int_equal(close(ends[1]), 0);
	worker_stop(&network_worker);
	assert_int_equal(close(ends[0]), 0);
	assert_string_equal(noted, "ab C defghijk lmnopq ");
	assert_int_equal(seen.done, ARRAY_SIZE(jobs));
}

static void note_whether_open(struct job *job)
{
	noted[strlen(noted)] = fcntl(((struct noting_job *)job)->fd, F_GETFD) >= 0 ? 'o' : 'c';
}

/* However many others there are, what nobody waits for has a turn now and then. */
static void test_the_last_have_turns(void **state)
{
	struct noting_job gate;
	struct noting_job jobs[N_NOTED];
	int ends[2];
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	memset(noted, 0, sizeof(noted));
	assert_true(null >= 0);
	hold_up(&gate, ends);
	worker_close(null);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		jobs[i] = (struct noting_job){
			.job = { .run = note_whether_open, .done = noted_done },
			.fd = null,
		};
		worker_submit(&network_worker, &jobs[i].job);
	}
	assert_int_equal(close(ends[1]), 0);
	worker_stop(&network_worker);
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(strlen(noted), N_NOTED);
	assert_int_equal(noted[0], 'o');
	assert_int_equal(noted[N_NOTED - 1], 'c');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order), TEST(test_stop_finishes), TEST(test_close),
		TEST(test_turns),    TEST(test_at_once),       TEST(test_the_last_have_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
