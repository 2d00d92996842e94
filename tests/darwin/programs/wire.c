/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client written to the wire, with none of the project's code. It does what
 * its standard input says, a line each, and answers with a line of JSON each,
 * where every value stands with its type: {"error": {"int64": 5}}.
 *
 *	call KEY=TYPE:VALUE...   sends a dictionary and waits for the reply
 *	post KEY=TYPE:VALUE...   sends it, and wants none; no answer
 *	join                     makes a network of the last reply's serialization
 *	run                      starts an interface on it, and waits for its start
 *	stop                     stops that, and answers when that is done
 *	cancel                   ends the connection
 *	quit                     ends the program in order
 *
 * TYPE is string, int64, bool, data, array or dictionary, the last two empty.
 * What comes by itself is a line {"event": ...}. At the end of its input it
 * exits as it stands.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmnet/vmnet.h>
#include <xpc/xpc.h>

#define SERVICE "com.github.nirs.vmnet-broker"

static dispatch_semaphore_t ended;
static dispatch_semaphore_t stopped;
static unsigned int n_stops;

/* Printing */

static void print_object(FILE *out, xpc_object_t object);

static void print_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' || *text == '\\' || *text == '\n' ? "\\u%04x" : "%c",
			*text);
	fputc('"', out);
}

static void print_dictionary(FILE *out, xpc_object_t dictionary)
{
	__block const char *separator = "";

	fputc('{', out);
	xpc_dictionary_apply(dictionary, ^bool(const char *key, xpc_object_t value) {
		fprintf(out, "%s\"%s\": ", separator, key);
		print_object(out, value);
		separator = ", ";
		return true;
	});
	fputc('}', out);
}

static void print_array(FILE *out, xpc_object_t array)
{
	fputc('[', out);
	for (size_t i = 0; i < xpc_array_get_count(array); i++) {
		fputs(i > 0 ? ", " : "", out);
		print_object(out, xpc_array_get_value(array, i));
	}
	fputc(']', out);
}

static void print_object(FILE *out, xpc_object_t object)
{
	xpc_type_t type = xpc_get_type(object);

	if (type == XPC_TYPE_STRING) {
		fputs("{\"string\": ", out);
		print_string(out, xpc_string_get_string_ptr(object));
	} else if (type == XPC_TYPE_INT64) {
		fprintf(out, "{\"int64\": %lld", (long long)xpc_int64_get_value(object));
	} else if (type == XPC_TYPE_UINT64) {
		fprintf(out, "{\"uint64\": %llu", (unsigned long long)xpc_uint64_get_value(object));
	} else if (type == XPC_TYPE_BOOL) {
		fprintf(out, "{\"bool\": %s", xpc_bool_get_value(object) ? "true" : "false");
	} else if (type == XPC_TYPE_ARRAY) {
		fputs("{\"array\": ", out);
		print_array(out, object);
	} else if (type == XPC_TYPE_DICTIONARY) {
		fputs("{\"dictionary\": ", out);
		print_dictionary(out, object);
	} else {
		fputs("{\"unknown\": null", out);
	}
	fputc('}', out);
}

/* One line, in one write: handlers print from threads of their own. */
static void print_line(const char *what, xpc_object_t object)
{
	char *line;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	fprintf(out, "{\"%s\": ", what);
	if (object == XPC_ERROR_CONNECTION_INTERRUPTED)
		fputs("\"INTERRUPTED\"", out);
	else if (object == XPC_ERROR_CONNECTION_INVALID)
		fputs("\"INVALID\"", out);
	else
		print_dictionary(out, object);
	fputs("}\n", out);
	fclose(out);
	fputs(line, stdout);
	fflush(stdout);
	free(line);
}

/* Requests */

static xpc_object_t make_value(const char *type, const char *text)
{
	if (strcmp(type, "string") == 0)
		return xpc_string_create(text);
	if (strcmp(type, "int64") == 0)
		return xpc_int64_create(atoll(text));
	if (strcmp(type, "bool") == 0)
		return xpc_bool_create(strcmp(text, "true") == 0);
	if (strcmp(type, "data") == 0)
		return xpc_data_create(text, strlen(text));
	if (strcmp(type, "array") == 0)
		return xpc_array_create(NULL, 0);
	return xpc_dictionary_create(NULL, NULL, 0);
}

static xpc_object_t make_request(char *words)
{
	xpc_object_t request = xpc_dictionary_create(NULL, NULL, 0);
	char *word;

	while ((word = strsep(&words, " "))) {
		const char *key = strsep(&word, "=");
		const char *type = strsep(&word, ":");
		xpc_object_t value = make_value(type, word);

		xpc_dictionary_set_value(request, key, value);
		xpc_release(value);
	}
	return request;
}

