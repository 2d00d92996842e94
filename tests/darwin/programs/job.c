/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of launchd's that does what the string "do" of a message says, and
 * answers with its pid: begin or end a transaction, exit, fail, or take no
 * notice of SIGTERM from now on (stay).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xpc/xpc.h>

#define SERVICE "com.github.nirs.vmnet-broker"

static bool stays;

static void leave(int status)
{
	fflush(stderr);
	_exit(status);
}

static void on_message(xpc_connection_t peer, xpc_object_t message)
{
	const char *what = xpc_dictionary_get_string(message, "do");
	xpc_object_t reply = xpc_dictionary_create_reply(message);

	if (strcmp(what, "begin") == 0)
		xpc_transaction_begin();
	else if (strcmp(what, "end") == 0)
		xpc_transaction_end();
	else if (strcmp(what, "stay") == 0)
		stays = true;
	else if (strcmp(what, "exit") == 0)
		leave(0);
	else if (strcmp(what, "fail") == 0)
		leave(1);
	xpc_dictionary_set_int64(reply, "pid", getpid());
	xpc_connection_send_message(peer, reply);
	xpc_release(reply);
}

static void on_terminate(void)
{
	fputs("job: asked to end\n", stderr);
	if (!stays)
		leave(0);
}

int main(void)
{
	xpc_connection_t listener = xpc_connection_create_mach_service(
		SERVICE, dispatch_get_main_queue(), XPC_CONNECTION_MACH_SERVICE_LISTENER);
	dispatch_source_t source = dispatch_source_create(DISPATCH_SOURCE_TYPE_SIGNAL, SIGTERM, 0,
							  dispatch_get_main_queue());

	xpc_connection_set_event_handler(listener, ^(xpc_object_t peer) {
		if (xpc_get_type(peer) != XPC_TYPE_CONNECTION)
			return;
		xpc_connection_set_event_handler(peer, ^(xpc_object_t message) {
			if (xpc_get_type(message) == XPC_TYPE_DICTIONARY)
				on_message(peer, message);
		});
		xpc_connection_resume(peer);
	});
	signal(SIGTERM, SIG_IGN);
	dispatch_source_set_event_handler(source, ^{
		on_terminate();
	});
	dispatch_resume(source);
	xpc_connection_resume(listener);
	dispatch_main();
}
