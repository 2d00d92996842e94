/* SPDX-License-Identifier: Apache-2.0 */
/* The part of libdispatch that the project calls, of the double: see double.h. */
#ifndef TESTS_DARWIN_DISPATCH_H
#define TESTS_DARWIN_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

typedef struct dispatch_queue_s *dispatch_queue_t;
typedef struct dispatch_source_s *dispatch_source_t;
typedef struct dispatch_semaphore_s *dispatch_semaphore_t;
typedef struct dispatch_group_s *dispatch_group_t;
typedef struct dispatch_queue_attr_s *dispatch_queue_attr_t;
typedef const struct dispatch_source_type_s *dispatch_source_type_t;
typedef void *dispatch_object_t; /* any of the above */
typedef void (^dispatch_block_t)(void);
typedef void (*dispatch_function_t)(void *context);
typedef uint64_t dispatch_time_t;

#define DISPATCH_TIME_NOW (0ULL)
#define DISPATCH_TIME_FOREVER (~0ULL)
#define DISPATCH_QUEUE_PRIORITY_DEFAULT 0
#define QOS_CLASS_DEFAULT 0x15
#define QOS_CLASS_UTILITY 0x11
#define DISPATCH_QUEUE_SERIAL ((dispatch_queue_attr_t)NULL)

extern const struct dispatch_source_type_s _dispatch_source_type_signal;
extern const struct dispatch_source_type_s _dispatch_source_type_timer;

#define DISPATCH_SOURCE_TYPE_SIGNAL (&_dispatch_source_type_signal)
#define DISPATCH_SOURCE_TYPE_TIMER (&_dispatch_source_type_timer)

dispatch_time_t dispatch_time(dispatch_time_t when, int64_t delta);

void dispatch_retain(dispatch_object_t object);
void dispatch_release(dispatch_object_t object);
void dispatch_resume(dispatch_object_t object);
void dispatch_activate(dispatch_object_t object);

dispatch_queue_t dispatch_get_main_queue(void);
dispatch_queue_t dispatch_queue_create(const char *label, dispatch_queue_attr_t attributes);
void dispatch_async(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_async_f(dispatch_queue_t queue, void *context, dispatch_function_t work);
void dispatch_sync(dispatch_queue_t queue, dispatch_block_t block);
void dispatch_after(dispatch_time_t when, dispatch_queue_t queue, dispatch_block_t block);
/* Concurrent ones are the double's serial ones, but never each other's. */
dispatch_queue_t dispatch_get_global_queue(intptr_t identifier, uintptr_t flags);
_Noreturn void dispatch_main(void);

dispatch_source_t dispatch_source_create(dispatch_source_type_t type, uintptr_t handle,
					 unsigned long mask, dispatch_queue_t queue);
void dispatch_source_set_event_handler(dispatch_source_t source, dispatch_block_t handler);
void dispatch_source_set_timer(dispatch_source_t source, dispatch_time_t start, uint64_t interval,
			       uint64_t leeway);
void dispatch_source_cancel(dispatch_source_t source);

dispatch_semaphore_t dispatch_semaphore_create(intptr_t value);
intptr_t dispatch_semaphore_signal(dispatch_semaphore_t semaphore);
intptr_t dispatch_semaphore_wait(dispatch_semaphore_t semaphore, dispatch_time_t timeout);

dispatch_group_t dispatch_group_create(void);
void dispatch_group_enter(dispatch_group_t group);
void dispatch_group_leave(dispatch_group_t group);
void dispatch_group_async(dispatch_group_t group, dispatch_queue_t queue, dispatch_block_t block);
intptr_t dispatch_group_wait(dispatch_group_t group, dispatch_time_t timeout);

#endif
