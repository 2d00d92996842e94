/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client in C that nobody here wrote may call of XPC, each part by its
 * name as the argument. Started by launchd it is a service: it answers each
 * message with what came, and with its descriptor read. A part that goes wrong
 * aborts, by must().
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xpc/xpc.h>

#define SERVICE "com.github.nirs.vmnet-broker"
#define TEXT "passed by descriptor"

#define must(condition)                                                              \
	do {                                                                         \
		if (!(condition)) {                                                  \
			fprintf(stderr, "xpc: line %d: %s\n", __LINE__, #condition); \
			abort();                                                     \
		}                                                                    \
	} while (0)

static const unsigned char uuid[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* A dictionary with a value of each type; fd: -1 for none. */
static xpc_object_t all_types(int fd)
{
	xpc_object_t dictionary = xpc_dictionary_create_empty();
	xpc_object_t inner = xpc_dictionary_create_empty();
	xpc_object_t array = xpc_array_create_empty();
	xpc_object_t null = xpc_null_create();

	xpc_array_set_string(array, XPC_ARRAY_APPEND, "first");
	xpc_array_set_int64(array, XPC_ARRAY_APPEND, -2);
	xpc_dictionary_set_string(inner, "key", "inner");
	xpc_dictionary_set_value(dictionary, "dictionary", inner);
	xpc_dictionary_set_value(dictionary, "array", array);
	xpc_dictionary_set_value(dictionary, "null", null);
	xpc_dictionary_set_string(dictionary, "string", "text");
	xpc_dictionary_set_data(dictionary, "data", "\0\1\2", 3);
	xpc_dictionary_set_int64(dictionary, "int64", INT64_MIN);
	xpc_dictionary_set_uint64(dictionary, "uint64", UINT64_MAX);
	xpc_dictionary_set_bool(dictionary, "bool", true);
	xpc_dictionary_set_double(dictionary, "double", 0.5);
	xpc_dictionary_set_date(dictionary, "date", 1000000007);
	xpc_dictionary_set_uuid(dictionary, "uuid", uuid);
	if (fd >= 0)
		xpc_dictionary_set_fd(dictionary, "fd", fd);
	xpc_release(inner);
	xpc_release(array);
	xpc_release(null);
	return dictionary;
}

static void check_all(xpc_object_t dictionary)
{
	xpc_object_t array = xpc_dictionary_get_array(dictionary, "array");
	size_t length;

	must(strcmp(xpc_dictionary_get_string(dictionary, "string"), "text") == 0);
	must(memcmp(xpc_dictionary_get_data(dictionary, "data", &length), "\0\1\2", 3) == 0);
	must(length == 3);
	must(xpc_dictionary_get_int64(dictionary, "int64") == INT64_MIN);
	must(xpc_dictionary_get_uint64(dictionary, "uint64") == UINT64_MAX);
	must(xpc_dictionary_get_bool(dictionary, "bool"));
	must(xpc_dictionary_get_double(dictionary, "double") == 0.5);
	must(xpc_dictionary_get_date(dictionary, "date") == 1000000007);
	must(memcmp(xpc_dictionary_get_uuid(dictionary, "uuid"), uuid, sizeof(uuid)) == 0);
	must(xpc_get_type(xpc_dictionary_get_value(dictionary, "null")) == XPC_TYPE_NULL);
	must(strcmp(xpc_dictionary_get_string(
			    xpc_dictionary_get_dictionary(dictionary, "dictionary"), "key"),
		    "inner") == 0);
	must(xpc_array_get_count(array) == 2 && xpc_array_get_int64(array, 1) == -2);
	must(strcmp(xpc_array_get_string(array, 0), "first") == 0);
	/* What is not there, or of another type, is nothing. */
	must(!xpc_dictionary_get_string(dictionary, "int64"));
	must(!xpc_dictionary_get_data(dictionary, "none", &length) && length == 0);
	must(!xpc_dictionary_get_uuid(dictionary, "data"));
	must(xpc_dictionary_dup_fd(dictionary, "string") == -1);
	must(!xpc_array_get_string(array, 1));
}

/* Parts */

static void values(void)
{
	xpc_object_t data = xpc_data_create("abc", 3);
	xpc_object_t text = xpc_string_create_with_format("%d-%s", 7, "x");
	char buffer[8] = "";

	must(xpc_data_get_length(data) == 3);
	must(memcmp(xpc_data_get_bytes_ptr(data), "abc", 3) == 0);
	must(xpc_data_get_bytes(data, buffer, 1, sizeof(buffer)) == 2);
	must(strcmp(buffer, "bc") == 0);
	must(strcmp(xpc_string_get_string_ptr(text), "7-x") == 0);
	must(xpc_string_get_length(text) == 3);
	must(xpc_get_type(XPC_BOOL_TRUE) == XPC_TYPE_BOOL && xpc_bool_get_value(XPC_BOOL_TRUE));
	must(strcmp(xpc_type_get_name(xpc_get_type(data)), "data") == 0);
	xpc_release(XPC_BOOL_FALSE); /* one of a kind, and never counted */
	xpc_release(data);
	xpc_release(text);
}

static void containers(void)
{
	xpc_object_t dictionary = all_types(-1);
	xpc_object_t array = xpc_dictionary_get_array(dictionary, "array");
	__block size_t seen = 0;

	check_all(dictionary);
	must(xpc_dictionary_get_count(dictionary) == 11);
	must(xpc_dictionary_apply(dictionary, ^bool(const char *key, xpc_object_t value) {
		must(xpc_dictionary_get_value(dictionary, key) == value);
		seen++;
		return true;
	}));
	must(seen == 11);
	must(!xpc_array_apply(array, ^bool(size_t index, xpc_object_t value) {
		must(xpc_array_get_value(array, index) == value);
		return false;
	}));
	xpc_array_set_int64(array, 0, 5);
	must(xpc_array_get_count(array) == 2 && xpc_array_get_int64(array, 0) == 5);
	xpc_dictionary_set_value(dictionary, "null", NULL);
	must(xpc_dictionary_get_count(dictionary) == 10);
	xpc_release(dictionary);
}

static void looks(void)
{
	xpc_object_t one = all_types(-1);
	xpc_object_t two = all_types(-1);
	xpc_object_t copy = xpc_copy(one);
	char *description = xpc_copy_description(one);

	must(xpc_equal(one, two) && xpc_equal(one, copy));
	must(xpc_hash(one) == xpc_hash(two) && copy != one);
	xpc_dictionary_set_int64(copy, "int64", 0);
	must(!xpc_equal(one, copy));
	must(xpc_dictionary_get_int64(one, "int64") == INT64_MIN);
	must(strstr(description, "text") && strstr(description, "\"double\""));
	free(description);
	xpc_release(one);
	xpc_release(two);
	xpc_release(copy);
}

static void errors(void)
{
	const char *text =
		xpc_dictionary_get_string(XPC_ERROR_CONNECTION_INVALID, XPC_ERROR_KEY_DESCRIPTION);

	must(xpc_get_type(XPC_ERROR_CONNECTION_INTERRUPTED) == XPC_TYPE_ERROR);
	must(strcmp(text, "Connection invalid") == 0);
	must(!xpc_equal(XPC_ERROR_CONNECTION_INVALID, XPC_ERROR_CONNECTION_INTERRUPTED));
	must(!xpc_dictionary_get_string(XPC_ERROR_TERMINATION_IMMINENT, "other"));
}

static void descriptors(void)
{
	int fds[2];
	xpc_object_t object;
	int copy;

	must(pipe(fds) == 0);
	object = xpc_fd_create(fds[1]);
	copy = xpc_fd_dup(object);
	must(copy >= 0 && copy != fds[1]);
	must(write(copy, "x", 1) == 1);
	close(copy);
	close(fds[1]);
	must(!xpc_fd_create(fds[1]));
	xpc_release(object);
	/* Nobody has it open any more. */
	must(read(fds[0], &copy, 1) == 1 && read(fds[0], &copy, 1) == 0);
	close(fds[0]);
}

/* What such a client waits with. */
static void waits(void)
{
	dispatch_queue_t queue = dispatch_queue_create("waits", DISPATCH_QUEUE_SERIAL);
	dispatch_group_t group = dispatch_group_create();
	dispatch_time_t soon = dispatch_time(DISPATCH_TIME_NOW, 20 * (int64_t)NSEC_PER_MSEC);
	__block int runs = 0;

	dispatch_group_enter(group);
	dispatch_after(soon, queue, ^{
		runs++;
		dispatch_group_leave(group);
	});
	must(dispatch_group_wait(group, DISPATCH_TIME_NOW) != 0);
	dispatch_group_async(group, dispatch_get_global_queue(QOS_CLASS_DEFAULT, 0), ^{
		runs += 2;
	});
	must(dispatch_group_wait(group, DISPATCH_TIME_FOREVER) == 0);
	must(runs == 3);
	dispatch_release(group);
	dispatch_release(queue);
}

/* Connections */

static dispatch_semaphore_t ended;

static xpc_connection_t watch(xpc_connection_t connection)
{
	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		if (event == XPC_ERROR_CONNECTION_INVALID)
			dispatch_semaphore_signal(ended);
	});
	xpc_connection_activate(connection);
	return connection;
}

