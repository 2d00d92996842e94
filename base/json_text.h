/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from text and to text, whole or not at all, by jansson: whose own functions may leave
 * out a part of a string and say nothing when memory is short.
 */
#ifndef VMNET_BASE_JSON_TEXT_H
#define VMNET_BASE_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/*
 * As json_loadb(). Returns NULL with errno 0 and error when the text is no
 * JSON, or with ENOMEM.
 */
json_t *json_text_load(const char *text, size_t length, size_t flags, json_error_t *error);

/* The same of a file. Returns NULL with errno as well. */
json_t *json_text_load_file(const char *path);

/* As json_dumps(), to be freed by free(). Returns NULL when memory is short. */
char *json_text_dump(const json_t *value, size_t flags);

/*
 * Writes a file by file_replace().
 * value: NULL, as jansson gives without memory, is a failure.
 * Returns 0 or a negative errno.
 */
int json_text_save(const char *path, const json_t *value, size_t flags);

#endif
