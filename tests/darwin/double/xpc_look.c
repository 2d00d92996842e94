/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at XPC's objects as wholes: equality, hashes, copies, descriptions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xpc_value.h"

const char *xpc_type_get_name(xpc_type_t type)
{
	return type->name;
}

static bool entries_equal(const struct value *a, const struct value *b)
{
	if (a->n_entries != b->n_entries)
		return false;
	for (size_t i = 0; i < a->n_entries; i++) {
		const struct entry *other =
			a->entries[i].key ? entry_find(b, a->entries[i].key) : &b->entries[i];

		if (!other || !xpc_equal(a->entries[i].value, other->value))
			return false;
	}
	return true;
}

bool xpc_equal(xpc_object_t first, xpc_object_t second)
{
	const struct value *a = first;
	const struct value *b = second;

	if (first == second)
		return true;
	if (xpc_get_type(first) != xpc_get_type(second) ||
	    xpc_get_type(first) == XPC_TYPE_CONNECTION || a->type == XPC_TYPE_ERROR)
		return false;
	/* Two descriptors are equal when they are the same object. */
	return a->type != XPC_TYPE_FD && a->number == b->number && a->length == b->length &&
	       (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0) &&
	       entries_equal(a, b);
}

/* Of dictionaries the order does not count. */
size_t xpc_hash(xpc_object_t object)
{
	const struct value *value = object;
	size_t hash;

	if (xpc_get_type(object) == XPC_TYPE_CONNECTION)
		return (size_t)object;
	hash = (size_t)value->type->tag + (size_t)value->number;
	for (size_t i = 0; i < value->length; i++)
		hash = hash * 31 + value->bytes[i];
	for (size_t i = 0; i < value->n_entries; i++)
		hash += xpc_hash(value->entries[i].value);
	return hash;
}

/* Of single values another reference is a copy: nobody can change them. */
xpc_object_t xpc_copy(xpc_object_t object)
{
	const struct value *value = object;
	struct value *copy;

	if (xpc_get_type(object) != XPC_TYPE_ARRAY && xpc_get_type(object) != XPC_TYPE_DICTIONARY)
		return xpc_retain(object);
	copy = value_new(value->type);
	for (size_t i = 0; i < value->n_entries; i++)
		entry_add(copy, value->entries[i].key ? copy_text(value->entries[i].key) : NULL,
			  xpc_copy(value->entries[i].value));
	return copy;
}

static void describe(FILE *out, xpc_object_t object, int depth)
{
	const struct value *value = object;
	xpc_type_t type = xpc_get_type(object);

	(void)fprintf(out, "<%s: %p>", type->name, object);
	if (type == XPC_TYPE_CONNECTION)
		return;
	if (type == XPC_TYPE_STRING)
		(void)fprintf(out, " { length = %zu, contents = \"%s\" }", value->length,
			      (const char *)value->bytes);
	else if (type == XPC_TYPE_DATA || type == XPC_TYPE_UUID)
		(void)fprintf(out, " { length = %zu bytes }", value->length);
	else if (type == XPC_TYPE_DOUBLE)
		(void)fprintf(out, ": %f", xpc_double_get_value(object));
	else if (value->n_entries == 0)
		(void)fprintf(out, ": %lld", (long long)value->number);
	if (value->n_entries == 0)
		return;
	(void)fprintf(out, " { count = %zu, contents =\n", value->n_entries);
	for (size_t i = 0; i < value->n_entries; i++) {
		(void)fprintf(out, "%*s\"%s\" => ", depth * 4 + 4, "",
			      value->entries[i].key ? value->entries[i].key : "");
		describe(out, value->entries[i].value, depth + 1);
		(void)fputc('\n', out);
	}
	(void)fprintf(out, "%*s}", depth * 4, "");
}

char *xpc_copy_description(xpc_object_t object)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		broken("double: open_memstream");
	describe(out, object, 0);
	if (fclose(out) != 0)
		broken("double: open_memstream");
	return text;
}
