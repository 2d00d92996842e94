/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference counts, as strict as they can be: every object is on a list, one
 * that is used after its end aborts, and one that is left at exit fails the
 * process.
 */
#include "double.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kind_names[] = {
	[OBJECT_QUEUE] = "dispatch queue",
	[OBJECT_SOURCE] = "dispatch source",
	[OBJECT_SEMAPHORE] = "dispatch semaphore",
	[OBJECT_GROUP] = "dispatch group",
	[OBJECT_XPC_VALUE] = "XPC object",
	[OBJECT_XPC_CONNECTION] = "XPC connection",
	[OBJECT_VMNET_CONFIGURATION] = "vmnet configuration",
	[OBJECT_VMNET_NETWORK] = "vmnet network",
	[OBJECT_VMNET_INTERFACE] = "vmnet interface",
};

pthread_mutex_t double_lock;
static struct object *objects;
static struct object *dead; /* never freed, so that their use is found for sure */

void misuse(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)fputs("double: misuse: ", stderr);
	(void)vfprintf(stderr, format, arguments);
	(void)fputc('\n', stderr);
	va_end(arguments);
	abort();
}

void broken(const char *what)
{
	perror(what);
	abort();
}

void lock(void)
{
	(void)pthread_mutex_lock(&double_lock);
}

void unlock(void)
{
	(void)pthread_mutex_unlock(&double_lock);
}

void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		broken("double: calloc");
	return memory;
}

char *copy_text(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		broken("double: strdup");
	return copy;
}

const char *world_path(const char *name)
{
	static _Thread_local char path[PATH_MAX];
	const char *world = getenv("DOUBLE_DIR");

	if (!world)
		broken("double: DOUBLE_DIR is not set");
	(void)snprintf(path, sizeof(path), "%s/%s", world, name);
	return path;
}

void *object_new(size_t size, enum object_kind kind, void (*dispose)(struct object *object))
{
	struct object *object = allocate(size);

	object->magic = OBJECT_MAGIC;
	object->kind = kind;
	object->references = 1;
	object->dispose = dispose;
	lock();
	object->next = objects;
	if (objects)
		objects->previous = object;
	objects = object;
	unlock();
	return object;
}

void object_check(const void *pointer, enum object_kind kind, const char *call)
{
	const struct object *object = pointer;

	if (!object)
		misuse("%s: NULL is no %s", call, kind_names[kind]);
	if (object->magic != OBJECT_MAGIC)
		misuse("%s: a %s is used after its end", call, kind_names[object->kind]);
	if (object->kind != kind)
		misuse("%s: a %s is no %s", call, kind_names[object->kind], kind_names[kind]);
}

void object_retain(void *pointer)
{
	struct object *object = pointer;

	lock();
	object_check(object, object ? object->kind : OBJECT_XPC_VALUE, "retain");
	if (object->references != IMMORTAL)
		object->references++;
	unlock();
}

void object_release(void *pointer)
{
	struct object *object = pointer;

	lock();
	object_check(object, object ? object->kind : OBJECT_XPC_VALUE, "release");
	if (object->references == IMMORTAL || --object->references > 0) {
		unlock();
		return;
	}
	object->dispose(object);
	if (object->previous)
		object->previous->next = object->next;
	else
		objects = object->next;
	if (object->next)
		object->next->previous = object->previous;
	object->magic = 0;
	object->next = dead;
	dead = object;
	unlock();
}

static bool is_dispatch(const struct object *object)
{
	return object->kind == OBJECT_QUEUE || object->kind == OBJECT_SOURCE ||
	       object->kind == OBJECT_SEMAPHORE || object->kind == OBJECT_GROUP;
}

/* The last handler may still be about to return, and drop what it was called with. */
static void let_handlers_return(void)
{
	for (int i = 0; i < 1000 && queues_at_work() > 0; i++) {
		unlock();
		(void)poll(NULL, 0, 1);
		lock();
	}
}

static void check_leaks(void)
{
	unsigned int leaks = 0;
	bool open;

	lock();
	let_handlers_return();
	open = connections_excuse();
	for (const struct object *object = objects; object; object = object->next) {
		/* An open connection's handler may use whatever its program has of these. */
		if (object->excused || (open && is_dispatch(object)))
			continue;
		(void)fprintf(stderr, "double: leak: %s with %d references\n",
			      kind_names[object->kind], object->references);
		leaks++;
	}
	if (transactions_open() > 0 && !open) {
		(void)fprintf(stderr, "double: leak: %u transactions\n", transactions_open());
		leaks++;
	}
	unlock();
	if (leaks == 0)
		return;
	(void)fflush(NULL);
	_exit(LEAK_STATUS);
}

__attribute__((constructor)) static void start(void)
{
	pthread_mutexattr_t attributes;

	if (pthread_mutexattr_init(&attributes) != 0 ||
	    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE) != 0 ||
	    pthread_mutex_init(&double_lock, &attributes) != 0 || atexit(check_leaks) != 0)
		broken("double: start");
	(void)pthread_mutexattr_destroy(&attributes);
}
