/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, sources and semaphores. A queue has a thread while it has blocks; the
 * main queue has the main thread while that serves it.
 */
#include <Block.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "double.h"

#define NANOSECONDS 1000000000ULL

struct item {
	struct item *next;
	dispatch_block_t block; /* a copy */
	dispatch_queue_t queue; /* counted */
};

struct dispatch_queue_s {
	struct object object;
	struct item *items;
	bool running; /* it has a thread */
	pthread_t thread; /* while running */
	bool is_main;
};

struct dispatch_source_type_s {
	bool is_timer;
};

const struct dispatch_source_type_s _dispatch_source_type_signal = { .is_timer = false };
const struct dispatch_source_type_s _dispatch_source_type_timer = { .is_timer = true };

struct dispatch_source_s {
	struct object object;
	struct watch watch; /* of a timer */
	struct dispatch_source_s *next_signal; /* of active signal sources */
	dispatch_source_type_t type;
	int signal;
	uint64_t interval; /* nanoseconds; 0: it fires once */
	dispatch_queue_t queue; /* counted */
	dispatch_block_t handler; /* a copy */
	bool active;
	bool canceled;
};

/* Of a timer that fires once, for a block that nobody can take back. */
struct delayed {
	struct watch watch;
	dispatch_queue_t queue; /* counted */
	dispatch_block_t block; /* a copy */
};

struct dispatch_group_s {
	struct object object;
	pthread_cond_t changed;
	uintptr_t inside;
};

struct dispatch_semaphore_s {
	struct object object;
	pthread_cond_t changed;
	intptr_t value;
};

static struct dispatch_queue_s main_queue = {
	.object = { .magic = OBJECT_MAGIC, .kind = OBJECT_QUEUE, .references = IMMORTAL },
	.is_main = true,
};
static pthread_cond_t main_queue_changed = PTHREAD_COND_INITIALIZER;
static unsigned int queue_threads;

static struct watch signal_watch;
static int signal_pipe[2] = { -1, -1 };
static struct dispatch_source_s *signal_sources;

/* Any object */

void dispatch_retain(dispatch_object_t object)
{
	object_retain(object);
}

void dispatch_release(dispatch_object_t object)
{
	object_release(object);
}

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta)
{
	if (when == DISPATCH_TIME_FOREVER)
		return when;
	return (when == DISPATCH_TIME_NOW ? now() : when) + (uint64_t)delta;
}

/* Queues */

static void queue_dispose(struct object *object)
{
	const struct dispatch_queue_s *queue = (const struct dispatch_queue_s *)object;

	if (queue->items)
		misuse("dispatch_release: a queue ends with blocks in it");
}

dispatch_queue_t dispatch_get_main_queue(void)
{
	return &main_queue;
}

dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes)
{
	(void)label;
	if (attributes)
		misuse("dispatch_queue_create: the double knows serial queues only");
	return object_new(sizeof(struct dispatch_queue_s), OBJECT_QUEUE, queue_dispose);
}

dispatch_queue_t queue_private(void)
{
	return dispatch_queue_create(NULL, NULL);
}

/* Takes the first block of the queue, locked. NULL when there is none. */
static struct item *queue_take(dispatch_queue_t queue)
{
	struct item *item = queue->items;

	if (item)
		queue->items = item->next;
	return item;
}

static void item_run(struct item *item)
{
	item->block();
	Block_release(item->block);
	object_release(item->queue);
	free(item);
}

/* The queue lives for as long as it is referred to by an item, or by this. */
static void *queue_thread(void *argument)
{
	dispatch_queue_t queue = argument;
	struct item *item;

	lock();
	while ((item = queue_take(queue))) {
		unlock();
		item_run(item);
		lock();
	}
	queue->running = false;
	object_release(queue);
	queue_threads--;
	unlock();
	return NULL;
}

unsigned int queues_at_work(void)
{
	return queue_threads;
}

static void queue_start(dispatch_queue_t queue)
{
	sigset_t all;
	sigset_t before;

	if (queue->is_main) {
		(void)pthread_cond_broadcast(&main_queue_changed);
		return;
	}
	if (queue->running)
		return;
	queue->running = true;
	queue_threads++;
	object_retain(queue);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&queue->thread, NULL, queue_thread, queue) != 0)
		broken("double: pthread_create");
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_detach(queue->thread);
}

