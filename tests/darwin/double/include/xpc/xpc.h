/* SPDX-License-Identifier: Apache-2.0 */
/* The part of XPC that the project calls, of the double: see double.h. */
#ifndef TESTS_DARWIN_XPC_H
#define TESTS_DARWIN_XPC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <dispatch/dispatch.h>

typedef const struct _xpc_type_s *xpc_type_t;
typedef void *xpc_object_t;
typedef struct _xpc_connection_s *xpc_connection_t;
typedef void (^xpc_handler_t)(xpc_object_t object);
typedef bool (^xpc_dictionary_applier_t)(const char *key, xpc_object_t value);
typedef bool (^xpc_array_applier_t)(size_t index, xpc_object_t value);
typedef void (*xpc_finalizer_t)(void *value);

extern const struct _xpc_type_s _xpc_type_array;
extern const struct _xpc_type_s _xpc_type_bool;
extern const struct _xpc_type_s _xpc_type_connection;
extern const struct _xpc_type_s _xpc_type_data;
extern const struct _xpc_type_s _xpc_type_date;
extern const struct _xpc_type_s _xpc_type_dictionary;
extern const struct _xpc_type_s _xpc_type_double;
extern const struct _xpc_type_s _xpc_type_error;
extern const struct _xpc_type_s _xpc_type_fd;
extern const struct _xpc_type_s _xpc_type_int64;
extern const struct _xpc_type_s _xpc_type_null;
extern const struct _xpc_type_s _xpc_type_string;
extern const struct _xpc_type_s _xpc_type_uint64;
extern const struct _xpc_type_s _xpc_type_uuid;

#define XPC_TYPE_ARRAY (&_xpc_type_array)
#define XPC_TYPE_BOOL (&_xpc_type_bool)
#define XPC_TYPE_CONNECTION (&_xpc_type_connection)
#define XPC_TYPE_DATA (&_xpc_type_data)
#define XPC_TYPE_DATE (&_xpc_type_date)
#define XPC_TYPE_DICTIONARY (&_xpc_type_dictionary)
#define XPC_TYPE_DOUBLE (&_xpc_type_double)
#define XPC_TYPE_ERROR (&_xpc_type_error)
#define XPC_TYPE_FD (&_xpc_type_fd)
#define XPC_TYPE_INT64 (&_xpc_type_int64)
#define XPC_TYPE_NULL (&_xpc_type_null)
#define XPC_TYPE_STRING (&_xpc_type_string)
#define XPC_TYPE_UINT64 (&_xpc_type_uint64)
#define XPC_TYPE_UUID (&_xpc_type_uuid)

extern const struct _xpc_dictionary_s _xpc_error_connection_interrupted;
extern const struct _xpc_dictionary_s _xpc_error_connection_invalid;
extern const struct _xpc_dictionary_s _xpc_error_termination_imminent;
extern const struct _xpc_dictionary_s _xpc_error_peer_code_signing_requirement;
extern const struct _xpc_bool_s _xpc_bool_true;
extern const struct _xpc_bool_s _xpc_bool_false;
extern const char *const _xpc_error_key_description;

#define XPC_ERROR_CONNECTION_INTERRUPTED ((xpc_object_t)&_xpc_error_connection_interrupted)
#define XPC_ERROR_CONNECTION_INVALID ((xpc_object_t)&_xpc_error_connection_invalid)
#define XPC_ERROR_TERMINATION_IMMINENT ((xpc_object_t)&_xpc_error_termination_imminent)

#define XPC_ERROR_PEER_CODE_SIGNING_REQUIREMENT \
	((xpc_object_t)&_xpc_error_peer_code_signing_requirement)
#define XPC_ERROR_KEY_DESCRIPTION _xpc_error_key_description

#define XPC_BOOL_TRUE ((xpc_object_t)&_xpc_bool_true)
#define XPC_BOOL_FALSE ((xpc_object_t)&_xpc_bool_false)

#define XPC_CONNECTION_MACH_SERVICE_LISTENER (1 << 0)
#define XPC_CONNECTION_MACH_SERVICE_PRIVILEGED (1 << 1)

/* For compilers that release by themselves. */
#define XPC_RETURNS_RETAINED

