/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XPC's values on the wire: a tag, and then a number, or a length and what it
 * counts. Descriptors go beside it, in their order.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xpc_value.h"

static const struct _xpc_type_s *const types[] = {
	XPC_TYPE_ARRAY,	     XPC_TYPE_BOOL,   XPC_TYPE_DATA,   XPC_TYPE_DATE,
	XPC_TYPE_DICTIONARY, XPC_TYPE_DOUBLE, XPC_TYPE_FD,     XPC_TYPE_INT64,
	XPC_TYPE_NULL,	     XPC_TYPE_STRING, XPC_TYPE_UINT64, XPC_TYPE_UUID,
};

static bool has_bytes(xpc_type_t type)
{
	return type == XPC_TYPE_STRING || type == XPC_TYPE_DATA || type == XPC_TYPE_UUID;
}

static bool has_entries(xpc_type_t type)
{
	return type == XPC_TYPE_ARRAY || type == XPC_TYPE_DICTIONARY;
}

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

static void put_fd(struct buffer *buffer, int fd)
{
	if (buffer->n_fds == FDS_MAX)
		misuse("a message has more than %d descriptors, too many for the double", FDS_MAX);
	buffer->fds[buffer->n_fds] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (buffer->fds[buffer->n_fds++] < 0)
		broken("double: F_DUPFD_CLOEXEC");
}

void buffer_clear(struct buffer *buffer)
{
	free(buffer->bytes);
	while (buffer->n_fds > 0)
		close(buffer->fds[--buffer->n_fds]);
	*buffer = (struct buffer){ 0 };
}

void value_encode(xpc_object_t object, struct buffer *buffer)
{
	const struct value *value = object;
	uint64_t n = value->n_entries;

	put(buffer, &value->type->tag, 1);
	if (has_bytes(value->type)) {
		put_sized(buffer, value->bytes, value->length);
	} else if (has_entries(value->type)) {
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
	if (value->type == XPC_TYPE_FD)
		put_fd(buffer, value->fd);
}

/* Reading: at is where the reader stands in the buffer, next_fd which descriptor comes next */

static void get(struct reader *reader, void *bytes, size_t length)
{
	if (reader->buffer->length - reader->at < length)
		misuse("a message of the double is cut");
	memcpy(bytes, reader->buffer->bytes + reader->at, length);
	reader->at += length;
}

static uint64_t get_number(struct reader *reader)
{
	uint64_t number;

	get(reader, &number, sizeof(number));
	return number;
}

static char *get_text(struct reader *reader)
{
	uint64_t length = get_number(reader);
	char *text = allocate(length + 1);

	get(reader, text, length);
	return text;
}

static xpc_type_t get_type(struct reader *reader)
{
	char tag;

	get(reader, &tag, 1);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i]->tag == tag)
			return types[i];
	misuse("a message of the double has the tag '%c'", tag);
}

xpc_object_t value_decode(struct reader *reader)
{
	xpc_type_t type = get_type(reader);
	uint64_t number = get_number(reader);
	struct value *value;

	if (has_bytes(type)) {
		if (reader->buffer->length - reader->at < number)
			misuse("a message of the double is cut");
		value = value_of_bytes(type, reader->buffer->bytes + reader->at, number);
		reader->at += number;
		return value;
	}
	value = value_new(type);
	value->number = number;
	if (type == XPC_TYPE_FD) {
		if (reader->next_fd == reader->buffer->n_fds)
			misuse("a descriptor of a message of the double is missing");
		/* The buffer keeps its own. */
		value->fd = fcntl(reader->buffer->fds[reader->next_fd++], F_DUPFD_CLOEXEC, 0);
	}
	for (uint64_t i = 0; has_entries(type) && i < number; i++) {
		char *key = type == XPC_TYPE_DICTIONARY ? get_text(reader) : NULL;

		entry_add(value, key, value_decode(reader));
	}
	return value;
}
