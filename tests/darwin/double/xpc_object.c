/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XPC's values. As with the system's, a look into a dictionary for a key that
 * is missing or of another type gives nothing (NULL, 0, false), but to take a
 * value of one type for one of another aborts.
 */
#include <stdlib.h>
#include <string.h>

#include "double.h"

struct _xpc_type_s {
	char tag; /* on the wire */
	const char *name;
};

const struct _xpc_type_s _xpc_type_array = { 'a', "array" };
const struct _xpc_type_s _xpc_type_bool = { 'b', "bool" };
const struct _xpc_type_s _xpc_type_connection = { 'c', "connection" };
const struct _xpc_type_s _xpc_type_data = { 'd', "data" };
const struct _xpc_type_s _xpc_type_dictionary = { 'D', "dictionary" };
const struct _xpc_type_s _xpc_type_error = { 'e', "error" };
const struct _xpc_type_s _xpc_type_int64 = { 'i', "int64" };
const struct _xpc_type_s _xpc_type_string = { 's', "string" };
const struct _xpc_type_s _xpc_type_uint64 = { 'u', "uint64" };

static const struct _xpc_type_s *const types[] = {
	XPC_TYPE_ARRAY, XPC_TYPE_BOOL,	 XPC_TYPE_DATA,	  XPC_TYPE_DICTIONARY,
	XPC_TYPE_INT64, XPC_TYPE_STRING, XPC_TYPE_UINT64,
};

struct entry {
	char *key; /* NULL in an array */
	struct value *value; /* counted */
};

struct value {
	struct object object;
	xpc_type_t type;
	uint64_t number; /* of int64, uint64 and bool */
	uint8_t *bytes; /* of data and string, which is terminated */
	size_t length;
	struct entry *entries; /* of array and dictionary */
	size_t n_entries;
	struct reply_context *reply; /* of a dictionary that is a request, or a reply */
	bool is_reply;
};

struct _xpc_dictionary_s {
	struct value value;
};

#define ERROR_OBJECT                                          \
	{                                                     \
		.value = {                                    \
			.object = { .magic = OBJECT_MAGIC,    \
				    .kind = OBJECT_XPC_VALUE, \
				    .references = IMMORTAL }, \
			.type = XPC_TYPE_ERROR,               \
		},                                            \
	}

const struct _xpc_dictionary_s _xpc_error_connection_interrupted = ERROR_OBJECT;
const struct _xpc_dictionary_s _xpc_error_connection_invalid = ERROR_OBJECT;
const struct _xpc_dictionary_s _xpc_error_termination_imminent = ERROR_OBJECT;

/* Any object */

xpc_object_t xpc_retain(xpc_object_t object)
{
	object_retain(object);
	return object;
}

void xpc_release(xpc_object_t object)
{
	object_release(object);
}

xpc_type_t xpc_get_type(xpc_object_t pointer)
{
	const struct object *object = pointer;

	object_check(object, object ? object->kind : OBJECT_XPC_VALUE, "xpc_get_type");
	if (object->kind == OBJECT_XPC_CONNECTION)
		return XPC_TYPE_CONNECTION;
	object_check(object, OBJECT_XPC_VALUE, "xpc_get_type");
	return ((const struct value *)pointer)->type;
}

static struct value *checked(xpc_object_t object, xpc_type_t type, const char *call)
{
	struct value *value = object;

	object_check(object, OBJECT_XPC_VALUE, call);
	if (value->type != type)
		misuse("%s: a %s is no %s", call, value->type->name, type->name);
	return value;
}

/* An error may be looked into like a dictionary. */
static struct value *checked_dictionary(xpc_object_t object, const char *call)
{
	struct value *value = object;

	object_check(object, OBJECT_XPC_VALUE, call);
	return value->type == XPC_TYPE_ERROR ? value : checked(object, XPC_TYPE_DICTIONARY, call);
}

static void value_dispose(struct object *object)
{
	struct value *value = (struct value *)object;

	for (size_t i = 0; i < value->n_entries; i++) {
		free(value->entries[i].key);
		object_release(value->entries[i].value);
	}
	free(value->entries);
	free(value->bytes);
	if (value->reply)
		reply_context_drop(value->reply);
}

