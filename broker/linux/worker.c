/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues of a thread: jobs to run, jobs that can wait for these, and jobs that have run. An
 * eventfd tells the loop of the last.
 */
#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/container_of.h"

/* Jobs that can wait are not passed over for ever, whatever others ask for. */
#define PASSED_OVER_MAX 8

struct queue {
	struct job *first;
	struct job **end;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct queue waiting; /* in the order of turns */
	uint64_t turn; /* of the last one that came out */
	struct queue last;
	unsigned int passed_over; /* the last ones, in a row */
	struct queue finished;
	bool stopping;
	unsigned int pending; /* submitted, done() has not returned; the policy's thread alone */
	int eventfd;
	sd_event_source *source;
};

#define WORKER(name)                                                                  \
	{                                                                             \
		.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER,  \
		.waiting.end = &(name).waiting.first, .last.end = &(name).last.first, \
		.finished.end = &(name).finished.first, .eventfd = -1,                \
	}

struct worker network_worker = WORKER(network_worker);
struct worker attach_worker = WORKER(attach_worker);

struct close_job {
	struct job job;
	int fd;
};

static void queue_push(struct queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->end = job;
	queue->end = &job->next;
}

/* Behind all of its owner's, and before those of others that have had more turns. */
static void insert(struct worker *worker, struct job *job)
{
	struct queue *queue = &worker->waiting;
	struct job **place = &queue->first;
	uint64_t before = worker->turn;

	for (const struct job *other = queue->first; other; other = other->next)
		if (other->owner == job->owner)
			before = other->turn;
	job->turn = before + 1;
	while (*place && (*place)->turn <= job->turn)
		place = &(*place)->next;
	job->next = *place;
	*place = job;
	if (!job->next)
		queue->end = &job->next;
}

static struct job *queue_pop(struct queue *queue)
{
	struct job *job = queue->first;

	if (!job)
		return NULL;
	queue->first = job->next;
	if (!queue->first)
		queue->end = &queue->first;
	return job;
}

static void lock(struct worker *worker)
{
	(void)pthread_mutex_lock(&worker->lock);
}

static void unlock(struct worker *worker)
{
	(void)pthread_mutex_unlock(&worker->lock);
}

static struct job *next_job(struct worker *worker)
{
	struct job *job = NULL;

	if (!worker->last.first || worker->passed_over < PASSED_OVER_MAX)
		job = queue_pop(&worker->waiting);
	if (!job) {
		worker->passed_over = 0;
		return queue_pop(&worker->last);
	}
	if (worker->last.first)
		worker->passed_over++;
	worker->turn = job->turn;
	return job;
}

/* Takes out of the queue what runs at once with a job, and hangs it on. */
static void add_others(struct worker *worker, struct job *job)
{
	struct job *last = job;

	last->next = NULL;
	for (int i = 1; job->at_once && i < JOBS_AT_ONCE_MAX; i++) {
		const struct job *other = worker->waiting.first;

		if (!other || !other->at_once || other->run != job->run)
			return;
		last->next = queue_pop(&worker->waiting);
		last = last->next;
		last->next = NULL;
		worker->turn = last->turn;
	}
}

static void push_all(struct queue *queue, struct job *job)
{
	struct job *next;

	for (; job; job = next) {
		next = job->next;
		queue_push(queue, job);
	}
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct job *job;

	lock(worker);
	for (;;) {
		while (!(job = next_job(worker)) && !worker->stopping)
			(void)pthread_cond_wait(&worker->wake, &worker->lock);
		if (!job)
			break;
		add_others(worker, job);
		unlock(worker);
		job->run(job);
		lock(worker);
		push_all(&worker->finished, job);
		unlock(worker);
		/* Fails only when the counter is at its end: the loop will wake anyway. */
		(void)eventfd_write(worker->eventfd, 1);
		lock(worker);
	}
	unlock(worker);
	return NULL;
}

static void finish_jobs(struct worker *worker)
{
	struct job *job;

	for (;;) {
		lock(worker);
		job = queue_pop(&worker->finished);
		unlock(worker);
		if (!job)
			return;
		job->done(job);
		worker->pending--;
	}
}

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct worker *worker = userdata;
	eventfd_t count;

	(void)source;
	(void)events;
	(void)eventfd_read(fd, &count);
	finish_jobs(worker);
	return 0;
}

int worker_start(struct worker *worker, sd_event *event)
{
	int result;

	worker->stopping = false;
	worker->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->eventfd < 0)
		return -errno;
	result = sd_event_add_io(event, &worker->source, worker->eventfd, EPOLLIN, on_finished,
				 worker);
	/* Clients wait for what is done; notifications of what it did can wait for them. */
	if (result >= 0)
		result = sd_event_source_set_priority(worker->source, SD_EVENT_PRIORITY_IMPORTANT);
	if (result >= 0)
		result = -pthread_create(&worker->thread, NULL, run, worker);
	if (result < 0) {
		worker->source = sd_event_source_unref(worker->source);
		(void)close(worker->eventfd);
		worker->eventfd = -1;
	}
	return result;
}

static void submitted(struct worker *worker)
{
	unlock(worker);
	/* Whoever wakes up would only wait for the lock. */
	(void)pthread_cond_signal(&worker->wake);
}

void worker_submit(struct worker *worker, struct job *job)
{
	worker->pending++;
	lock(worker);
	insert(worker, job);
	submitted(worker);
}

void worker_submit_last(struct worker *worker, struct job *job)
{
	worker->pending++;
	lock(worker);
	queue_push(&worker->last, job);
	submitted(worker);
}

bool worker_is_idle(const struct worker *worker)
{
	return worker->pending == 0;
}

void worker_stop(struct worker *worker)
{
	lock(worker);
	worker->stopping = true;
	(void)pthread_cond_signal(&worker->wake);
	unlock(worker);
	(void)pthread_join(worker->thread, NULL);
	finish_jobs(worker);
	worker->source = sd_event_source_unref(worker->source);
	(void)close(worker->eventfd);
	worker->eventfd = -1;
}

static void run_close(struct job *job)
{
	(void)close(container_of(job, struct close_job, job)->fd);
}

static void close_done(struct job *job)
{
	free(job);
}

void worker_close(int fd)
{
	struct close_job *job = malloc(sizeof(*job));

	if (!job) {
		(void)close(fd);
		return;
	}
	*job = (struct close_job){ .job = { .run = run_close, .done = close_done }, .fd = fd };
	worker_submit_last(&network_worker, &job->job);
	/* cppcheck-suppress memleak; the job is the worker's now */
}