void dispatch_async(dispatch_queue_t queue, dispatch_block_t block)
{
	struct item *item = allocate(sizeof(*item));
	struct item **link;

	lock();
	object_check(queue, OBJECT_QUEUE, "dispatch_async");
	item->block = Block_copy(block);
	item->queue = queue;
	object_retain(queue);
	for (link = &queue->items; *link; link = &(*link)->next)
		;
	*link = item;
	queue_start(queue);
	unlock();
}

void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work)
{
	dispatch_async(queue, ^{
		work(context);
	});
}

static struct dispatch_queue_s global_queue = {
	.object = { .magic = OBJECT_MAGIC, .kind = OBJECT_QUEUE, .references = IMMORTAL },
};

dispatch_queue_t dispatch_get_global_queue(intptr_t identifier, uintptr_t flags)
{
	(void)identifier;
	if (flags != 0)
		misuse("dispatch_get_global_queue: flags are for nobody but 0");
	return &global_queue;
}

static void delay_ready(struct watch *watch, bool readable, bool writable, bool due)
{
	struct delayed *delayed = (struct delayed *)watch;

	(void)readable;
	(void)writable;
	if (!due)
		return;
	loop_remove(watch);
	dispatch_async(delayed->queue, delayed->block);
	Block_release(delayed->block);
	object_release(delayed->queue);
	free(delayed);
}

void dispatch_after(dispatch_time_t when, dispatch_queue_t queue, dispatch_block_t block)
{
	struct delayed *delayed;

	object_check(queue, OBJECT_QUEUE, "dispatch_after");
	if (when == DISPATCH_TIME_FOREVER)
		return;
	delayed = allocate(sizeof(*delayed));
	object_retain(queue);
	delayed->queue = queue;
	delayed->block = Block_copy(block);
	delayed->watch.fd = -1;
	delayed->watch.ready = delay_ready;
	delayed->watch.deadline = when == DISPATCH_TIME_NOW ? now() : when;
	loop_add(&delayed->watch);
}

void dispatch_sync(dispatch_queue_t queue, dispatch_block_t block)
{
	dispatch_semaphore_t done = dispatch_semaphore_create(0);

	lock();
	if (queue->running && pthread_equal(queue->thread, pthread_self()))
		misuse("dispatch_sync: on the queue that runs this, which waits for itself");
	unlock();
	dispatch_async(queue, ^{
		block();
		(void)dispatch_semaphore_signal(done);
	});
	(void)dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
}

void queue_main_wake(void)
{
	lock();
	(void)pthread_cond_broadcast(&main_queue_changed);
	unlock();
}

void queue_main_run(const bool *stop)
{
	lock();
	while (!stop || !*stop) {
		struct item *item = queue_take(&main_queue);

		if (!item) {
			(void)pthread_cond_wait(&main_queue_changed, &double_lock);
			continue;
		}
		unlock();
		item_run(item);
		lock();
	}
	unlock();
}

void dispatch_main(void)
{
	queue_main_run(NULL);
	abort();
}

/* Sources */

static void source_fire(dispatch_source_t source)
{
	object_retain(source);
	dispatch_async(source->queue, ^{
		dispatch_block_t handler;

		lock();
		handler = source->canceled ? NULL : source->handler;
		unlock();
		if (handler)
			handler();
		object_release(source);
	});
}

static void timer_ready(struct watch *watch, bool readable, bool writable, bool due)
{
	dispatch_source_t source =
		(dispatch_source_t)((char *)watch - offsetof(struct dispatch_source_s, watch));

	(void)readable;
	(void)writable;
	if (!due)
		return;
	if (source->interval > 0)
		watch->deadline = now() + source->interval;
	source_fire(source);
}

static void signals_ready(struct watch *watch, bool readable, bool writable, bool due)
{
	unsigned char number;

	(void)watch;
	(void)readable;
	(void)writable;
	(void)due;
	while (read(signal_pipe[0], &number, 1) == 1)
		for (dispatch_source_t s = signal_sources; s; s = s->next_signal)
			if (s->signal == number)
				source_fire(s);
}

