/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that answers wrong: each request for a network of the name of a lie
 * is answered with that lie, and so is what names none, with the lie that the
 * last named request was for.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <stdio.h>
#include <string.h>
#include <xpc/xpc.h>

#define SERVICE "com.github.nirs.vmnet-broker"

static char lie[64];

/* A network as it should be. For xpc_release(). */
static xpc_object_t network_info(void)
{
	xpc_object_t info = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_string(info, "name", "lab");
	xpc_dictionary_set_string(info, "mode", "shared");
	xpc_dictionary_set_bool(info, "active", true);
	xpc_dictionary_set_bool(info, "changed", false);
	xpc_dictionary_set_int64(info, "mtu", 1500);
	xpc_dictionary_set_int64(info, "clients", 1);
	return info;
}

static void change_info(xpc_object_t info)
{
	if (strcmp(lie, "nameless") == 0)
		xpc_dictionary_set_value(info, "name", NULL);
	else if (strcmp(lie, "mode-of-number") == 0)
		xpc_dictionary_set_int64(info, "mode", 1);
	else if (strcmp(lie, "mode-unknown") == 0)
		xpc_dictionary_set_string(info, "mode", "nonsense");
	else if (strcmp(lie, "mtu-negative") == 0)
		xpc_dictionary_set_int64(info, "mtu", -1);
	else if (strcmp(lie, "mtu-huge") == 0)
		xpc_dictionary_set_int64(info, "mtu", INT64_MAX);
	else if (strcmp(lie, "mtu-of-text") == 0)
		xpc_dictionary_set_string(info, "mtu", "1500");
	else if (strcmp(lie, "active-of-number") == 0)
		xpc_dictionary_set_int64(info, "active", 1);
	else if (strcmp(lie, "subnet-of-number") == 0)
		xpc_dictionary_set_int64(info, "ipv4_subnet", 1);
}

static void fill(xpc_object_t reply)
{
	xpc_object_t list = xpc_array_create(NULL, 0);
	xpc_object_t info = network_info();
	xpc_object_t number = xpc_int64_create(7);

	change_info(info);
	xpc_dictionary_set_value(reply, "info", info);
	xpc_dictionary_set_value(reply, "network", info);
	if (strcmp(lie, "list-of-numbers") == 0)
		xpc_array_append_value(list, number);
	else
		xpc_array_append_value(list, info);
	xpc_dictionary_set_value(reply, "networks", list);
	/* These are networks, and no clients. */
	xpc_dictionary_set_value(reply, "clients", list);
	if (strcmp(lie, "no-info") == 0)
		xpc_dictionary_set_value(reply, "info", NULL);
	else if (strcmp(lie, "info-of-number") == 0)
		xpc_dictionary_set_value(reply, "info", number);
	else if (strcmp(lie, "no-network") == 0)
		xpc_dictionary_set_value(reply, "network", NULL);
	else if (strcmp(lie, "no-list") == 0)
		xpc_dictionary_set_value(reply, "networks", NULL);
	else if (strcmp(lie, "error-unknown") == 0)
		xpc_dictionary_set_int64(reply, "error", 99);
	else if (strcmp(lie, "error-of-success") == 0)
		xpc_dictionary_set_int64(reply, "error", 0);
	else if (strcmp(lie, "error-of-text") == 0)
		xpc_dictionary_set_string(reply, "error", "5");
	else if (strcmp(lie, "error-alone") == 0)
		xpc_dictionary_set_int64(reply, "error", 5);
	xpc_release(number);
	xpc_release(list);
	xpc_release(info);
}

static void on_message(xpc_connection_t connection, xpc_object_t message)
{
	const char *network = xpc_dictionary_get_string(message, "network_name");
	const char *command = xpc_dictionary_get_string(message, "command");
	xpc_object_t event;
	xpc_object_t reply;

	if (network)
		(void)snprintf(lie, sizeof(lie), "%s", network);
	/* The request is dropped, which the system tells the client. */
	if (strcmp(lie, "silence") == 0)
		return;
	reply = xpc_dictionary_create_reply(message);
	fill(reply);
	xpc_connection_send_message(connection, reply);
	xpc_release(reply);
	if (!command || strcmp(command, "monitor") != 0)
		return;
	/* An event of a newer broker, and one that is none. */
	event = xpc_dictionary_create(NULL, NULL, 0);
	xpc_dictionary_set_string(event, "event", "network_painted");
	xpc_dictionary_set_string(event, "network_name", "lab");
	xpc_connection_send_message(connection, event);
	xpc_dictionary_set_value(event, "event", NULL);
	xpc_connection_send_message(connection, event);
	xpc_release(event);
}

static void on_connection(xpc_connection_t connection)
{
	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		if (xpc_get_type(event) == XPC_TYPE_DICTIONARY)
			on_message(connection, event);
	});
	xpc_connection_resume(connection);
}

int main(void)
{
	xpc_connection_t listener = xpc_connection_create_mach_service(
		SERVICE, dispatch_get_main_queue(), XPC_CONNECTION_MACH_SERVICE_LISTENER);

	xpc_connection_set_event_handler(listener, ^(xpc_object_t event) {
		if (xpc_get_type(event) == XPC_TYPE_CONNECTION)
			on_connection(event);
	});
	xpc_connection_resume(listener);
	CFRunLoopRun();
	return 0;
}
