/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client for macOS without the library: it asks the broker over bare XPC,
 * and joins the network with an interface of its own. For those who write a
 * client in another language, or want to see all of it.
 *
 *	clang client-xpc.c -framework vmnet -framework CoreFoundation -o client-xpc
 *	codesign --force --sign - --entitlements entitlements.plist client-xpc
 *	./client-xpc default
 *
 * The entitlement is com.apple.security.virtualization (data/entitlements.plist):
 * without it no interface starts. To ask the broker takes none, and nothing here
 * needs root.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <vmnet/vmnet.h>
#include <xpc/xpc.h>

/* launchd knows the broker by this name, and starts it at the first message. */
#define SERVICE "com.github.nirs.vmnet-broker"

/*
 * One connection for as long as the network is used: its end, however it
 * comes, is how the broker learns that we have let go.
 */
static xpc_connection_t connect_to_broker(void)
{
	/* Privileged: the system's service, and none that a program of this user calls so. */
	xpc_connection_t connection = xpc_connection_create_mach_service(
		SERVICE, NULL, XPC_CONNECTION_MACH_SERVICE_PRIVILEGED);

	/*
	 * XPC demands a handler. It tells us that the broker has gone, and all its
	 * networks. To go on, stop the interface, acquire again, and start another.
	 */
	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		if (event == XPC_ERROR_CONNECTION_INTERRUPTED) {
			fprintf(stderr, "the broker has gone, and the network with it\n");
			exit(1);
		}
	});
	xpc_connection_resume(connection);
	return connection;
}

/* The request is a dictionary, and so is the reply: with "network" in it, or with "error". */
static xpc_object_t acquire(xpc_connection_t connection, const char *name)
{
	xpc_object_t request = xpc_dictionary_create(NULL, NULL, 0);
	xpc_object_t serialization = NULL;
	xpc_object_t reply;

	xpc_dictionary_set_string(request, "command", "acquire");
	xpc_dictionary_set_string(request, "network_name", name);
	reply = xpc_connection_send_message_with_reply_sync(connection, request);
	xpc_release(request);

	if (xpc_get_type(reply) != XPC_TYPE_DICTIONARY) {
		/* Such an object stands for a failure of XPC itself. */
		fprintf(stderr, "%s: no broker answers; is it installed?\n", SERVICE);
	} else if (xpc_dictionary_get_value(reply, "error")) {
		/*
		 * The number is for programs: 3 not allowed, 4 invalid request, 5 not
		 * found, 6 not created, 7 internal. The sentence beside it is for people.
		 */
		const char *message = xpc_dictionary_get_string(reply, "message");

		fprintf(stderr, "error %" PRId64 ": %s\n", xpc_dictionary_get_int64(reply, "error"),
			message ? message : name);
	} else {
		/* The reply owns what is in it: keep this for longer than the reply. */
		serialization = xpc_dictionary_get_value(reply, "network");
		if (serialization)
			xpc_retain(serialization);
		else
			fprintf(stderr, "network \"%s\": the broker's reply has none\n", name);
	}
	xpc_release(reply);
	return serialization;
}

/*
 * The broker's network, as an object of this process. Virtualization.framework
 * takes it, too: see vm.m.
 */
static vmnet_network_ref open_network(xpc_object_t serialization)
{
	vmnet_return_t status;
	vmnet_network_ref network = vmnet_network_create_with_serialization(serialization, &status);

	if (!network)
		fprintf(stderr, "cannot open the network: vmnet says %d\n", (int)status);
	return network;
}

/* Joins the network. Packets could now be moved with vmnet_read() and vmnet_write(). */
static interface_ref start_interface(vmnet_network_ref network, dispatch_queue_t queue)
{
	/* An empty description has vmnet choose the MAC address. */
	xpc_object_t description = xpc_dictionary_create(NULL, NULL, 0);
	dispatch_semaphore_t started = dispatch_semaphore_create(0);
	__block vmnet_return_t result = VMNET_FAILURE;
	interface_ref interface;

	interface = vmnet_interface_start_with_network(
		network, description, queue, ^(vmnet_return_t status, xpc_object_t parameters) {
			result = status;
			if (status == VMNET_SUCCESS)
				printf("MAC address %s, MTU %" PRIu64 "\n",
				       xpc_dictionary_get_string(parameters, vmnet_mac_address_key),
				       xpc_dictionary_get_uint64(parameters, vmnet_mtu_key));
			dispatch_semaphore_signal(started);
		});
	if (interface)
		dispatch_semaphore_wait(started, DISPATCH_TIME_FOREVER);
	dispatch_release(started);
	xpc_release(description);
	if (result == VMNET_SUCCESS)
		return interface;
	fprintf(stderr, "cannot start an interface: vmnet says %d\n", (int)result);
	return NULL;
}

static void stop_interface(interface_ref interface, dispatch_queue_t queue)
{
	dispatch_semaphore_t stopped = dispatch_semaphore_create(0);
	vmnet_return_t status;

	status = vmnet_stop_interface(interface, queue, ^(vmnet_return_t result) {
		(void)result;
		dispatch_semaphore_signal(stopped);
	});
	if (status == VMNET_SUCCESS)
		dispatch_semaphore_wait(stopped, DISPATCH_TIME_FOREVER);
	dispatch_release(stopped);
}

static void wait_for_interrupt(void)
{
	sigset_t signals;
	int signal;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	printf("Press Ctrl-C to let go.\n");
	fflush(stdout);
	sigwait(&signals, &signal);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "default";
	dispatch_queue_t queue = dispatch_queue_create("client-xpc", DISPATCH_QUEUE_SERIAL);
	xpc_connection_t connection = connect_to_broker();
	xpc_object_t serialization = acquire(connection, name);
	vmnet_network_ref network = NULL;
	interface_ref interface = NULL;

	if (serialization) {
		network = open_network(serialization);
		xpc_release(serialization);
	}
	if (network)
		interface = start_interface(network, queue);
	if (interface) {
		wait_for_interrupt();
		stop_interface(interface, queue);
	}

	/* The connection last: until then the network is ours. */
	if (network)
		CFRelease(network);
	xpc_connection_cancel(connection);
	xpc_release(connection);
	dispatch_release(queue);
	return interface ? 0 : 1;
}
