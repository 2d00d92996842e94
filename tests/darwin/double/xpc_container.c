/* SPDX-License-Identifier: Apache-2.0 */
/* XPC's arrays and dictionaries, and of these the ones that are requests and replies. */
#include <stdlib.h>
#include <string.h>

#include "xpc_value.h"

void entry_add(struct value *container, char *key, struct value *value)
{
	size_t n = container->n_entries;
	struct entry *entries = realloc(container->entries, (n + 1) * sizeof(*entries));

	if (!entries)
		broken("double: realloc");
	entries[n] = (struct entry){ .key = key, .value = value };
	container->entries = entries;
	container->n_entries = n + 1;
}

xpc_object_t xpc_array_create(const xpc_object_t *objects, size_t count)
{
	struct value *array = value_new(XPC_TYPE_ARRAY);

	for (size_t i = 0; i < count; i++)
		xpc_array_append_value(array, objects[i]);
	return array;
}

xpc_object_t xpc_array_create_empty(void)
{
	return value_new(XPC_TYPE_ARRAY);
}

void xpc_array_append_value(xpc_object_t array, xpc_object_t value)
{
	struct value *container = value_checked(array, XPC_TYPE_ARRAY, "xpc_array_append_value");

	object_check(value, OBJECT_XPC_VALUE, "xpc_array_append_value");
	entry_add(container, NULL, xpc_retain(value));
}

size_t xpc_array_get_count(xpc_object_t array)
{
	return value_checked(array, XPC_TYPE_ARRAY, "xpc_array_get_count")->n_entries;
}

xpc_object_t xpc_array_get_value(xpc_object_t array, size_t index)
{
	const struct value *container = value_checked(array, XPC_TYPE_ARRAY, "xpc_array_get_value");

	if (index >= container->n_entries)
		misuse("xpc_array_get_value: %zu of %zu", index, container->n_entries);
	return container->entries[index].value;
}

void xpc_array_set_value(xpc_object_t array, size_t index, xpc_object_t value)
{
	struct value *container = value_checked(array, XPC_TYPE_ARRAY, "xpc_array_set_value");

	if (index == XPC_ARRAY_APPEND) {
		xpc_array_append_value(array, value);
		return;
	}
	if (index >= container->n_entries)
		misuse("xpc_array_set_value: %zu of %zu", index, container->n_entries);
	object_check(value, OBJECT_XPC_VALUE, "xpc_array_set_value");
	(void)xpc_retain(value);
	xpc_release(container->entries[index].value);
	container->entries[index].value = value;
}

bool xpc_array_apply(xpc_object_t array, xpc_array_applier_t applier)
{
	const struct value *value = value_checked(array, XPC_TYPE_ARRAY, "xpc_array_apply");

	for (size_t i = 0; i < value->n_entries; i++)
		if (!applier(i, value->entries[i].value))
			return false;
	return true;
}

static const struct value *element(xpc_object_t array, size_t index, xpc_type_t type)
{
	const struct value *value = xpc_array_get_value(array, index);

	return value->type == type ? value : NULL;
}

const char *xpc_array_get_string(xpc_object_t array, size_t index)
{
	const struct value *value = element(array, index, XPC_TYPE_STRING);

	return value ? (const char *)value->bytes : NULL;
}

int64_t xpc_array_get_int64(xpc_object_t array, size_t index)
{
	const struct value *value = element(array, index, XPC_TYPE_INT64);

	return value ? (int64_t)value->number : 0;
}

uint64_t xpc_array_get_uint64(xpc_object_t array, size_t index)
{
	const struct value *value = element(array, index, XPC_TYPE_UINT64);

	return value ? value->number : 0;
}

bool xpc_array_get_bool(xpc_object_t array, size_t index)
{
	const struct value *value = element(array, index, XPC_TYPE_BOOL);

	return value && value->number != 0;
}

const void *xpc_array_get_data(xpc_object_t array, size_t index, size_t *length)
{
	const struct value *value = element(array, index, XPC_TYPE_DATA);

	if (length)
		*length = value ? value->length : 0;
	return value ? value->bytes : NULL;
}

xpc_object_t xpc_array_get_dictionary(xpc_object_t array, size_t index)
{
	return (xpc_object_t)element(array, index, XPC_TYPE_DICTIONARY);
}