#define XPC_ARRAY_APPEND ((size_t)-1)

/* Objects */

xpc_object_t xpc_retain(xpc_object_t object);
void xpc_release(xpc_object_t object);
xpc_type_t xpc_get_type(xpc_object_t object);
const char *xpc_type_get_name(xpc_type_t type);
xpc_object_t xpc_copy(xpc_object_t object);
bool xpc_equal(xpc_object_t first, xpc_object_t second);
size_t xpc_hash(xpc_object_t object);
char *xpc_copy_description(xpc_object_t object);

xpc_object_t xpc_string_create(const char *string);
xpc_object_t xpc_string_create_with_format(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
xpc_object_t xpc_string_create_with_format_and_arguments(const char *format, va_list arguments)
	__attribute__((format(printf, 1, 0)));
const char *xpc_string_get_string_ptr(xpc_object_t string);
size_t xpc_string_get_length(xpc_object_t string);
xpc_object_t xpc_null_create(void);
xpc_object_t xpc_double_create(double value);
double xpc_double_get_value(xpc_object_t object);
xpc_object_t xpc_date_create(int64_t interval); /* nanoseconds since 1970 */
xpc_object_t xpc_date_create_from_current(void);
int64_t xpc_date_get_value(xpc_object_t object);
xpc_object_t xpc_uuid_create(const unsigned char *uuid);
const uint8_t *xpc_uuid_get_bytes(xpc_object_t object);
xpc_object_t xpc_fd_create(int fd);
int xpc_fd_dup(xpc_object_t object);
xpc_object_t xpc_int64_create(int64_t value);
int64_t xpc_int64_get_value(xpc_object_t object);
xpc_object_t xpc_uint64_create(uint64_t value);
uint64_t xpc_uint64_get_value(xpc_object_t object);
xpc_object_t xpc_bool_create(bool value);
bool xpc_bool_get_value(xpc_object_t object);
xpc_object_t xpc_data_create(const void *bytes, size_t length);
size_t xpc_data_get_length(xpc_object_t data);
const void *xpc_data_get_bytes_ptr(xpc_object_t data);
size_t xpc_data_get_bytes(xpc_object_t data, void *buffer, size_t offset, size_t length);

xpc_object_t xpc_array_create(const xpc_object_t *objects, size_t count);
xpc_object_t xpc_array_create_empty(void);
void xpc_array_set_value(xpc_object_t array, size_t index, xpc_object_t value);
bool xpc_array_apply(xpc_object_t array, xpc_array_applier_t applier);
const char *xpc_array_get_string(xpc_object_t array, size_t index);
int64_t xpc_array_get_int64(xpc_object_t array, size_t index);
uint64_t xpc_array_get_uint64(xpc_object_t array, size_t index);
bool xpc_array_get_bool(xpc_object_t array, size_t index);
const void *xpc_array_get_data(xpc_object_t array, size_t index, size_t *length);
xpc_object_t xpc_array_get_dictionary(xpc_object_t array, size_t index);
xpc_object_t xpc_array_get_array(xpc_object_t array, size_t index);
void xpc_array_set_string(xpc_object_t array, size_t index, const char *value);
void xpc_array_set_int64(xpc_object_t array, size_t index, int64_t value);
void xpc_array_set_uint64(xpc_object_t array, size_t index, uint64_t value);
void xpc_array_set_bool(xpc_object_t array, size_t index, bool value);
void xpc_array_set_data(xpc_object_t array, size_t index, const void *bytes, size_t length);
void xpc_array_append_value(xpc_object_t array, xpc_object_t value);
size_t xpc_array_get_count(xpc_object_t array);
xpc_object_t xpc_array_get_value(xpc_object_t array, size_t index);

xpc_object_t xpc_dictionary_create(const char *const *keys, const xpc_object_t *values,
				   size_t count);
xpc_object_t xpc_dictionary_create_empty(void);
xpc_object_t xpc_dictionary_create_reply(xpc_object_t original);
size_t xpc_dictionary_get_count(xpc_object_t dictionary);
bool xpc_dictionary_apply(xpc_object_t dictionary, xpc_dictionary_applier_t applier);
void xpc_dictionary_set_value(xpc_object_t dictionary, const char *key, xpc_object_t value);
void xpc_dictionary_set_string(xpc_object_t dictionary, const char *key, const char *value);
void xpc_dictionary_set_data(xpc_object_t dictionary, const char *key, const void *bytes,
			     size_t length);
void xpc_dictionary_set_int64(xpc_object_t dictionary, const char *key, int64_t value);
void xpc_dictionary_set_uint64(xpc_object_t dictionary, const char *key, uint64_t value);
void xpc_dictionary_set_bool(xpc_object_t dictionary, const char *key, bool value);
void xpc_dictionary_set_double(xpc_object_t dictionary, const char *key, double value);
void xpc_dictionary_set_date(xpc_object_t dictionary, const char *key, int64_t value);
void xpc_dictionary_set_uuid(xpc_object_t dictionary, const char *key, const unsigned char *uuid);
void xpc_dictionary_set_fd(xpc_object_t dictionary, const char *key, int fd);
xpc_object_t xpc_dictionary_get_value(xpc_object_t dictionary, const char *key);
const char *xpc_dictionary_get_string(xpc_object_t dictionary, const char *key);
const void *xpc_dictionary_get_data(xpc_object_t dictionary, const char *key, size_t *length);
int64_t xpc_dictionary_get_int64(xpc_object_t dictionary, const char *key);
uint64_t xpc_dictionary_get_uint64(xpc_object_t dictionary, const char *key);
bool xpc_dictionary_get_bool(xpc_object_t dictionary, const char *key);
double xpc_dictionary_get_double(xpc_object_t dictionary, const char *key);
int64_t xpc_dictionary_get_date(xpc_object_t dictionary, const char *key);
const uint8_t *xpc_dictionary_get_uuid(xpc_object_t dictionary, const char *key);
int xpc_dictionary_dup_fd(xpc_object_t dictionary, const char *key);
xpc_object_t xpc_dictionary_get_dictionary(xpc_object_t dictionary, const char *key);
xpc_object_t xpc_dictionary_get_array(xpc_object_t dictionary, const char *key);
xpc_connection_t xpc_dictionary_get_remote_connection(xpc_object_t dictionary);

/* Connections */

/* name: an XPC service within the program's bundle; NULL: an anonymous listener */
xpc_connection_t xpc_connection_create(const char *name, dispatch_queue_t queue);
xpc_connection_t xpc_connection_create_mach_service(const char *name, dispatch_queue_t queue,
						    uint64_t flags);
void xpc_connection_set_event_handler(xpc_connection_t connection, xpc_handler_t handler);
void xpc_connection_set_target_queue(xpc_connection_t connection, dispatch_queue_t queue);
void xpc_connection_set_context(xpc_connection_t connection, void *context);
void *xpc_connection_get_context(xpc_connection_t connection);
void xpc_connection_set_finalizer_f(xpc_connection_t connection, xpc_finalizer_t finalizer);
void xpc_connection_activate(xpc_connection_t connection);
void xpc_connection_resume(xpc_connection_t connection);
void xpc_connection_suspend(xpc_connection_t connection);
void xpc_connection_cancel(xpc_connection_t connection);
void xpc_connection_send_message(xpc_connection_t connection, xpc_object_t message);
void xpc_connection_send_barrier(xpc_connection_t connection, dispatch_block_t barrier);
void xpc_connection_send_message_with_reply(xpc_connection_t connection, xpc_object_t message,
					    dispatch_queue_t queue, xpc_handler_t handler);
xpc_object_t xpc_connection_send_message_with_reply_sync(xpc_connection_t connection,
							 xpc_object_t message);
const char *xpc_connection_get_name(xpc_connection_t connection);
int xpc_connection_set_peer_code_signing_requirement(xpc_connection_t connection,
						     const char *requirement);
pid_t xpc_connection_get_pid(xpc_connection_t connection);
uid_t xpc_connection_get_euid(xpc_connection_t connection);
gid_t xpc_connection_get_egid(xpc_connection_t connection);

/* The daemon's life */

void xpc_transaction_begin(void);
void xpc_transaction_end(void);

#endif
