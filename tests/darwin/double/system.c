/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of the system: the run loop, references of CoreFoundation, the log, processes. */
#include <CoreFoundation/CoreFoundation.h>
#include <fcntl.h>
#include <libproc.h>
#include <os/log.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "double.h"

/* CoreFoundation: vmnet's objects are the only ones that the project has */

static struct object *counted(CFTypeRef pointer, const char *call)
{
	struct object *object = (struct object *)pointer;

	if (!object)
		misuse("%s: NULL", call);
	if (object->kind != OBJECT_VMNET_CONFIGURATION && object->kind != OBJECT_VMNET_NETWORK)
		misuse("%s: an object that is none of CoreFoundation's", call);
	return object;
}

CFTypeRef CFRetain(CFTypeRef object)
{
	object_retain(counted(object, "CFRetain"));
	return object;
}

void CFRelease(CFTypeRef object)
{
	object_release(counted(object, "CFRelease"));
}

struct __CFRunLoop {
	bool stopped;
};

static struct __CFRunLoop main_loop;

CFRunLoopRef CFRunLoopGetMain(void)
{
	return &main_loop;
}

/* Of the main thread's: it serves the main queue. */
void CFRunLoopRun(void)
{
	if (getpid() != gettid())
		misuse("CFRunLoopRun: the double has the main thread's loop only");
	main_loop.stopped = false;
	queue_main_run(&main_loop.stopped);
}

void CFRunLoopStop(CFRunLoopRef loop)
{
	lock();
	loop->stopped = true;
	unlock();
	queue_main_wake();
}

/* The unified log: a file */

struct os_log_s {
	char subsystem[128];
};

os_log_t os_log_create(const char *subsystem, const char *category)
{
	static struct os_log_s log;

	(void)category;
	(void)snprintf(log.subsystem, sizeof(log.subsystem), "%s", subsystem);
	return &log;
}

/*
 * What the compiler packs: two bytes, then for each argument a byte of kind, a
 * byte of size, and the argument. Only public strings are known here.
 */
void _os_log_impl(void *dso, os_log_t log, os_log_type_t type, const char *format, uint8_t *buffer,
		  uint32_t size)
{
	const uint8_t *at = buffer + 2;
	const char *next = format;
	FILE *file;

	(void)dso;
	file = fopen(world_path("log"), "ae");
	if (!file)
		return;
	(void)fprintf(file, "%s %02x ", log->subsystem, type);
	while (*next) {
		const char *text;

		if (strncmp(next, "%{public}s", strlen("%{public}s")) != 0) {
			(void)fputc(*next++, file);
			continue;
		}
		if (at + 2 + sizeof(text) > buffer + size || at[1] != sizeof(text))
			misuse("os_log: its arguments do not fit \"%s\"", format);
		memcpy(&text, at + 2, sizeof(text));
		at += 2 + sizeof(text);
		(void)fputs(text, file);
		next += strlen("%{public}s");
	}
	(void)fputc('\n', file);
	(void)fclose(file);
}

int proc_name(int pid, void *buffer, uint32_t size)
{
	char path[32];
	ssize_t length;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	length = read(fd, buffer, size - 1);
	close(fd);
	if (length <= 0)
		return 0;
	((char *)buffer)[length] = '\0';
	((char *)buffer)[strcspn(buffer, "\n")] = '\0';
	return (int)strlen(buffer);
}
