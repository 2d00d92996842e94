/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnet's interfaces on networks. Starting and stopping take their time, and
 * are told on the program's queue; no packet moves.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "vmnet_double.h"

/* Milliseconds. A start takes 19 to 163, a stop about 90. */
#define START_TIME 19
#define STOP_TIME 90

const char *const vmnet_mac_address_key = "vmnet_mac_address";
const char *const vmnet_mtu_key = "vmnet_mtu";
const char *const vmnet_max_packet_size_key = "vmnet_max_packet_size";

struct vmnet_interface {
	struct object object;
	vmnet_network_ref network; /* counted: it keeps the network */
	struct registry_interface entry;
	bool started;
	bool stopping;
};

static void interface_dispose(struct object *object)
{
	interface_ref interface = (interface_ref)object;

	object_release(interface->network);
}

/*
 * Runs work on a thread of its own, so that the program's queues are free
 * meanwhile. queue: where it will tell of its end; it lives until then.
 */
static void aside(dispatch_queue_t queue, dispatch_block_t work)
{
	dispatch_queue_t own = queue_private();

	object_retain(queue);
	dispatch_async(own, ^{
		work();
		object_release(queue);
	});
	dispatch_release(own);
}

static xpc_object_t parameters_of(interface_ref interface)
{
	xpc_object_t parameters = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_string(parameters, vmnet_mac_address_key, interface->entry.mac);
	xpc_dictionary_set_uint64(parameters, vmnet_mtu_key, interface->network->mtu);
	xpc_dictionary_set_uint64(parameters, vmnet_max_packet_size_key,
				  interface->network->mtu + 14);
	return parameters;
}

static vmnet_return_t start(interface_ref interface)
{
	vmnet_return_t status = told("interface_start");
	int registry;
	bool added;

	/* That one without the entitlement fails was measured, not with what. */
	if (status == VMNET_SUCCESS && !is_entitled())
		status = VMNET_MEM_FAILURE;
	if (status != VMNET_SUCCESS)
		return status;
	registry = registry_lock();
	added = registry_add_interface(interface->network->id, &interface->entry);
	registry_unlock(registry);
	return added ? VMNET_SUCCESS : VMNET_FAILURE;
}

/* An interface that could not be started is gone when its handler has heard of it. */
static void start_and_tell(interface_ref interface, dispatch_queue_t queue,
			   vmnet_start_interface_completion_handler_t handler)
{
	vmnet_return_t status;
	xpc_object_t parameters;

	(void)poll(NULL, 0, START_TIME);
	status = start(interface);
	if (status != VMNET_SUCCESS) {
		dispatch_async(queue, ^{
			handler(status, NULL);
			object_release(interface);
		});
		return;
	}
	lock();
	interface->started = true;
	unlock();
	parameters = parameters_of(interface);
	dispatch_async(queue, ^{
		handler(VMNET_SUCCESS, parameters);
		xpc_release(parameters);
	});
}

interface_ref vmnet_interface_start_with_network(vmnet_network_ref network,
						 xpc_object_t interface_desc,
						 dispatch_queue_t queue,
						 vmnet_start_interface_completion_handler_t handler)
{
	interface_ref interface;

	object_check(network, OBJECT_VMNET_NETWORK, "vmnet_interface_start_with_network");
	dictionary_check(interface_desc, "vmnet_interface_start_with_network");
	object_check(queue, OBJECT_QUEUE, "vmnet_interface_start_with_network");
	if (told("interface_ref") != VMNET_SUCCESS)
		return NULL;
	interface = object_new(sizeof(*interface), OBJECT_VMNET_INTERFACE, interface_dispose);
	object_retain(network);
	interface->network = network;
	aside(queue, ^{
		start_and_tell(interface, queue, handler);
	});
	return interface;
}

static void stop_and_tell(interface_ref interface, dispatch_queue_t queue,
			  vmnet_interface_completion_handler_t handler)
{
	int registry;

	(void)poll(NULL, 0, STOP_TIME);
	(void)told("interface_stop");
	registry = registry_lock();
	registry_remove_interface(&interface->entry);
	registry_unlock(registry);
	object_release(interface);
	dispatch_async(queue, ^{
		handler(VMNET_SUCCESS);
	});
}

vmnet_return_t vmnet_stop_interface(interface_ref interface, dispatch_queue_t queue,
				    vmnet_interface_completion_handler_t handler)
{
	bool started;

	object_check(interface, OBJECT_VMNET_INTERFACE, "vmnet_stop_interface");
	object_check(queue, OBJECT_QUEUE, "vmnet_stop_interface");
	lock();
	if (interface->stopping)
		misuse("vmnet_stop_interface: an interface is stopped twice");
	started = interface->started;
	interface->stopping = started;
	unlock();
	if (!started)
		return VMNET_SETUP_INCOMPLETE;
	aside(queue, ^{
		stop_and_tell(interface, queue, handler);
	});
	return VMNET_SUCCESS;
}

/* Packets: none comes, and all that go are gone */

static vmnet_return_t check_started(interface_ref interface, const char *call)
{
	bool usable;

	lock();
	object_check(interface, OBJECT_VMNET_INTERFACE, call);
	usable = interface->started && !interface->stopping;
	unlock();
	return usable ? VMNET_SUCCESS : VMNET_SETUP_INCOMPLETE;
}

vmnet_return_t vmnet_interface_set_event_callback(interface_ref interface, interface_event_t events,
						  dispatch_queue_t queue,
						  vmnet_interface_event_callback_t callback)
{
	(void)events;
	(void)queue;
	(void)callback;
	return check_started(interface, "vmnet_interface_set_event_callback");
}

vmnet_return_t vmnet_read(interface_ref interface, struct vmpktdesc *packets, int *n_packets)
{
	(void)packets;
	*n_packets = 0;
	return check_started(interface, "vmnet_read");
}

vmnet_return_t vmnet_write(interface_ref interface, struct vmpktdesc *packets, int *n_packets)
{
	for (int i = 0; i < *n_packets; i++)
		if (packets[i].vm_pkt_size > interface->network->mtu + 14)
			return VMNET_PACKET_TOO_BIG;
	return check_started(interface, "vmnet_write");
}

bool interface_reaches(interface_ref interface, struct in_addr address)
{
	struct in_addr host;
	int registry;
	bool runs;

	object_check(interface, OBJECT_VMNET_INTERFACE, "interface_reaches");
	registry = registry_lock();
	runs = registry_bridge(interface->network->id, &host);
	registry_unlock(registry);
	return runs && host.s_addr == address.s_addr;
}