static struct value *value_new(xpc_type_t type)
{
	struct value *value = object_new(sizeof(*value), OBJECT_XPC_VALUE, value_dispose);

	value->type = type;
	return value;
}

void value_excuse(xpc_object_t object)
{
	struct value *value = object;

	if (value->object.references == IMMORTAL)
		return;
	value->object.excused = true;
	for (size_t i = 0; i < value->n_entries; i++)
		value_excuse(value->entries[i].value);
}

/* Single values */

static xpc_object_t number_new(xpc_type_t type, uint64_t number)
{
	struct value *value = value_new(type);

	value->number = number;
	return value;
}

static xpc_object_t bytes_new(xpc_type_t type, const void *bytes, size_t length)
{
	struct value *value = value_new(type);

	value->bytes = allocate(length + 1);
	memcpy(value->bytes, bytes, length);
	value->length = length;
	return value;
}

xpc_object_t xpc_string_create(const char *string)
{
	if (!string)
		misuse("xpc_string_create: NULL");
	return bytes_new(XPC_TYPE_STRING, string, strlen(string));
}

const char *xpc_string_get_string_ptr(xpc_object_t string)
{
	return (const char *)checked(string, XPC_TYPE_STRING, "xpc_string_get_string_ptr")->bytes;
}

xpc_object_t xpc_int64_create(int64_t value)
{
	return number_new(XPC_TYPE_INT64, (uint64_t)value);
}

int64_t xpc_int64_get_value(xpc_object_t object)
{
	return (int64_t)checked(object, XPC_TYPE_INT64, "xpc_int64_get_value")->number;
}

xpc_object_t xpc_uint64_create(uint64_t value)
{
	return number_new(XPC_TYPE_UINT64, value);
}

uint64_t xpc_uint64_get_value(xpc_object_t object)
{
	return checked(object, XPC_TYPE_UINT64, "xpc_uint64_get_value")->number;
}

xpc_object_t xpc_bool_create(bool value)
{
	return number_new(XPC_TYPE_BOOL, value);
}

bool xpc_bool_get_value(xpc_object_t object)
{
	return checked(object, XPC_TYPE_BOOL, "xpc_bool_get_value")->number != 0;
}

xpc_object_t xpc_data_create(const void *bytes, size_t length)
{
	return bytes_new(XPC_TYPE_DATA, bytes, length);
}

size_t xpc_data_get_length(xpc_object_t data)
{
	return checked(data, XPC_TYPE_DATA, "xpc_data_get_length")->length;
}

const void *xpc_data_get_bytes_ptr(xpc_object_t data)
{
	return checked(data, XPC_TYPE_DATA, "xpc_data_get_bytes_ptr")->bytes;
}

/* Entries */

/* Takes over key and value. */
static void entry_add(struct value *container, char *key, struct value *value)
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

void xpc_array_append_value(xpc_object_t array, xpc_object_t value)
{
	struct value *container = checked(array, XPC_TYPE_ARRAY, "xpc_array_append_value");

	object_check(value, OBJECT_XPC_VALUE, "xpc_array_append_value");
	entry_add(container, NULL, xpc_retain(value));
}

size_t xpc_array_get_count(xpc_object_t array)
{
	return checked(array, XPC_TYPE_ARRAY, "xpc_array_get_count")->n_entries;
}

xpc_object_t xpc_array_get_value(xpc_object_t array, size_t index)
{
	const struct value *container = checked(array, XPC_TYPE_ARRAY, "xpc_array_get_value");

	if (index >= container->n_entries)
		misuse("xpc_array_get_value: %zu of %zu", index, container->n_entries);
	return container->entries[index].value;
}

/* Dictionaries */

static struct entry *entry_find(const struct value *dictionary, const char *key)
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
	return checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_get_count")->n_entries;
}

