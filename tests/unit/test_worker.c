/* SPDX-License-Identifier: Apache-2.0 */
/* The second thread: order, threads, and the end. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "linux/worker.h"

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
	worker_submit(&job->job);
}

static int start(void **state)
{
	(void)state;
	seen.thread = pthread_self();
	seen.run = 0;
	seen.done = 0;
	assert_true(sd_event_new(&seen.event) >= 0);
	assert_int_equal(worker_start(seen.event), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	seen.event = sd_event_unref(seen.event);
	return 0;
}

static void test_in_order(void **state)
{
	(void)state;
	assert_true(worker_is_idle());
	for (int i = 0; i < N_JOBS; i++)
		submit(i);
	assert_false(worker_is_idle());
	while (!worker_is_idle())
		assert_true(sd_event_run(seen.event, UINT64_MAX) >= 0);
	assert_int_equal(seen.run, N_JOBS);
	assert_int_equal(seen.done, N_JOBS);
	worker_stop();
}

static void test_stop_finishes(void **state)
{
	(void)state;
	for (int i = 0; i < N_JOBS; i++)
		submit(i);
	worker_stop();
	assert_int_equal(seen.done, N_JOBS);
	assert_true(worker_is_idle());
}

static void test_close(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	worker_close(ends[0]);
	worker_close(ends[1]);
	worker_stop();
	assert_int_equal(fcntl(ends[0], F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(fcntl(ends[1], F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, start, stop),
		cmocka_unit_test_setup_teardown(test_stop_finishes, start, stop),
		cmocka_unit_test_setup_teardown(test_close, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