static void on_signal(int number)
{
	unsigned char byte = (unsigned char)number;

	(void)!write(signal_pipe[1], &byte, 1);
}

/* The system's source sees a signal that is ignored; here it takes a handler. */
static void watch_signal(dispatch_source_t source)
{
	struct sigaction before;
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	if (sigaction(source->signal, NULL, &before) < 0)
		misuse("dispatch_source_create: %d is no signal", source->signal);
	if (before.sa_handler != SIG_IGN && before.sa_handler != on_signal)
		misuse("dispatch_resume: signal %d is not ignored, and would end the process",
		       source->signal);
	if (signal_pipe[0] < 0) {
		if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
			broken("double: pipe2");
		signal_watch.fd = signal_pipe[0];
		signal_watch.want_read = true;
		signal_watch.ready = signals_ready;
		loop_add(&signal_watch);
	}
	source->next_signal = signal_sources;
	signal_sources = source;
	if (sigaction(source->signal, &action, NULL) < 0)
		broken("double: sigaction");
}

static void source_dispose(struct object *object)
{
	dispatch_source_t source = (dispatch_source_t)object;

	if (!source->active)
		misuse("dispatch_release: the last reference to a source that is suspended");
	if (!source->canceled)
		misuse("dispatch_release: the last reference to a source that is not canceled");
	Block_release(source->handler);
	object_release(source->queue);
}

dispatch_source_t dispatch_source_create(dispatch_source_type_t type, uintptr_t handle,
					 unsigned long mask, dispatch_queue_t queue)
{
	dispatch_source_t source =
		object_new(sizeof(struct dispatch_source_s), OBJECT_SOURCE, source_dispose);

	(void)mask;
	object_check(queue, OBJECT_QUEUE, "dispatch_source_create");
	object_retain(queue);
	source->queue = queue;
	source->type = type;
	source->signal = type->is_timer ? 0 : (int)handle;
	source->watch.fd = -1;
	source->watch.ready = timer_ready;
	return source;
}

void dispatch_source_set_event_handler(dispatch_source_t source, dispatch_block_t handler)
{
	lock();
	object_check(source, OBJECT_SOURCE, "dispatch_source_set_event_handler");
	if (source->handler)
		Block_release(source->handler);
	source->handler = Block_copy(handler);
	unlock();
}

void dispatch_source_set_timer(dispatch_source_t source, dispatch_time_t start, uint64_t interval,
			       uint64_t leeway)
{
	(void)leeway;
	lock();
	object_check(source, OBJECT_SOURCE, "dispatch_source_set_timer");
	if (!source->type->is_timer)
		misuse("dispatch_source_set_timer: on a source that is no timer");
	if (start == DISPATCH_TIME_NOW)
		start = now();
	source->watch.deadline = start == DISPATCH_TIME_FOREVER ? 0 : start;
	source->interval = interval == DISPATCH_TIME_FOREVER ? 0 : interval;
	unlock();
	loop_wake();
}

void dispatch_activate(dispatch_object_t object)
{
	dispatch_source_t source = object;

	lock();
	object_check(source, OBJECT_SOURCE, "dispatch_activate");
	if (!source->handler)
		misuse("dispatch_activate: a source without a handler");
	if (!source->active) {
		source->active = true;
		if (source->type->is_timer)
			loop_add(&source->watch);
		else
			watch_signal(source);
	}
	unlock();
}

void dispatch_resume(dispatch_object_t object)
{
	lock();
	object_check(object, OBJECT_SOURCE, "dispatch_resume");
	if (((dispatch_source_t)object)->active)
		misuse("dispatch_resume: on a source that is not suspended");
	dispatch_activate(object);
	unlock();
}

void dispatch_source_cancel(dispatch_source_t source)
{
	lock();
	object_check(source, OBJECT_SOURCE, "dispatch_source_cancel");
	if (!source->canceled && source->active) {
		if (source->type->is_timer)
			loop_remove(&source->watch);
		for (dispatch_source_t *s = &signal_sources; *s; s = &(*s)->next_signal) {
			if (*s == source) {
				*s = source->next_signal;
				break;
			}
		}
	}
	source->canceled = true;
	unlock();
}

