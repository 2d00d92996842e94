/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XPC's values. As with the system's, a look into a dictionary for a key that
 * is missing or of another type gives nothing (NULL, 0, false), but to take a
 * value of one type for one of another aborts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "xpc_value.h"

#define UUID_SIZE 16

const struct _xpc_type_s _xpc_type_array = { 'a', "array" };
const struct _xpc_type_s _xpc_type_bool = { 'b', "bool" };
const struct _xpc_type_s _xpc_type_connection = { 'c', "connection" };
const struct _xpc_type_s _xpc_type_data = { 'd', "data" };
const struct _xpc_type_s _xpc_type_date = { 't', "date" };
const struct _xpc_type_s _xpc_type_dictionary = { 'D', "dictionary" };
const struct _xpc_type_s _xpc_type_double = { 'f', "double" };
const struct _xpc_type_s _xpc_type_error = { 'e', "error" };
const struct _xpc_type_s _xpc_type_fd = { 'h', "fd" };
const struct _xpc_type_s _xpc_type_int64 = { 'i', "int64" };
const struct _xpc_type_s _xpc_type_null = { 'n', "null" };
const struct _xpc_type_s _xpc_type_string = { 's', "string" };
const struct _xpc_type_s _xpc_type_uint64 = { 'u', "uint64" };
const struct _xpc_type_s _xpc_type_uuid = { 'U', "uuid" };

struct _xpc_dictionary_s {
	struct value value;
};

struct _xpc_bool_s {
	struct value value;
};

#define IMMORTAL_OBJECT                                                                 \
	{                                                                               \
		.magic = OBJECT_MAGIC, .kind = OBJECT_XPC_VALUE, .references = IMMORTAL \
	}

const char *const _xpc_error_key_description = "XPCErrorDescription";

/* An error has its description, and nothing else. */
#define ERROR_OBJECT(name, text)                       \
	static const struct value name##_text = {      \
		.object = IMMORTAL_OBJECT,             \
		.type = XPC_TYPE_STRING,               \
		.bytes = (uint8_t *)(text),            \
		.length = sizeof(text) - 1,            \
	};                                             \
	static const struct entry name##_entry = {     \
		.key = (char *)"XPCErrorDescription",  \
		.value = (struct value *)&name##_text, \
	};                                             \
	const struct _xpc_dictionary_s name = {                                       \
		.value = {                                                            \
			.object = IMMORTAL_OBJECT,                                    \
			.type = XPC_TYPE_ERROR,                                       \
			.entries = (struct entry *)&name##_entry,                     \
			.n_entries = 1,                                               \
		},                                                                    \
	}

ERROR_OBJECT(_xpc_error_connection_interrupted, "Connection interrupted");
ERROR_OBJECT(_xpc_error_connection_invalid, "Connection invalid");
ERROR_OBJECT(_xpc_error_termination_imminent, "Process is about to exit");
ERROR_OBJECT(_xpc_error_peer_code_signing_requirement, "Peer forbidden");

const struct _xpc_bool_s _xpc_bool_true = {
	.value = { .object = IMMORTAL_OBJECT, .type = XPC_TYPE_BOOL, .number = 1 },
};
const struct _xpc_bool_s _xpc_bool_false = {
	.value = { .object = IMMORTAL_OBJECT, .type = XPC_TYPE_BOOL },
};

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

struct value *value_checked(xpc_object_t object, xpc_type_t type, const char *call)
{
	struct value *value = object;

	object_check(object, OBJECT_XPC_VALUE, call);
	if (value->type != type)
		misuse("%s: a %s is no %s", call, value->type->name, type->name);
	return value;
}

struct value *value_checked_dictionary(xpc_object_t object, const char *call)
{
	struct value *value = object;

	object_check(object, OBJECT_XPC_VALUE, call);
	return value->type == XPC_TYPE_ERROR ? value
					     : value_checked(object, XPC_TYPE_DICTIONARY, call);
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
	if (value->fd >= 0)
		close(value->fd);
	if (value->reply)
		reply_context_drop(value->reply);
	if (value->remote)
		object_release(value->remote);
}

struct value *value_new(xpc_type_t type)
{
	struct value *value = object_new(sizeof(*value), OBJECT_XPC_VALUE, value_dispose);

