/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch sources: timers and signals. */
#include <Block.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "double.h"

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

static struct watch signal_watch;
static int signal_pipe[2] = { -1, -1 };
static struct dispatch_source_s *signal_sources;

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