/* Waiting, for semaphores and groups */

static void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	if (pthread_condattr_init(&attributes) != 0 ||
	    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) != 0 ||
	    pthread_cond_init(condition, &attributes) != 0)
		broken("double: pthread_cond_init");
	(void)pthread_condattr_destroy(&attributes);
}

/* Waits with the lock. Returns false when the time is over. */
static bool condition_wait(pthread_cond_t *condition, dispatch_time_t timeout)
{
	uint64_t until = timeout == DISPATCH_TIME_NOW ? now() : timeout;
	struct timespec deadline = {
		.tv_sec = (time_t)(until / NANOSECONDS),
		.tv_nsec = (long)(until % NANOSECONDS),
	};

	if (timeout == DISPATCH_TIME_FOREVER)
		return pthread_cond_wait(condition, &double_lock) == 0;
	return pthread_cond_timedwait(condition, &double_lock, &deadline) == 0;
}

/* Groups */

static void group_dispose(struct object *object)
{
	dispatch_group_t group = (dispatch_group_t)object;

	if (group->inside > 0)
		misuse("dispatch_release: a group ends that is not empty");
	(void)pthread_cond_destroy(&group->changed);
}

dispatch_group_t dispatch_group_create(void)
{
	dispatch_group_t group =
		object_new(sizeof(struct dispatch_group_s), OBJECT_GROUP, group_dispose);

	condition_init(&group->changed);
	return group;
}

void dispatch_group_enter(dispatch_group_t group)
{
	lock();
	object_check(group, OBJECT_GROUP, "dispatch_group_enter");
	group->inside++;
	unlock();
}

void dispatch_group_leave(dispatch_group_t group)
{
	lock();
	object_check(group, OBJECT_GROUP, "dispatch_group_leave");
	if (group->inside == 0)
		misuse("dispatch_group_leave: nobody has entered");
	if (--group->inside == 0)
		(void)pthread_cond_broadcast(&group->changed);
	unlock();
}

void dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, dispatch_block_t block)
{
	dispatch_group_enter(group);
	object_retain(group);
	dispatch_async(queue, ^{
		block();
		dispatch_group_leave(group);
		object_release(group);
	});
}

intptr_t dispatch_group_wait(dispatch_group_t group, dispatch_time_t timeout)
{
	bool in_time = true;
	intptr_t result;

	lock();
	object_check(group, OBJECT_GROUP, "dispatch_group_wait");
	while (group->inside > 0 && in_time)
		in_time = condition_wait(&group->changed, timeout);
	result = group->inside > 0;
	unlock();
	return result;
}

/* Semaphores */

static void semaphore_dispose(struct object *object)
{
	(void)pthread_cond_destroy(&((dispatch_semaphore_t)object)->changed);
}

dispatch_semaphore_t dispatch_semaphore_create(intptr_t value)
{
	dispatch_semaphore_t semaphore = object_new(sizeof(struct dispatch_semaphore_s),
						    OBJECT_SEMAPHORE, semaphore_dispose);

	condition_init(&semaphore->changed);
	semaphore->value = value;
	return semaphore;
}

intptr_t dispatch_semaphore_signal(dispatch_semaphore_t semaphore)
{
	lock();
	object_check(semaphore, OBJECT_SEMAPHORE, "dispatch_semaphore_signal");
	semaphore->value++;
	(void)pthread_cond_signal(&semaphore->changed);
	unlock();
	return 0;
}

intptr_t dispatch_semaphore_wait(dispatch_semaphore_t semaphore, dispatch_time_t timeout)
{
	bool in_time = true;
	intptr_t result = 1;

	lock();
	object_check(semaphore, OBJECT_SEMAPHORE, "dispatch_semaphore_wait");
	while (semaphore->value == 0 && in_time)
		in_time = condition_wait(&semaphore->changed, timeout);
	if (semaphore->value > 0) {
		semaphore->value--;
		result = 0;
	}
	unlock();
	return result;
}
