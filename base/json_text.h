/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from text and to text, whole or not at all: short of memory, jansson's
 * own functions may leave out a part of a string and say nothing.
 */
#ifndef VMNET_BROKER_JSON_TEXT_H
#define VMNET_BROKER_JSON_TEXT_H

#include <jansson.h>
#include <stddef.h>

/*
 * As json_loadb(). Returns NULL with errno 0 and error when the text is no
 * JSON, or with ENOMEM.
 */
json_t *json_text_load(const char *text, size_t length, size_t flags, json_error_t *error);

/* As json_dumps(), to be freed by free(). Returns NULL when memory is short. */
char *json_text_dump(const json_t *value, size_t flags);

/* What the name of a file has at its end until it is whole. */
#define JSON_TEXT_NEW_SUFFIX ".new"

/*
 * Writes a file: as a new one that replaces what is there once it is whole.
 * value: NULL, as jansson gives without memory, is a failure.
 * Returns 0 or a negative errno.
 */
int json_text_save(const char *path, const json_t *value, size_t flags);

#endif