bool xpc_dictionary_apply(xpc_object_t dictionary, xpc_dictionary_applier_t applier)
{
	const struct value *value =
		checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_apply");

	for (size_t i = 0; i < value->n_entries; i++)
		if (!applier(value->entries[i].key, value->entries[i].value))
			return false;
	return true;
}

void xpc_dictionary_set_value(xpc_object_t dictionary, const char *key, xpc_object_t value)
{
	struct value *container =
		checked(dictionary, XPC_TYPE_DICTIONARY, "xpc_dictionary_set_value");
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

xpc_object_t xpc_dictionary_get_value(xpc_object_t dictionary, const char *key)
{
	const struct entry *entry =
		entry_find(checked_dictionary(dictionary, "xpc_dictionary_get_value"), key);

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

/* Replies */

void dictionary_check(xpc_object_t dictionary, const char *call)
{
	(void)checked(dictionary, XPC_TYPE_DICTIONARY, call);
}

xpc_object_t xpc_dictionary_create_reply(xpc_object_t original)
{
	struct value *request =
		checked(original, XPC_TYPE_DICTIONARY, "xpc_dictionary_create_reply");
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

/* The wire: a tag, and then a number, or a length and what it counts */

static void put(struct buffer *buffer, const void *bytes, size_t length)
{
	uint8_t *more = realloc(buffer->bytes, buffer->length + length);

	if (!more)
		broken("double: realloc");
	if (length > 0)
		memcpy(more + buffer->length, bytes, length);
	buffer->bytes = more;
	buffer->length += length;
}

static void put_sized(struct buffer *buffer, const void *bytes, uint64_t length)
{
	put(buffer, &length, sizeof(length));
	put(buffer, bytes, length);
}

void value_encode(xpc_object_t object, struct buffer *buffer)
{
	const struct value *value = object;
	uint64_t n = value->n_entries;

	put(buffer, &value->type->tag, 1);
	if (value->type == XPC_TYPE_STRING || value->type == XPC_TYPE_DATA) {
		put_sized(buffer, value->bytes, value->length);
	} else if (value->type == XPC_TYPE_ARRAY || value->type == XPC_TYPE_DICTIONARY) {
		put(buffer, &n, sizeof(n));
		for (size_t i = 0; i < n; i++) {
			if (value->entries[i].key)
				put_sized(buffer, value->entries[i].key,
					  strlen(value->entries[i].key));
			value_encode(value->entries[i].value, buffer);
		}
	} else {
		put(buffer, &value->number, sizeof(value->number));
	}
}

static void get(const uint8_t **at, const uint8_t *end, void *bytes, size_t length)
{
	if ((size_t)(end - *at) < length)
		misuse("a message of the double is cut");
	memcpy(bytes, *at, length);
	*at += length;
}

static uint64_t get_number(const uint8_t **at, const uint8_t *end)
{
	uint64_t number;

	get(at, end, &number, sizeof(number));
	return number;
}

static char *get_text(const uint8_t **at, const uint8_t *end)
{
	uint64_t length = get_number(at, end);
	char *text = allocate(length + 1);

	get(at, end, text, length);
	return text;
}

static xpc_type_t get_type(const uint8_t **at, const uint8_t *end)
{
	char tag;

	get(at, end, &tag, 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i]->tag == tag)
			return types[i];
	misuse("a message of the double has the tag '%c'", tag);
}

xpc_object_t value_decode(const uint8_t **at, const uint8_t *end)
{
	xpc_type_t type = get_type(at, end);
	uint64_t number = get_number(at, end);
	struct value *value;

	if (type == XPC_TYPE_STRING || type == XPC_TYPE_DATA) {
		if ((uint64_t)(end - *at) < number)
			misuse("a message of the double is cut");
		value = bytes_new(type, *at, number);
		*at += number;
		return value;
	}
	value = value_new(type);
	value->number = number;
	for (uint64_t i = 0; (type == XPC_TYPE_ARRAY || type == XPC_TYPE_DICTIONARY) && i < number;
	     i++) {
		char *key = type == XPC_TYPE_DICTIONARY ? get_text(at, end) : NULL;

		entry_add(value, key, value_decode(at, end));
	}
	return value;
}