xpc_object_t xpc_array_get_array(xpc_object_t array, size_t index)
{
	return (xpc_object_t)element(array, index, XPC_TYPE_ARRAY);
}

static void array_set_new(xpc_object_t array, size_t index, xpc_object_t value)
{
	xpc_array_set_value(array, index, value);
	xpc_release(value);
}

void xpc_array_set_string(xpc_object_t array, size_t index, const char *value)
{
	array_set_new(array, index, xpc_string_create(value));
}

void xpc_array_set_int64(xpc_object_t array, size_t index, int64_t value)
{
	array_set_new(array, index, xpc_int64_create(value));
}

void xpc_array_set_uint64(xpc_object_t array, size_t index, uint64_t value)
{
	array_set_new(array, index, xpc_uint64_create(value));
}

void xpc_array_set_bool(xpc_object_t array, size_t index, bool value)
{
	array_set_new(array, index, xpc_bool_create(value));
}

void xpc_array_set_data(xpc_object_t array, size_t index, const void *bytes, size_t length)
{
	array_set_new(array, index, xpc_data_create(bytes, length));
}

/* Dictionaries */

struct entry *entry_find(const struct value *dictionary, const char *key)
{
	for (size_t i = 0; i < dictionary->n_entries; i++)
		if (strcmp(dictionary->entries[i].key, key) == 0)
			return &dictionary->entries[i];
	return NULL;
}

xpc_object_t xpc_dictionary_create(const char *const *keys, const xpc_object_t *values,
				   size_t count)
{
	struct value *dictionary = value_new(XPC_TYPE_DICTIONARY);

	for (size_t i = 0; i < count; i++)
		xpc_dictionary_set_value(dictionary, keys[i], values[i]);
	return dictionary;
}

xpc_object_t xpc_dictionary_create_empty(void)
{
	return value_new(XPC_TYPE_DICTIONARY);
}

size_t xpc_dictionary_get_count(xpc_object_t dictionary)
{
	return value_checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_get_count")
		->n_entries;
}

bool xpc_dictionary_apply(xpc_object_t dictionary, xpc_dictionary_applier_t applier)
{
	const struct value *value =
		value_checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_apply");

	for (size_t i = 0; i < value->n_entries; i++)
		if (!applier(value->entries[i].key, value->entries[i].value))
			return false;
	return true;
}

void xpc_dictionary_set_value(xpc_object_t dictionary, const char *key, xpc_object_t value)
{
	struct value *container =
		value_checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_set_value");
	struct entry *entry = entry_find(container, key);

	if (value)
		object_check(value, OBJECT_XPC_VALUE, "xpc_dictionary_set_value");
	if (!entry) {
		if (value)
			entry_add(container, copy_text(key), xpc_retain(value));
		return;
	}
	if (value) {
		(void)xpc_retain(value);
		xpc_release(entry->value);
		entry->value = value;
		return;
	}
	xpc_release(entry->value);
	free(entry->key);
	*entry = container->entries[--container->n_entries];
}

/* Takes over the value's reference. */
static void set_new(xpc_object_t dictionary, const char *key, xpc_object_t value)
{
	xpc_dictionary_set_value(dictionary, key, value);
	xpc_release(value);
}

void xpc_dictionary_set_string(xpc_object_t dictionary, const char *key, const char *value)
{
	set_new(dictionary, key, xpc_string_create(value));
}

void xpc_dictionary_set_data(xpc_object_t dictionary, const char *key, const void *bytes,
			     size_t length)
{
	set_new(dictionary, key, xpc_data_create(bytes, length));
}

void xpc_dictionary_set_int64(xpc_object_t dictionary, const char *key, int64_t value)
{
	set_new(dictionary, key, xpc_int64_create(value));
}

void xpc_dictionary_set_uint64(xpc_object_t dictionary, const char *key, uint64_t value)
{
	set_new(dictionary, key, xpc_uint64_create(value));
}

void xpc_dictionary_set_bool(xpc_object_t dictionary, const char *key, bool value)
{
	set_new(dictionary, key, xpc_bool_create(value));
}

void xpc_dictionary_set_double(xpc_object_t dictionary, const char *key, double value)
{
	set_new(dictionary, key, xpc_double_create(value));
}

void xpc_dictionary_set_date(xpc_object_t dictionary, const char *key, int64_t value)
{
	set_new(dictionary, key, xpc_date_create(value));
}