static void finish(xpc_connection_t connection)
{
	xpc_connection_cancel(connection);
	dispatch_semaphore_wait(ended, DISPATCH_TIME_FOREVER);
	xpc_release(connection);
}

static void send_and_check(xpc_connection_t connection, xpc_object_t message)
{
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	xpc_object_t reply = xpc_connection_send_message_with_reply_sync(connection, message);

	must(xpc_get_type(reply) == XPC_TYPE_DICTIONARY);
	check_all(reply);
	must(strcmp(xpc_dictionary_get_string(reply, "read"), TEXT) == 0);
	must(xpc_dictionary_get_remote_connection(reply) == connection);
	xpc_release(reply);
	/* By a handler: the descriptor is at its end by now. */
	xpc_connection_send_message_with_reply(connection, message, NULL, ^(xpc_object_t answer) {
		check_all(answer);
		must(xpc_dictionary_get_string(answer, "read")[0] == '\0');
		dispatch_semaphore_signal(done);
	});
	dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
}

static void talk(void)
{
	xpc_connection_t connection = watch(xpc_connection_create_mach_service(SERVICE, NULL, 0));
	xpc_object_t message;
	int fds[2];

	must(strcmp(xpc_connection_get_name(connection), SERVICE) == 0);
	must(pipe(fds) == 0);
	must(write(fds[1], TEXT, strlen(TEXT)) == (ssize_t)strlen(TEXT));
	close(fds[1]);
	message = all_types(fds[0]);
	close(fds[0]);
	send_and_check(connection, message);
	xpc_release(message);
	finish(connection);
}

