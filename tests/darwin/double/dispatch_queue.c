/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dispatch queues, and what is true of every dispatch object. A queue has a
 * thread while it has blocks; the main queue has the main thread while that
 * serves it.
 */
#include <Block.h>
#include <signal.h>
#include <stdlib.h>

#include "double.h"

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

/* Of a timer that fires once, for a block that nobody can take back. */
struct delayed {
	struct watch watch;
	dispatch_queue_t queue; /* counted */
	dispatch_block_t block; /* a copy */
};

static struct dispatch_queue_s main_queue = {
	.object = { .magic = OBJECT_MAGIC, .kind = OBJECT_QUEUE, .references = IMMORTAL },
	.is_main = true,
};
static pthread_cond_t main_queue_changed = PTHREAD_COND_INITIALIZER;
static unsigned int queue_threads;

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
