/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each mistake that the double has to find, by its name as the argument. Those
 * that abort do so within; of the others the check at exit complains.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmnet/vmnet.h>
#include <xpc/xpc.h>

#define SERVICE "com.github.nirs.vmnet-broker"

static void ignore(xpc_object_t event)
{
	(void)event;
}

static xpc_connection_t new_connection(void)
{
	xpc_connection_t connection = xpc_connection_create_mach_service(SERVICE, NULL, 0);

	xpc_connection_set_event_handler(connection, ^(xpc_object_t event) {
		ignore(event);
	});
	return connection;
}

static xpc_connection_t live_connection(void)
{
	xpc_connection_t connection = new_connection();

	xpc_connection_resume(connection);
	return connection;
}

static vmnet_network_ref new_network(void)
{
	vmnet_return_t status;
	vmnet_network_configuration_ref configuration =
		vmnet_network_configuration_create(VMNET_SHARED_MODE, &status);
	vmnet_network_ref network = vmnet_network_create(configuration, &status);

	CFRelease(configuration);
	return network;
}

/* Objects */

static void release_null(void)
{
	xpc_release(NULL);
}

static void release_twice(void)
{
	xpc_object_t text = xpc_string_create("text");

	xpc_release(text);
	xpc_release(text);
}

static void release_borrowed(void)
{
	xpc_object_t dictionary = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_int64(dictionary, "key", 1);
	xpc_release(xpc_dictionary_get_value(dictionary, "key"));
	xpc_release(dictionary);
}

static void use_after_release(void)
{
	xpc_object_t text = xpc_string_create("text");

	xpc_release(text);
	puts(xpc_string_get_string_ptr(text));
}

static void leak_object(void)
{
	xpc_object_t dictionary = xpc_dictionary_create(NULL, NULL, 0);

	xpc_retain(dictionary);
	xpc_release(dictionary);
}

static void leak_value(void)
{
	xpc_object_t dictionary = xpc_dictionary_create(NULL, NULL, 0);

	/* The dictionary takes a reference of its own. */
	xpc_dictionary_set_value(dictionary, "key", xpc_int64_create(1));
	xpc_release(dictionary);
}

static void wrong_type(void)
{
	xpc_object_t number = xpc_int64_create(1);

	puts(xpc_string_get_string_ptr(number));
}

static void not_a_dictionary(void)
{
	xpc_object_t number = xpc_int64_create(1);

	xpc_dictionary_get_string(number, "key");
}

static void string_of_null(void)
{
	xpc_object_t dictionary = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_string(dictionary, "key", NULL);
}

static void set_beyond_array(void)
{
	xpc_array_set_int64(xpc_array_create_empty(), 1, 1);
}

static void descriptor_of_nothing(void)
{
	xpc_dictionary_set_fd(xpc_dictionary_create_empty(), "key", 1234);
}

static void beyond_array(void)
{
	xpc_object_t array = xpc_array_create(NULL, 0);

	xpc_array_get_value(array, 0);
}

/* Connections */

static void no_handler(void)
{
	xpc_connection_resume(xpc_connection_create_mach_service(SERVICE, NULL, 0));
}

static void resume_twice(void)
{
	xpc_connection_resume(live_connection());
}

static void release_inactive(void)
{
	xpc_release(new_connection());
}

static void release_suspended(void)
{
	xpc_connection_t connection = live_connection();

	xpc_connection_suspend(connection);
	xpc_connection_cancel(connection);
	xpc_release(connection);
	/* That was the program's reference, and this is the system's. */
	xpc_release(connection);
}

static void release_too_often(void)
{
	xpc_connection_t connection = live_connection();

	xpc_release(connection);
	xpc_release(connection);
}

static void send_before_resume(void)
{
	xpc_connection_send_message(new_connection(), xpc_dictionary_create(NULL, NULL, 0));
}

static void send_no_dictionary(void)
{
	xpc_connection_send_message(live_connection(), xpc_int64_create(1));
}

static void send_to_anonymous(void)
{
	xpc_connection_t listener = xpc_connection_create(NULL, NULL);

	xpc_connection_set_event_handler(listener, ^(xpc_object_t event) {
		ignore(event);
	});
	xpc_connection_resume(listener);
	xpc_connection_send_message(listener, xpc_dictionary_create_empty());
}

static void retarget_active(void)
{
	xpc_connection_set_target_queue(live_connection(), dispatch_get_main_queue());
}

static void listen_unannounced(void)
{
	xpc_connection_t listener = xpc_connection_create_mach_service(
		SERVICE, NULL, XPC_CONNECTION_MACH_SERVICE_LISTENER);

	xpc_connection_set_event_handler(listener, ^(xpc_object_t event) {
		ignore(event);
	});
	xpc_connection_resume(listener);
}

static void end_no_transaction(void)
{
	xpc_transaction_end();
}

static void leak_connection(void)
{
	xpc_connection_t connection = live_connection();

	xpc_connection_cancel(connection);
}

static void leave_connection_open(void)
{
	live_connection();
}

/* Dispatch */

