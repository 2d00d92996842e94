/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches jansson's requests for memory while it reads, for it ignores it when the buffer of a
 * string cannot grow; what it writes goes to buffers that are large enough already.
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

/* What is longer than most is written twice: how long it is shows when it has been written. */
char *json_text_dump(const json_t *value, size_t flags)
{
	char most[2048];
	size_t length = json_dumpb(value, most, sizeof(most), flags);
	char *text = length ? malloc(length + 1) : NULL;

	if (!text)
		return NULL;
	if (length <= sizeof(most)) {
		memcpy(text, most, length);
	} else if (json_dumpb(value, text, length, flags) != length) {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	return text;
}

int json_text_save(const char *path, const json_t *value, size_t flags)
{
	char *text = json_text_dump(value, flags);
	int result = text ? file_replace(path, text, 0) : -ENOMEM;

	free(text);
	return result;
}