/* Requests that cannot be answered any more, to a handler. */
static void unanswered(void)
{
	dispatch_queue_t queue = dispatch_queue_create("replies", DISPATCH_QUEUE_SERIAL);
	xpc_connection_t connection =
		watch(xpc_connection_create_mach_service("com.example.none", NULL, 0));
	xpc_object_t message = xpc_dictionary_create_empty();
	dispatch_semaphore_t done = dispatch_semaphore_create(0);

	xpc_connection_send_message_with_reply(connection, message, queue, ^(xpc_object_t reply) {
		must(reply == XPC_ERROR_CONNECTION_INVALID);
		dispatch_semaphore_signal(done);
	});
	dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	finish(connection);
	xpc_release(message);
	dispatch_release(done);
	dispatch_release(queue);
}

/* A service of a bundle, which this program has none of, and a listener that nobody knows. */
static void created(void)
{
	xpc_connection_t bundled = watch(xpc_connection_create(SERVICE, NULL));
	xpc_connection_t anonymous = watch(xpc_connection_create(NULL, NULL));
	xpc_object_t message = xpc_dictionary_create_empty();
	xpc_object_t reply = xpc_connection_send_message_with_reply_sync(bundled, message);

	must(reply == XPC_ERROR_CONNECTION_INVALID);
	must(xpc_get_type(anonymous) == XPC_TYPE_CONNECTION);
	must(!xpc_connection_get_name(anonymous));
	must(xpc_equal(anonymous, anonymous) && !xpc_equal(anonymous, bundled));
	xpc_release(message);
	finish(bundled);
	finish(anonymous);
}

