/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker on macOS: each call is one message over XPC, and waits for
 * its reply. wire/xpc_protocol.h says what they are made of.
 *
 * A broker that dies takes all holds with it. Its successor answers the next
 * message, as if nothing had been, but for the number that each broker tells
 * with its replies: where that has changed, what this connection held is
 * acquired again, and then the message sent once more. Every request may be
 * made twice. A hold that cannot be had any more is kept in mind all the same,
 * and the call that is about it fails with the reason.
 */
#include <dispatch/dispatch.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xpc/xpc.h>

#include "client/common.h"
#include "client/holds.h"
#include "decode.h"
#include "wire/xpc_protocol.h"

/* How many brokers get a message, and how many what was held: it may be what they die of. */
#define BROKERS_MAX 5

/* A message that came by itself, and waits for vmnet_broker_next_event(). */
struct incoming {
	struct incoming *next;
	xpc_object_t message; /* owned */
};

struct vmnet_broker {
	xpc_connection_t connection;
	uint64_t answered_by; /* KEY_BROKER of the last reply; 0: none came yet */
	struct holds holds;
	bool monitoring;
	char *error; /* NULL: none */

	/* The connection's handler runs on this queue, and incoming is looked at there alone. */
	dispatch_queue_t queue;
	struct incoming *incoming;
	dispatch_semaphore_t arrived; /* once per incoming, and when the broker has gone */
	dispatch_semaphore_t invalid; /* once per connection, when nothing will come of it */
};

const char *vmnet_broker_address(void)
{
	return SERVICE_NAME;
}

const char *vmnet_broker_error(const struct vmnet_broker *broker)
{
	return broker->error ? broker->error : "";
}

static vmnet_broker_return_t failed(struct vmnet_broker *broker, vmnet_broker_return_t status,
				    const char *network)
{
	(void)vmnet_broker_failed(&broker->error, status, network);
	return status;
}

/* Connections */

static void keep_incoming(struct vmnet_broker *broker, xpc_object_t message)
{
	struct incoming *incoming = calloc(1, sizeof(*incoming));
	struct incoming **link = &broker->incoming;

	/* Without memory the events have a gap: what arrived, and is not here, ends them. */
	if (!incoming)
		return;
	incoming->message = xpc_retain(message);
	while (*link)
		link = &(*link)->next;
	*link = incoming;
}

/* On the queue. */
static void on_event(struct vmnet_broker *broker, xpc_object_t event)
{
	if (xpc_get_type(event) == XPC_TYPE_DICTIONARY)
		keep_incoming(broker, event);
	(void)dispatch_semaphore_signal(broker->arrived);
	if (event == XPC_ERROR_CONNECTION_INVALID)
		(void)dispatch_semaphore_signal(broker->invalid);
}

/* Connects to nothing yet: the first message does. */
static void connection_open(struct vmnet_broker *broker)
{
	broker->connection = xpc_connection_create_mach_service(
		SERVICE_NAME, broker->queue, XPC_CONNECTION_MACH_SERVICE_PRIVILEGED);
	xpc_connection_set_event_handler(broker->connection, ^(xpc_object_t event) {
		on_event(broker, event);
	});
	xpc_connection_resume(broker->connection);
}

/* Returns when the handler will not run again. */
static void connection_close(struct vmnet_broker *broker)
{
	xpc_connection_cancel(broker->connection);
	(void)dispatch_semaphore_wait(broker->invalid, DISPATCH_TIME_FOREVER);
	xpc_release(broker->connection);
}

static struct vmnet_broker *broker_new(void)
{
	struct vmnet_broker *broker = calloc(1, sizeof(*broker));

	if (!broker)
		return NULL;
	broker->queue = dispatch_queue_create(SERVICE_NAME, DISPATCH_QUEUE_SERIAL);
	broker->arrived = dispatch_semaphore_create(0);
	broker->invalid = dispatch_semaphore_create(0);
	connection_open(broker);
	return broker;
}

/* Takes the first message that came by itself, for xpc_release(), or NULL. */
static xpc_object_t take_incoming(struct vmnet_broker *broker)
{
	__block struct incoming *incoming;
	xpc_object_t message;

	dispatch_sync(broker->queue, ^{
		incoming = broker->incoming;
		if (incoming)
			broker->incoming = incoming->next;
	});
	if (!incoming)
		return NULL;
	message = incoming->message;
	free(incoming);
	return message;
}

