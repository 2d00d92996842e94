/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches jansson's requests for memory while it reads, for it ignores it when the buffer of a
 * string cannot grow; what it writes goes to a buffer of our own, in one pass.
 */
#include "json_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

static _Thread_local bool memory_was_short;

static void *watched_malloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		memory_was_short = true;
	return memory;
}

static void watch(void)
{
	json_set_alloc_funcs(watched_malloc, free);
}

json_t *json_text_load(const char *text, size_t length, size_t flags, json_error_t *error)
{
	static pthread_once_t watched = PTHREAD_ONCE_INIT;
	json_t *value;

	(void)pthread_once(&watched, watch); /* cannot fail */
	memory_was_short = false;
	value = json_loadb(text, length, flags, error);
	errno = 0;
	if (!memory_was_short)
		return value;
	json_decref(value);
	errno = ENOMEM;
	return NULL;
}

json_t *json_text_load_file(const char *path)
{
	size_t length;
	char *text = file_read(path, SIZE_MAX, &length);
	json_t *value = text ? json_text_load(text, length, 0, NULL) : NULL;

	free(text);
	return value;
}

struct buffer {
	char *bytes;
	size_t size;
	size_t room;
	bool is_short; /* of memory, which jansson does not look at after each part */
};

static int append(const char *bytes, size_t size, void *userdata)
{
	struct buffer *buffer = userdata;

	if (size > buffer->room - buffer->size) {
		size_t room = 2 * buffer->room + size + 256;
		char *more = realloc(buffer->bytes, room);

		if (!more) {
			buffer->is_short = true;
			return -1;
		}
		buffer->bytes = more;
		buffer->room = room;
	}
	memcpy(buffer->bytes + buffer->size, bytes, size);
	buffer->size += size;
	return 0;
}

char *json_text_dump(const json_t *value, size_t flags)
{
	struct buffer buffer = { 0 };
	char *text = NULL;

	/* Some are kept, and take no more room than they are counted. */
	if (json_dump_callback(value, append, &buffer, flags) == 0 && append("", 1, &buffer) == 0 &&
	    !buffer.is_short)
		text = realloc(buffer.bytes, buffer.size);
	if (!text)
		free(buffer.bytes);
	return text;
}

int json_text_save(const char *path, const json_t *value, size_t flags)
{
	char *text = json_text_dump(value, flags);
	int result = text ? file_replace(path, text, 0) : -ENOMEM;

	free(text);
	return result;
}