/* What a real client does with what it got. */
static void join(xpc_object_t reply)
{
	char line[200];
	char text[INET_ADDRSTRLEN];
	vmnet_return_t status;
	struct in_addr subnet;
	struct in_addr mask;
	vmnet_network_ref network = vmnet_network_create_with_serialization(
		xpc_dictionary_get_value(reply, "network"), &status);

	if (!network) {
		snprintf(line, sizeof(line), "{\"join\": %d}\n", (int)status);
	} else {
		vmnet_network_get_ipv4_subnet(network, &subnet, &mask);
		CFRelease(network);
		snprintf(line, sizeof(line), "{\"join\": \"%s\"}\n",
			 inet_ntop(AF_INET, &subnet, text, sizeof(text)));
	}
	fputs(line, stdout);
	fflush(stdout);
}

static void print_status(const char *what, vmnet_return_t status)
{
	printf("{\"%s\": %d}\n", what, (int)status);
	fflush(stdout);
}

/* Makes the network of the reply, too; interface: gets what stop() takes. */
static void run(xpc_object_t reply, interface_ref *interface)
{
	xpc_object_t description = xpc_dictionary_create(NULL, NULL, 0);
	dispatch_queue_t queue = dispatch_queue_create("run", DISPATCH_QUEUE_SERIAL);
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	__block vmnet_return_t result = VMNET_SUCCESS;
	vmnet_network_ref network = vmnet_network_create_with_serialization(
		xpc_dictionary_get_value(reply, "network"), &result);

	if (network) {
		*interface = vmnet_interface_start_with_network(
			network, description, queue,
			^(vmnet_return_t status, xpc_object_t parameters) {
				(void)parameters;
				result = status;
				dispatch_semaphore_signal(done);
			});
		dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
		CFRelease(network);
	}
	print_status("run", result);
	xpc_release(description);
	dispatch_release(queue);
	dispatch_release(done);
}

/* Answers when it is done; what is asked for meanwhile is done meanwhile. */
static void stop(interface_ref interface)
{
	dispatch_queue_t queue = dispatch_queue_create("stop", DISPATCH_QUEUE_SERIAL);
	vmnet_return_t status = vmnet_stop_interface(interface, queue, ^(vmnet_return_t result) {
		print_status("stop", result);
		dispatch_semaphore_signal(stopped);
	});

	if (status != VMNET_SUCCESS)
		abort();
	n_stops++;
	dispatch_release(queue);
}

static xpc_object_t call(xpc_connection_t connection, char *words)
{
	xpc_object_t request = make_request(words);
	xpc_object_t reply = xpc_connection_send_message_with_reply_sync(connection, request);

	xpc_release(request);
	print_line("reply", reply);
	return reply;
}

static void post(xpc_connection_t connection, char *words)
{
	xpc_object_t request = make_request(words);

	xpc_connection_send_message(connection, request);
	xpc_release(request);
}

static xpc_connection_t connect_broker(void)
{
	xpc_connection_t connection = xpc_connection_create_mach_service(SERVICE, NULL, 0);

	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		print_line("event", event);
		if (event == XPC_ERROR_CONNECTION_INVALID)
			dispatch_semaphore_signal(ended);
	});
	xpc_connection_resume(connection);
	return connection;
}

int main(void)
{
	interface_ref interface = NULL;
	xpc_connection_t connection;
	xpc_object_t reply = NULL;
	char line[4096];

	ended = dispatch_semaphore_create(0);
	stopped = dispatch_semaphore_create(0);
	connection = connect_broker();
	while (fgets(line, sizeof(line), stdin)) {
		char *words = line;
		const char *verb;

		line[strcspn(line, "\n")] = '\0';
		verb = strsep(&words, " ");
		if (strcmp(verb, "call") == 0) {
			if (reply)
				xpc_release(reply);
			reply = call(connection, words);
		} else if (strcmp(verb, "post") == 0) {
			post(connection, words);
		} else if (strcmp(verb, "join") == 0) {
			join(reply);
		} else if (strcmp(verb, "run") == 0) {
			run(reply, &interface);
		} else if (strcmp(verb, "stop") == 0) {
			stop(interface);
		} else if (strcmp(verb, "cancel") == 0) {
			xpc_connection_cancel(connection);
		} else if (strcmp(verb, "quit") == 0) {
			break;
		}
	}
	if (feof(stdin))
		_exit(0);
	if (reply)
		xpc_release(reply);
	xpc_connection_cancel(connection);
	dispatch_semaphore_wait(ended, DISPATCH_TIME_FOREVER);
	while (n_stops-- > 0)
		dispatch_semaphore_wait(stopped, DISPATCH_TIME_FOREVER);
	dispatch_release(stopped);
	xpc_release(connection);
	dispatch_release(ended);
	return 0;
}