void vmnet_broker_close(struct vmnet_broker *broker)
{
	xpc_object_t message;

	if (!broker)
		return;
	connection_close(broker);
	while ((message = take_incoming(broker)))
		xpc_release(message);
	dispatch_release(broker->queue);
	dispatch_release(broker->arrived);
	dispatch_release(broker->invalid);
	vmnet_broker_holds_clear(&broker->holds);
	free(broker->error);
	free(broker);
}

/* Calls */

/*
 * Sends a request until a broker answers.
 * reply: gets the answer, for xpc_release().
 * Returns SUCCESS or XPC_FAILURE.
 */
static vmnet_broker_return_t exchange(struct vmnet_broker *broker, xpc_object_t request,
				      xpc_object_t *reply)
{
	for (int i = 0; i < BROKERS_MAX; i++) {
		xpc_object_t answer =
			xpc_connection_send_message_with_reply_sync(broker->connection, request);

		if (xpc_get_type(answer) == XPC_TYPE_DICTIONARY) {
			*reply = answer;
			return VMNET_BROKER_SUCCESS;
		}
		/* An interrupted connection finds the next broker by itself, an invalid one never. */
		if (answer == XPC_ERROR_CONNECTION_INVALID) {
			connection_close(broker);
			connection_open(broker);
		}
		xpc_release(answer);
	}
	return VMNET_BROKER_XPC_FAILURE;
}

/* For xpc_release(). network: NULL where the command takes none. */
static xpc_object_t request_new(const char *command, const char *network)
{
	xpc_object_t request = xpc_dictionary_create(NULL, NULL, 0);

	xpc_dictionary_set_string(request, KEY_COMMAND, command);
	if (network)
		xpc_dictionary_set_string(request, KEY_NETWORK_NAME, network);
	return request;
}

/* Has a new broker hold what the last one did. One that dies meanwhile is for the next call. */
static void acquire_again(struct vmnet_broker *broker)
{
	for (size_t i = 0; i < broker->holds.n_items; i++) {
		xpc_object_t request = request_new(COMMAND_ACQUIRE, broker->holds.items[i].network);
		xpc_object_t reply;

		/* What is refused now is refused again when it is asked for. */
		if (exchange(broker, request, &reply) == VMNET_BROKER_SUCCESS)
			xpc_release(reply);
		xpc_release(request);
	}
}

/* The reply is the first of a broker that does not know what this connection holds. */
static bool is_from_new_broker(struct vmnet_broker *broker, xpc_object_t reply)
{
	uint64_t before = broker->answered_by;

	broker->answered_by = xpc_dictionary_get_uint64(reply, KEY_BROKER);
	return before != broker->answered_by && broker->holds.n_items > 0;
}

static vmnet_broker_return_t exchange_with_holds(struct vmnet_broker *broker, xpc_object_t request,
						 xpc_object_t *reply)
{
	for (int i = 0; i < BROKERS_MAX; i++) {
		vmnet_broker_return_t status = exchange(broker, request, reply);

		if (status != VMNET_BROKER_SUCCESS || !is_from_new_broker(broker, *reply))
			return status;
		xpc_release(*reply);
		acquire_again(broker);
	}
	return VMNET_BROKER_XPC_FAILURE;
}

/* Turns the broker's error, if the reply has one, into a status and a sentence. */
static vmnet_broker_return_t reply_status(struct vmnet_broker *broker, xpc_object_t reply,
					  const char *network)
{
	const char *message = xpc_dictionary_get_string(reply, KEY_MESSAGE);
	int64_t error = xpc_dictionary_get_int64(reply, KEY_ERROR);

	if (!xpc_dictionary_get_value(reply, KEY_ERROR))
		return VMNET_BROKER_SUCCESS;
	if (error < VMNET_BROKER_NOT_ALLOWED || error > VMNET_BROKER_INTERNAL_ERROR)
		return failed(broker, VMNET_BROKER_INVALID_REPLY, network);
	if (!message)
		return failed(broker, (vmnet_broker_return_t)error, network);
	vmnet_broker_set_reason(&broker->error, message, network);
	return (vmnet_broker_return_t)error;
}

/*
 * Makes a call and waits for its reply.
 * network: the one that it is about, or NULL.
 * reply: gets the reply, for xpc_release().
 */