void xpc_dictionary_set_uuid(xpc_object_t dictionary, const char *key, const unsigned char *uuid)
{
	set_new(dictionary, key, xpc_uuid_create(uuid));
}

void xpc_dictionary_set_fd(xpc_object_t dictionary, const char *key, int fd)
{
	xpc_object_t value = xpc_fd_create(fd);

	if (!value)
		misuse("xpc_dictionary_set_fd: %d is no open descriptor", fd);
	set_new(dictionary, key, value);
}

xpc_object_t xpc_dictionary_get_value(xpc_object_t dictionary, const char *key)
{
	const struct entry *entry =
		entry_find(value_checked_dictionary(dictionary, "xpc_dictionary_get_value"), key);

	return entry ? entry->value : NULL;
}

static const struct value *get_typed(xpc_object_t dictionary, const char *key, xpc_type_t type)
{
	const struct value *value = xpc_dictionary_get_value(dictionary, key);

	return value && value->type == type ? value : NULL;
}

const char *xpc_dictionary_get_string(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_STRING);

	return value ? (const char *)value->bytes : NULL;
}

const void *xpc_dictionary_get_data(xpc_object_t dictionary, const char *key, size_t *length)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_DATA);

	if (length)
		*length = value ? value->length : 0;
	return value ? value->bytes : NULL;
}

int64_t xpc_dictionary_get_int64(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_INT64);

	return value ? (int64_t)value->number : 0;
}

uint64_t xpc_dictionary_get_uint64(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_UINT64);

	return value ? value->number : 0;
}

bool xpc_dictionary_get_bool(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_BOOL);

	return value && value->number != 0;
}

double xpc_dictionary_get_double(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_DOUBLE);

	return value ? xpc_double_get_value((xpc_object_t)value) : 0;
}

int64_t xpc_dictionary_get_date(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_DATE);

	return value ? (int64_t)value->number : 0;
}

const uint8_t *xpc_dictionary_get_uuid(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_UUID);

	return value ? value->bytes : NULL;
}

int xpc_dictionary_dup_fd(xpc_object_t dictionary, const char *key)
{
	const struct value *value = get_typed(dictionary, key, XPC_TYPE_FD);

	return value ? xpc_fd_dup((xpc_object_t)value) : -1;
}

xpc_object_t xpc_dictionary_get_dictionary(xpc_object_t dictionary, const char *key)
{
	return (xpc_object_t)get_typed(dictionary, key, XPC_TYPE_DICTIONARY);
}

xpc_object_t xpc_dictionary_get_array(xpc_object_t dictionary, const char *key)
{
	return (xpc_object_t)get_typed(dictionary, key, XPC_TYPE_ARRAY);
}

xpc_connection_t xpc_dictionary_get_remote_connection(xpc_object_t dictionary)
{
	return value_checked(dictionary, XPC_TYPE_DICTIONARY,
			     "xpc_dictionary_get_remote_connection")
		->remote;
}

void dictionary_set_remote(xpc_object_t dictionary, xpc_connection_t connection)
{
	object_retain(connection);
	((struct value *)dictionary)->remote = connection;
}

/* Replies */

void dictionary_check(xpc_object_t dictionary, const char *call)
{
	(void)value_checked(dictionary, XPC_TYPE_DICTIONARY, call);
}

xpc_object_t xpc_dictionary_create_reply(xpc_object_t original)
{
	struct value *request =
		value_checked(original, XPC_TYPE_DICTIONARY, "xpc_dictionary_create_reply");
	struct value *reply;

	/* Nobody waits for one, or somebody has made it already. */
	if (!request->reply || request->is_reply)
		return NULL;
	reply = value_new(XPC_TYPE_DICTIONARY);
	reply->reply = request->reply;
	reply->is_reply = true;
	request->reply = NULL;
	return reply;
}

bool dictionary_is_reply(xpc_object_t dictionary)
{
	return ((const struct value *)dictionary)->is_reply;
}

struct reply_context *dictionary_take_reply_context(xpc_object_t dictionary)
{
	struct value *value = dictionary;
	struct reply_context *context = value->reply;

	value->reply = NULL;
	return context;
}

void dictionary_set_reply_context(xpc_object_t dictionary, struct reply_context *context)
{
	((struct value *)dictionary)->reply = context;
}