static void finalize(void *context)
{
	dispatch_semaphore_signal(context);
}

static void context(void)
{
	dispatch_semaphore_t finalized = dispatch_semaphore_create(0);
	xpc_connection_t connection =
		xpc_connection_create_mach_service("com.example.none", NULL, 0);

	xpc_connection_set_context(connection, finalized);
	xpc_connection_set_finalizer_f(connection, finalize);
	must(xpc_connection_get_context(connection) == finalized);
	must(xpc_connection_set_peer_code_signing_requirement(connection, "anchor apple") == 0);
	finish(watch(connection));
	dispatch_semaphore_wait(finalized, DISPATCH_TIME_FOREVER);
	dispatch_release(finalized);
}

/* The service */

static void answer(xpc_connection_t peer, xpc_object_t message)
{
	xpc_object_t reply = xpc_dictionary_create_reply(message);
	int fd = xpc_dictionary_dup_fd(message, "fd");
	char text[64] = "";

	must(fd >= 0 && read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	(void)xpc_dictionary_apply(message, ^bool(const char *key, xpc_object_t value) {
		xpc_dictionary_set_value(reply, key, value);
		return true;
	});
	xpc_dictionary_set_string(reply, "read", text);
	xpc_connection_send_message(peer, reply);
	xpc_release(reply);
}

static void serve(void)
{
	xpc_connection_t listener = xpc_connection_create_mach_service(
		SERVICE, dispatch_get_main_queue(), XPC_CONNECTION_MACH_SERVICE_LISTENER);
	dispatch_source_t term = dispatch_source_create(DISPATCH_SOURCE_TYPE_SIGNAL, SIGTERM, 0,
							dispatch_get_main_queue());

	xpc_connection_set_event_handler(listener, ^(xpc_object_t event) {
		if (xpc_get_type(event) != XPC_TYPE_CONNECTION)
			return;
		xpc_connection_set_event_handler(event, ^(xpc_object_t message) {
			if (xpc_get_type(message) == XPC_TYPE_DICTIONARY)
				answer(event, message);
		});
		xpc_connection_resume(event);
	});
	signal(SIGTERM, SIG_IGN);
	dispatch_source_set_event_handler(term, ^{
		_exit(0);
	});
	dispatch_resume(term);
	xpc_connection_resume(listener);
	dispatch_main();
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "values", values },	{ "containers", containers },	{ "looks", looks },
	{ "errors", errors },	{ "descriptors", descriptors }, { "talk", talk },
	{ "waits", waits },	{ "unanswered", unanswered },	{ "created", created },
	{ "context", context },
};

int main(int argc, char **argv)
{
	/* launchd's double starts it without a name. */
	if (getenv("DOUBLE_LISTENER"))
		serve();
	ended = dispatch_semaphore_create(0);
	for (size_t i = 0; argc == 2 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].name) != 0)
			continue;
		parts[i].run();
		dispatch_release(ended);
		return 0;
	}
	fputs("xpc: which part?\n", stderr);
	return 2;
}