static vmnet_broker_return_t call(struct vmnet_broker *broker, const char *command,
				  const char *network, xpc_object_t *reply)
{
	vmnet_broker_return_t status;
	xpc_object_t request;

	if (broker->monitoring) {
		vmnet_broker_set_error(&broker->error,
				       "this connection monitors; use another one for calls");
		return VMNET_BROKER_INVALID_REQUEST;
	}
	request = request_new(command, network);
	status = exchange_with_holds(broker, request, reply);
	xpc_release(request);
	if (status != VMNET_BROKER_SUCCESS)
		return failed(broker, status, network);
	status = reply_status(broker, *reply, network);
	if (status != VMNET_BROKER_SUCCESS)
		xpc_release(*reply);
	return status;
}

/* The end of a call whose reply was decoded: the status, and a sentence if it is no success. */
static vmnet_broker_return_t decoded(struct vmnet_broker *broker, vmnet_broker_return_t status,
				     const char *network)
{
	return status == VMNET_BROKER_SUCCESS ? status : failed(broker, status, network);
}

/* Holds */

/* Finds a hold by any of its network's names. */
static vmnet_broker_return_t hold_find(struct vmnet_broker *broker, const char *name,
				       struct hold **hold)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status;

	*hold = vmnet_broker_holds_find(&broker->holds, name);
	if (*hold)
		return VMNET_BROKER_SUCCESS;
	status = vmnet_broker_inspect(broker, name, &inspection);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	*hold = vmnet_broker_holds_find(&broker->holds, inspection->network->name);
	vmnet_broker_inspection_free(inspection);
	if (*hold)
		return VMNET_BROKER_SUCCESS;
	vmnet_broker_set_error(&broker->error,
			       "this connection does not hold network \"%s\"; acquire it first",
			       name);
	return VMNET_BROKER_INVALID_REQUEST;
}

/* reply: gets the whole reply, for xpc_release(); network: for vmnet_broker_network_free(). */
static vmnet_broker_return_t acquire(struct vmnet_broker *broker, const char *name,
				     xpc_object_t *reply, struct vmnet_broker_network **network)
{
	vmnet_broker_return_t status;

	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	if (!vmnet_broker_holds_reserve(&broker->holds))
		return failed(broker, VMNET_BROKER_INTERNAL_ERROR, name);
	status = call(broker, COMMAND_ACQUIRE, name, reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_network(*reply, network), name);
	if (status == VMNET_BROKER_SUCCESS)
		vmnet_broker_holds_add(&broker->holds, (*network)->name, name);
	else
		xpc_release(*reply);
	return status;
}

/* What a client joins the network with, from the reply to its acquire. For xpc_release(). */
static xpc_object_t take_serialization(struct vmnet_broker *broker, xpc_object_t reply,
				       const char *network, vmnet_broker_return_t *status)
{
	xpc_object_t serialization = xpc_dictionary_get_value(reply, KEY_NETWORK);

	if (serialization)
		return xpc_retain(serialization);
	*status = failed(broker, VMNET_BROKER_INVALID_REPLY, network);
	return NULL;
}

/* Acquires, again if need be, for the serialization alone. */
static xpc_object_t acquire_serialization(struct vmnet_broker *broker, const char *name,
					  vmnet_broker_return_t *status)
{
	struct vmnet_broker_network *network;
	xpc_object_t serialization;
	xpc_object_t reply;

	*status = acquire(broker, name, &reply, &network);
	if (*status != VMNET_BROKER_SUCCESS)
		return NULL;
	serialization = take_serialization(broker, reply, name, status);
	xpc_release(reply);
	vmnet_broker_network_free(network);
	return serialization;
}

/* What the header promises */

struct vmnet_broker *vmnet_broker_connect(vmnet_broker_return_t *status)
{
	vmnet_broker_return_t ignored;
	struct vmnet_broker *broker = broker_new();
	xpc_object_t reply;

	if (!status)
		status = &ignored;
	*status = VMNET_BROKER_INTERNAL_ERROR;
	if (!broker)
		return NULL;
	/* Any message tells whether there is a broker, and starts one. */
	*status = call(broker, COMMAND_LIST, NULL, &reply);
	if (*status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_close(broker);
		errno = ECONNREFUSED;
		return NULL;
	}
	xpc_release(reply);
	return broker;
}

vmnet_broker_return_t vmnet_broker_acquire(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_network **network)
{
	struct vmnet_broker_network *acquired;
	vmnet_broker_return_t status;
	xpc_object_t reply;

	if (network)
		*network = NULL;
	status = acquire(broker, name, &reply, &acquired);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	xpc_release(reply);
	if (network)
		*network = acquired;
	else
		vmnet_broker_network_free(acquired);
	return status;
}

