/* SPDX-License-Identifier: Apache-2.0 */
/* What an XPC value is, for the files that make, hold and send them. */
#ifndef TESTS_DARWIN_XPC_VALUE_H
#define TESTS_DARWIN_XPC_VALUE_H

#include "double.h"

struct _xpc_type_s {
	char tag; /* on the wire */
	const char *name;
};

struct entry {
	char *key; /* NULL in an array */
	struct value *value; /* counted */
};

struct value {
	struct object object;
	xpc_type_t type;
	uint64_t number; /* of int64, uint64, bool, date; the bits of a double */
	int fd; /* of a descriptor; owned */
	uint8_t *bytes; /* of data, uuid and string, which is terminated */
	size_t length;
	struct entry *entries; /* of array and dictionary */
	size_t n_entries;
	struct reply_context *reply; /* of a dictionary that is a request, or a reply */
	xpc_connection_t remote; /* of a dictionary that was received: its connection; counted */
	bool is_reply;
};

struct value *value_new(xpc_type_t type);
xpc_object_t value_of_number(xpc_type_t type, uint64_t number);
xpc_object_t value_of_bytes(xpc_type_t type, const void *bytes, size_t length);

/* Aborts when it is no value of the type. */
struct value *value_checked(xpc_object_t object, xpc_type_t type, const char *call);
/* An error may be looked into like a dictionary. */
struct value *value_checked_dictionary(xpc_object_t object, const char *call);

/* Takes over key and value. */
void entry_add(struct value *container, char *key, struct value *value);
struct entry *entry_find(const struct value *dictionary, const char *key);

#endif