	value->type = type;
	value->fd = -1;
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

xpc_object_t value_of_number(xpc_type_t type, uint64_t number)
{
	struct value *value = value_new(type);

	value->number = number;
	return value;
}

xpc_object_t value_of_bytes(xpc_type_t type, const void *bytes, size_t length)
{
	struct value *value = value_new(type);

	value->bytes = allocate(length + 1);
	if (length > 0)
		memcpy(value->bytes, bytes, length);
	value->length = length;
	return value;
}

xpc_object_t xpc_string_create(const char *string)
{
	if (!string)
		misuse("xpc_string_create: NULL");
	return value_of_bytes(XPC_TYPE_STRING, string, strlen(string));
}

const char *xpc_string_get_string_ptr(xpc_object_t string)
{
	return (const char *)value_checked(string, XPC_TYPE_STRING, "xpc_string_get_string_ptr")
		->bytes;
}

xpc_object_t xpc_int64_create(int64_t value)
{
	return value_of_number(XPC_TYPE_INT64, (uint64_t)value);
}

int64_t xpc_int64_get_value(xpc_object_t object)
{
	return (int64_t)value_checked(object, XPC_TYPE_INT64, "xpc_int64_get_value")->number;
}

xpc_object_t xpc_uint64_create(uint64_t value)
{
	return value_of_number(XPC_TYPE_UINT64, value);
}

uint64_t xpc_uint64_get_value(xpc_object_t object)
{
	return value_checked(object, XPC_TYPE_UINT64, "xpc_uint64_get_value")->number;
}

xpc_object_t xpc_bool_create(bool value)
{
	return value_of_number(XPC_TYPE_BOOL, value);
}

bool xpc_bool_get_value(xpc_object_t object)
{
	return value_checked(object, XPC_TYPE_BOOL, "xpc_bool_get_value")->number != 0;
}

xpc_object_t xpc_data_create(const void *bytes, size_t length)
{
	return value_of_bytes(XPC_TYPE_DATA, bytes, length);
}

size_t xpc_data_get_length(xpc_object_t data)
{
	return value_checked(data, XPC_TYPE_DATA, "xpc_data_get_length")->length;
}

const void *xpc_data_get_bytes_ptr(xpc_object_t data)
{
	return value_checked(data, XPC_TYPE_DATA, "xpc_data_get_bytes_ptr")->bytes;
}

size_t xpc_data_get_bytes(xpc_object_t data, void *buffer, size_t offset, size_t length)
{
	const struct value *value = value_checked(data, XPC_TYPE_DATA, "xpc_data_get_bytes");

	if (offset >= value->length)
		return 0;
	if (length > value->length - offset)
		length = value->length - offset;
	memcpy(buffer, value->bytes + offset, length);
	return length;
}

size_t xpc_string_get_length(xpc_object_t string)
{
	return value_checked(string, XPC_TYPE_STRING, "xpc_string_get_length")->length;
}

xpc_object_t xpc_string_create_with_format(const char *format, ...)
{
	va_list arguments;
	xpc_object_t string;

	va_start(arguments, format);
	string = xpc_string_create_with_format_and_arguments(format, arguments);
	va_end(arguments);
	return string;
}

xpc_object_t xpc_string_create_with_format_and_arguments(const char *format, va_list arguments)
{
	xpc_object_t string;
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		broken("double: vasprintf");
	string = xpc_string_create(text);
	free(text);
	return string;
}

xpc_object_t xpc_null_create(void)
{
	return value_new(XPC_TYPE_NULL);
}

xpc_object_t xpc_double_create(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return value_of_number(XPC_TYPE_DOUBLE, bits);
}

double xpc_double_get_value(xpc_object_t object)
{
	double value;

	memcpy(&value, &value_checked(object, XPC_TYPE_DOUBLE, "xpc_double_get_value")->number,
	       sizeof(value));
	return value;
}

xpc_object_t xpc_date_create(int64_t interval)
{
	return value_of_number(XPC_TYPE_DATE, (uint64_t)interval);
}

xpc_object_t xpc_date_create_from_current(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_REALTIME, &time);
	return xpc_date_create((int64_t)time.tv_sec * (int64_t)NSEC_PER_SEC + time.tv_nsec);
}

int64_t xpc_date_get_value(xpc_object_t object)
{
	return (int64_t)value_checked(object, XPC_TYPE_DATE, "xpc_date_get_value")->number;
}

xpc_object_t xpc_uuid_create(const unsigned char *uuid)
{
	return value_of_bytes(XPC_TYPE_UUID, uuid, UUID_SIZE);
}

const uint8_t *xpc_uuid_get_bytes(xpc_object_t object)
{
	return value_checked(object, XPC_TYPE_UUID, "xpc_uuid_get_bytes")->bytes;
}

/* It has a descriptor of its own: the program may close the one it gave. NULL when that is none. */
xpc_object_t xpc_fd_create(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	struct value *value;

	if (copy < 0)
		return NULL;
	value = value_new(XPC_TYPE_FD);
	value->fd = copy;
	return value;
}

int xpc_fd_dup(xpc_object_t object)
{
	return fcntl(value_checked(object, XPC_TYPE_FD, "xpc_fd_dup")->fd, F_DUPFD_CLOEXEC, 0);
}