vmnet_broker_return_t vmnet_broker_release(struct vmnet_broker *broker, const char *name)
{
	vmnet_broker_return_t status;
	struct hold *hold;
	xpc_object_t reply;

	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = hold_find(broker, name, &hold);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = call(broker, COMMAND_RELEASE, name, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		xpc_release(reply);
	/* What the broker does not know any more is released, too. */
	if (status != VMNET_BROKER_XPC_FAILURE)
		vmnet_broker_holds_remove(&broker->holds, hold);
	return status;
}

vmnet_broker_return_t vmnet_broker_list(struct vmnet_broker *broker,
					struct vmnet_broker_network ***networks, size_t *n_networks)
{
	vmnet_broker_return_t status;
	xpc_object_t reply;

	*networks = NULL;
	*n_networks = 0;
	status = call(broker, COMMAND_LIST, NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_networks(reply, networks, n_networks), NULL);
	xpc_release(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_inspect(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_inspection **inspection)
{
	vmnet_broker_return_t status;
	xpc_object_t reply;

	*inspection = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = call(broker, COMMAND_INSPECT, name, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_inspection(reply, inspection), name);
	xpc_release(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_reload(struct vmnet_broker *broker)
{
	xpc_object_t reply;
	vmnet_broker_return_t status = call(broker, COMMAND_RELOAD, NULL, &reply);

	if (status == VMNET_BROKER_SUCCESS)
		xpc_release(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_monitor(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	xpc_object_t reply;

	if (broker->monitoring)
		return VMNET_BROKER_SUCCESS;
	/* A broker that went before does not matter to the events of this one. */
	while (dispatch_semaphore_wait(broker->arrived, DISPATCH_TIME_NOW) == 0)
		;
	status = call(broker, COMMAND_MONITOR, NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	xpc_release(reply);
	broker->monitoring = true;
	return VMNET_BROKER_SUCCESS;
}

vmnet_broker_return_t vmnet_broker_next_event(struct vmnet_broker *broker, int timeout,
					      struct vmnet_broker_event **event)
{
	dispatch_time_t until =
		timeout < 0 ? DISPATCH_TIME_FOREVER
			    : dispatch_time(DISPATCH_TIME_NOW, timeout * (int64_t)NSEC_PER_MSEC);
	vmnet_broker_return_t status;
	xpc_object_t message;

	*event = NULL;
	if (!broker->monitoring) {
		vmnet_broker_set_error(&broker->error, "this connection does not monitor; call "
						       "vmnet_broker_monitor() first");
		return VMNET_BROKER_INVALID_REQUEST;
	}
	if (dispatch_semaphore_wait(broker->arrived, until) != 0)
		return VMNET_BROKER_SUCCESS;
	message = take_incoming(broker);
	if (!message) {
		/* The broker has gone, and still will have at the next call. */
		(void)dispatch_semaphore_signal(broker->arrived);
		return failed(broker, VMNET_BROKER_XPC_FAILURE, NULL);
	}
	status = decoded(broker, vmnet_broker_decode_event(message, event), NULL);
	xpc_release(message);
	return status;
}

xpc_object_t vmnet_broker_network_serialization(struct vmnet_broker *broker, const char *network,
						vmnet_broker_return_t *status)
{
	vmnet_broker_return_t ignored;
	struct hold *hold;

	if (!status)
		status = &ignored;
	*status = VMNET_BROKER_INVALID_REQUEST;
	if (!vmnet_broker_check_name(&broker->error, network))
		return NULL;
	*status = hold_find(broker, network, &hold);
	if (*status != VMNET_BROKER_SUCCESS)
		return NULL;
	return acquire_serialization(broker, network, status);
}

xpc_object_t vmnet_broker_acquire_network(const char *network_name, vmnet_broker_return_t *status)
{
	struct vmnet_broker *broker = broker_new();
	vmnet_broker_return_t ignored;
	xpc_object_t serialization;

	if (!status)
		status = &ignored;
	*status = VMNET_BROKER_INTERNAL_ERROR;
	if (!broker)
		return NULL;
	serialization = acquire_serialization(broker, network_name, status);
	/* Otherwise the connection stays, with what its handler needs, as long as the process. */
	if (!serialization)
		vmnet_broker_close(broker);
	return serialization;
}
