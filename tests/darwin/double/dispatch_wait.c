/* SPDX-License-Identifier: Apache-2.0 */
/* What threads wait for: dispatch groups and semaphores. */
#include <time.h>

#include "double.h"

#define NANOSECONDS 1000000000ULL

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