static void signal_not_ignored(void)
{
	dispatch_source_t source = dispatch_source_create(DISPATCH_SOURCE_TYPE_SIGNAL, SIGTERM, 0,
							  dispatch_get_main_queue());

	dispatch_source_set_event_handler(source, ^{
					  });
	dispatch_resume(source);
}

static dispatch_source_t new_timer(void)
{
	dispatch_source_t source =
		dispatch_source_create(DISPATCH_SOURCE_TYPE_TIMER, 0, 0, dispatch_get_main_queue());

	dispatch_source_set_event_handler(source, ^{
					  });
	return source;
}

static void release_inactive_source(void)
{
	dispatch_release(new_timer());
}

static void release_running_source(void)
{
	dispatch_source_t source = new_timer();

	dispatch_resume(source);
	dispatch_release(source);
}

static void resume_source_twice(void)
{
	dispatch_source_t source = new_timer();

	dispatch_resume(source);
	dispatch_resume(source);
}

static void wait_for_oneself(void)
{
	dispatch_queue_t queue = dispatch_queue_create("queue", DISPATCH_QUEUE_SERIAL);

	dispatch_sync(queue, ^{
		dispatch_sync(queue, ^{
			      });
	});
}

static void leak_queue(void)
{
	(void)dispatch_queue_create("queue", DISPATCH_QUEUE_SERIAL);
}

/* vmnet */

static void cf_release_null(void)
{
	CFRelease(NULL);
}

static void cf_release_of_xpc(void)
{
	CFRelease(xpc_int64_create(1));
}

static void cf_release_twice(void)
{
	vmnet_network_ref network = new_network();

	CFRelease(network);
	CFRelease(network);
}

static void leak_network(void)
{
	new_network();
}

static void leak_configuration(void)
{
	vmnet_return_t status;

	(void)vmnet_network_configuration_create(VMNET_HOST_MODE, &status);
}

/* Its start is waited for; nobody waits for what follows. */
static interface_ref new_interface(vmnet_network_ref network, dispatch_queue_t queue)
{
	dispatch_semaphore_t done = dispatch_semaphore_create(0);
	xpc_object_t description = xpc_dictionary_create_empty();
	interface_ref interface = vmnet_interface_start_with_network(
		network, description, queue, ^(vmnet_return_t status, xpc_object_t parameters) {
			(void)status;
			ignore(parameters);
			dispatch_semaphore_signal(done);
		});

	dispatch_semaphore_wait(done, DISPATCH_TIME_FOREVER);
	dispatch_release(done);
	xpc_release(description);
	return interface;
}

static void stop_twice(void)
{
	dispatch_queue_t queue = dispatch_queue_create("queue", DISPATCH_QUEUE_SERIAL);
	interface_ref interface = new_interface(new_network(), queue);

	for (int i = 0; i < 2; i++)
		vmnet_stop_interface(interface, queue, ^(vmnet_return_t status) {
			(void)status;
		});
}

static void leak_interface(void)
{
	dispatch_queue_t queue = dispatch_queue_create("queue", DISPATCH_QUEUE_SERIAL);
	vmnet_network_ref network = new_network();

	(void)new_interface(network, queue);
	CFRelease(network);
	dispatch_release(queue);
}

static void no_mistake(void)
{
	vmnet_network_ref network = new_network();
	vmnet_return_t status;
	xpc_object_t serialization = vmnet_network_copy_serialization(network, &status);

	xpc_release(serialization);
	CFRelease(network);
}

#define ROW(name)           \
	{                   \
#name, name \
	}

static const struct {
	const char *name;
	void (*make)(void);
} mistakes[] = {
	ROW(release_null),
	ROW(release_twice),
	ROW(release_borrowed),
	ROW(use_after_release),
	ROW(leak_object),
	ROW(leak_value),
	ROW(wrong_type),
	ROW(not_a_dictionary),
	ROW(string_of_null),
	ROW(beyond_array),
	ROW(set_beyond_array),
	ROW(descriptor_of_nothing),
	ROW(no_handler),
	ROW(resume_twice),
	ROW(release_inactive),
	ROW(release_suspended),
	ROW(release_too_often),
	ROW(send_before_resume),
	ROW(send_no_dictionary),
	ROW(send_to_anonymous),
	ROW(retarget_active),
	ROW(listen_unannounced),
	ROW(end_no_transaction),
	ROW(leak_connection),
	ROW(leave_connection_open),
	ROW(signal_not_ignored),
	ROW(release_inactive_source),
	ROW(release_running_source),
	ROW(resume_source_twice),
	ROW(wait_for_oneself),
	ROW(leak_queue),
	ROW(cf_release_null),
	ROW(cf_release_of_xpc),
	ROW(cf_release_twice),
	ROW(stop_twice),
	ROW(leak_network),
	ROW(leak_interface),
	ROW(leak_configuration),
	ROW(no_mistake),
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		if (argc == 2 && strcmp(argv[1], mistakes[i].name) == 0) {
			mistakes[i].make();
			return 0;
		}
	}
	fputs("misuse: which?\n", stderr);
	return 2;
}
