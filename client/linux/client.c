/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker on Linux: each call is one Varlink call, and waits for its
 * reply. The interface file, data/com.github.nirs.vmnetbroker.varlink, says
 * what is sent and received.
 */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "client/common.h"
#include "client/holds.h"
#include "decode.h"
#include "transport.h"

#define INTERFACE "com.github.nirs.vmnetbroker."
#define SERVICE "org.varlink.service."

#define ADDRESS_VARIABLE "VMNET_BROKER_SOCKET"
#define ADDRESS_DEFAULT "/run/vmnet-broker/socket"

/* Milliseconds that a call waits for another broker, and between two looks for one. */
#define RECONNECT_TIMEOUT 10000
#define RECONNECT_INTERVAL 100
#define BROKERS_MAX 5 /* for one call: it may be what they die of */

struct vmnet_broker {
	struct transport transport;
	bool monitoring;
	bool reconnect;
	bool lost; /* the broker has ended the connection */
	unsigned int reconnects;
	struct holds holds; /* to be acquired again; empty without reconnect */
	char *error; /* NULL: none */
};

static const struct {
	const char *name;
	vmnet_broker_return_t status;
} error_statuses[] = {
	{ INTERFACE "NetworkNotFound", VMNET_BROKER_NOT_FOUND },
	{ INTERFACE "NotAllowed", VMNET_BROKER_NOT_ALLOWED },
	{ INTERFACE "NotAcquired", VMNET_BROKER_INVALID_REQUEST },
	{ INTERFACE "CreateFailed", VMNET_BROKER_CREATE_FAILURE },
	{ INTERFACE "LimitExceeded", VMNET_BROKER_INTERNAL_ERROR },
	{ INTERFACE "InvalidConfiguration", VMNET_BROKER_CREATE_FAILURE },
	{ INTERFACE "ParameterRefused", VMNET_BROKER_INVALID_REQUEST },
	{ INTERFACE "Internal", VMNET_BROKER_INTERNAL_ERROR },
	{ SERVICE "InvalidParameter", VMNET_BROKER_INVALID_REQUEST },
};

#define N_ERROR_STATUSES (sizeof(error_statuses) / sizeof(error_statuses[0]))

const char *vmnet_broker_address(void)
{
	const char *address = secure_getenv(ADDRESS_VARIABLE);

	return address && address[0] != '\0' ? address : ADDRESS_DEFAULT;
}

struct vmnet_broker *vmnet_broker_connect(vmnet_broker_return_t *status)
{
	struct vmnet_broker *broker = calloc(1, sizeof(*broker));
	vmnet_broker_return_t ignored;
	int r;

	if (!status)
		status = &ignored;
	if (!broker) {
		*status = VMNET_BROKER_INTERNAL_ERROR;
		return NULL;
	}
	broker->transport = (struct transport)TRANSPORT_INIT;
	r = vmnet_broker_transport_connect(&broker->transport, vmnet_broker_address());
	if (r < 0) {
		vmnet_broker_close(broker);
		errno = -r;
		*status = VMNET_BROKER_XPC_FAILURE;
		return NULL;
	}
	*status = VMNET_BROKER_SUCCESS;
	return broker;
}

void vmnet_broker_close(struct vmnet_broker *broker)
{
	if (!broker)
		return;
	vmnet_broker_transport_close(&broker->transport);
	vmnet_broker_holds_clear(&broker->holds);
	free(broker->error);
	free(broker);
}

const char *vmnet_broker_error(const struct vmnet_broker *broker)
{
	return broker->error ? broker->error : "";
}

int vmnet_broker_fd(const struct vmnet_broker *broker)
{
	return broker->transport.fd;
}

/* Failures */

static vmnet_broker_return_t failed(struct vmnet_broker *broker, vmnet_broker_return_t status,
				    const char *network)
{
	return vmnet_broker_failed(&broker->error, status, network);
}

/* The same for what the transport returned. There is no way to go on, except to end. */
static vmnet_broker_return_t transport_failed(struct vmnet_broker *broker, int r,
					      const char *network)
{
	vmnet_broker_transport_shut_down(&broker->transport);
	broker->lost = r == -ECONNRESET;
	if (r == -ENOMEM)
		return failed(broker, VMNET_BROKER_INTERNAL_ERROR, network);
	return failed(broker,
		      r == -EMSGSIZE ? VMNET_BROKER_INVALID_REPLY : VMNET_BROKER_XPC_FAILURE,
		      network);
}

/* The same for a message that is none. What follows it cannot be understood, either. */
static vmnet_broker_return_t message_failed(struct vmnet_broker *broker, const char *network)
{
	vmnet_broker_transport_shut_down(&broker->transport);
	return failed(broker, VMNET_BROKER_INVALID_REPLY, network);
}

/* The status of one of the broker's errors; INVALID_REPLY for one that is not known. */
static vmnet_broker_return_t error_status(const char *name)
{
	for (size_t i = 0; i < N_ERROR_STATUSES; i++)
		if (strcmp(error_statuses[i].name, name) == 0)
			return error_statuses[i].status;
	return VMNET_BROKER_INVALID_REPLY;
}

/* Turns the broker's error, whose parameters may be NULL, into a status and a sentence. */
static vmnet_broker_return_t error_failed(struct vmnet_broker *broker, const char *name,
					  const json_t *parameters, const char *network)
{
	const char *reason = json_string_value(json_object_get(parameters, "reason"));
	const char *parameter = json_string_value(json_object_get(parameters, "parameter"));

	if (reason && reason[0] != '\0')
		vmnet_broker_set_reason(&broker->error, reason, network);
	else if (network && parameter && strcmp(name, SERVICE "InvalidParameter") == 0)
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": the broker does not take this \"%s\"",
				       network, parameter);
	else
		vmnet_broker_set_error(&broker->error,
				       "the broker answered with %s; it may be of another version",
				       name);
	return error_status(name);
}

/* Calls */

/* The text of a call; NULL without memory. parameters is taken over, and may be NULL so. */
static char *call_text(const char *method, json_t *parameters, bool more)
{
	json_t *message = json_pack("{s:s, s:o}", "method", method, "parameters", parameters);
	char *text = NULL;

	if (message && (!more || json_object_set_new(message, "more", json_true()) == 0))
		text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	return text;
}

static vmnet_broker_return_t send_call(struct vmnet_broker *broker, const char *method,
				       json_t *parameters, bool more, const char *network)
{
	char *text = call_text(method, parameters, more);
	int r;

	if (!text)
		return failed(broker, VMNET_BROKER_INTERNAL_ERROR, network);
	r = vmnet_broker_transport_send(&broker->transport, text, strlen(text) + 1);
	free(text);
	/* A broker that ends the connection may have said why: that is for the receiver to find. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return transport_failed(broker, r, network);
	return VMNET_BROKER_SUCCESS;
}

/*
 * Takes a message apart.
 * reply: gets its parameters, for json_decref().
 */
static vmnet_broker_return_t take_reply(struct vmnet_broker *broker, const char *text,
					size_t length, const char *network, json_t **reply)
{
	json_t *message = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *error = json_object_get(message, "error");
	json_t *parameters = json_object_get(message, "parameters");
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;

	if (!json_is_object(message) || (error && !json_is_string(error)) ||
	    (parameters && !json_is_object(parameters)))
		status = message_failed(broker, network);
	else if (error)
		status = error_failed(broker, json_string_value(error), parameters, network);
	else
		*reply = parameters ? json_incref(parameters) : json_object();
	json_decref(message);
	return status;
}

static vmnet_broker_return_t receive_reply(struct vmnet_broker *broker, const char *network,
					   json_t **reply)
{
	const char *message;
	size_t length;
	int r;

	do
		r = vmnet_broker_transport_receive(&broker->transport, -1, &message, &length);
	while (r == -EINTR);
	if (r < 0)
		return transport_failed(broker, r, network);
	return take_reply(broker, message, length, network, reply);
}

/* Makes a call, whose parameters are taken over, on the connection as it is. */
static vmnet_broker_return_t call_once(struct vmnet_broker *broker, const char *method,
				       json_t *parameters, const char *network, json_t **reply)
{
	vmnet_broker_return_t status = send_call(broker, method, parameters, false, network);

	return status == VMNET_BROKER_SUCCESS ? receive_reply(broker, network, reply) : status;
}

/*
 * Calls of a connection are served in order, and Monitor is not answered before
 * the first event. The reply to the call before it tells that it is next: what
 * anybody asks for after that is served later.
 */
static vmnet_broker_return_t start_monitoring(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	json_t *reply;

	status = send_call(broker, SERVICE "GetInfo", json_object(), false, NULL);
	if (status == VMNET_BROKER_SUCCESS)
		status = send_call(broker, INTERFACE "Monitor", json_object(), true, NULL);
	if (status == VMNET_BROKER_SUCCESS)
		status = receive_reply(broker, NULL, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		json_decref(reply);
	return status;
}

/* Another broker */

/* A broker that starts has a socket that is not everyone's yet, for a moment. */
static bool is_absent(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT || r == -EACCES;
}

/*
 * Connects again, as soon as there is a broker.
 * timeout: as in vmnet_broker_next_event().
 * Returns 0 or a negative errno: -EINTR, or one of is_absent() when there was none in time.
 */
static int find_broker(struct vmnet_broker *broker, int timeout)
{
	int r = vmnet_broker_transport_connect_again(&broker->transport, vmnet_broker_address());

	while (is_absent(r) && timeout != 0) {
		if (poll(NULL, 0, RECONNECT_INTERVAL) < 0)
			return -errno;
		if (timeout > 0)
			timeout -= timeout < RECONNECT_INTERVAL ? timeout : RECONNECT_INTERVAL;
		r = vmnet_broker_transport_connect_again(&broker->transport,
							 vmnet_broker_address());
	}
	return r;
}

static vmnet_broker_return_t acquire_again(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;

	for (size_t i = 0; i < broker->holds.n_items && status == VMNET_BROKER_SUCCESS; i++) {
		const char *network = broker->holds.items[i].network;
		json_t *reply;

		status = call_once(broker, INTERFACE "Acquire",
				   json_pack("{s:s}", "network", network), network, &reply);
		if (status == VMNET_BROKER_SUCCESS)
			json_decref(reply);
	}
	return status;
}

/* Has the new connection become what the old one was: all of it, or it ends, too. */
static vmnet_broker_return_t resume(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;

	broker->lost = false;
	status = acquire_again(broker);
	if (status == VMNET_BROKER_SUCCESS && broker->monitoring)
		status = start_monitoring(broker);
	if (status == VMNET_BROKER_SUCCESS)
		broker->reconnects++;
	else
		vmnet_broker_transport_shut_down(&broker->transport);
	return status;
}

/* A call has found the connection ended. Returns SUCCESS when it is to be made anew. */
static vmnet_broker_return_t reconnect(struct vmnet_broker *broker)
{
	int r = find_broker(broker, RECONNECT_TIMEOUT);

	return r < 0 ? transport_failed(broker, r, NULL) : resume(broker);
}

void vmnet_broker_set_reconnect(struct vmnet_broker *broker, bool reconnect)
{
	broker->reconnect = reconnect;
	if (!reconnect)
		vmnet_broker_holds_clear(&broker->holds);
}

unsigned int vmnet_broker_reconnects(const struct vmnet_broker *broker)
{
	return broker->reconnects;
}

/* Whether what failed with this one of the brokers is worth another one. */
static bool find_another(const struct vmnet_broker *broker, vmnet_broker_return_t status,
			 unsigned int brokers)
{
	return status != VMNET_BROKER_SUCCESS && broker->lost && broker->reconnect &&
	       brokers < BROKERS_MAX;
}

/*
 * Makes a call and waits for its reply; if it is to find the broker again, by
 * one connection after another.
 * parameters: taken over.
 * network: the one that it is about, for sentences; or NULL.
 * reply: gets the parameters, for json_decref().
 */
static vmnet_broker_return_t call(struct vmnet_broker *broker, const char *method,
				  json_t *parameters, const char *network, json_t **reply)
{
	vmnet_broker_return_t status = VMNET_BROKER_INVALID_REQUEST;

	if (broker->monitoring) {
		vmnet_broker_set_error(&broker->error,
				       "this connection monitors; use another one for calls");
		goto out;
	}
	status = call_once(broker, method, json_incref(parameters), network, reply);
	for (unsigned int n = 1; find_another(broker, status, n); n++) {
		status = reconnect(broker);
		if (status == VMNET_BROKER_SUCCESS)
			status = call_once(broker, method, json_incref(parameters), network, reply);
	}
out:
	json_decref(parameters);
	return status;
}

/* The end of a call whose reply was decoded: the status, and a sentence if it is no success. */
static vmnet_broker_return_t decoded(struct vmnet_broker *broker, vmnet_broker_return_t status,
				     const char *network)
{
	return status == VMNET_BROKER_SUCCESS ? status : failed(broker, status, network);
}

/* What the header promises */

vmnet_broker_return_t vmnet_broker_acquire(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_network **network)
{
	struct vmnet_broker_network *acquired = NULL;
	vmnet_broker_return_t status;
	json_t *reply;

	if (network)
		*network = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	if (broker->reconnect && !vmnet_broker_holds_reserve(&broker->holds))
		return failed(broker, VMNET_BROKER_INTERNAL_ERROR, name);
	status = call(broker, INTERFACE "Acquire", json_pack("{s:s}", "network", name), name,
		      &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker,
			 vmnet_broker_decode_network(json_object_get(reply, "network"), &acquired),
			 name);
	json_decref(reply);
	if (status == VMNET_BROKER_SUCCESS && broker->reconnect)
		vmnet_broker_holds_add(&broker->holds, acquired->name, name);
	if (network)
		*network = acquired;
	else
		vmnet_broker_network_free(acquired);
	return status;
}

/* Forgets a hold, whichever of its network's names it was released by. */
static void forget_hold(struct vmnet_broker *broker, const char *name)
{
	struct vmnet_broker_inspection *inspection;
	struct hold *hold = vmnet_broker_holds_find(&broker->holds, name);

	if (!hold && broker->holds.n_items > 0 &&
	    vmnet_broker_inspect(broker, name, &inspection) == VMNET_BROKER_SUCCESS) {
		hold = vmnet_broker_holds_find(&broker->holds, inspection->network->name);
		vmnet_broker_inspection_free(inspection);
	}
	if (hold)
		vmnet_broker_holds_remove(&broker->holds, hold);
}

vmnet_broker_return_t vmnet_broker_release(struct vmnet_broker *broker, const char *name)
{
	vmnet_broker_return_t status;
	json_t *reply;

	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = call(broker, INTERFACE "Release", json_pack("{s:s}", "network", name), name,
		      &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	json_decref(reply);
	forget_hold(broker, name);
	return status;
}

vmnet_broker_return_t vmnet_broker_list(struct vmnet_broker *broker,
					struct vmnet_broker_network ***networks, size_t *n_networks)
{
	vmnet_broker_return_t status;
	json_t *reply;

	*networks = NULL;
	*n_networks = 0;
	status = call(broker, INTERFACE "ListNetworks", json_object(), NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_networks(reply, networks, n_networks), NULL);
	json_decref(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_inspect(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_inspection **inspection)
{
	vmnet_broker_return_t status;
	json_t *reply;

	*inspection = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = call(broker, INTERFACE "Inspect", json_pack("{s:s}", "network", name), name,
		      &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_inspection(reply, inspection), name);
	json_decref(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_reload(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	json_t *reply;

	status = call(broker, INTERFACE "Reload", json_object(), NULL, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		json_decref(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_monitor(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;

	if (broker->monitoring)
		return VMNET_BROKER_SUCCESS;
	status = start_monitoring(broker);
	for (unsigned int n = 1; find_another(broker, status, n); n++) {
		status = reconnect(broker);
		if (status == VMNET_BROKER_SUCCESS)
			status = start_monitoring(broker);
	}
	broker->monitoring = status == VMNET_BROKER_SUCCESS;
	return status;
}

static struct vmnet_broker_event *reconnected_event(void)
{
	struct vmnet_broker_event *event = calloc(1, sizeof(*event));

	if (!event)
		return NULL;
	event->type = VMNET_BROKER_RECONNECTED;
	event->network = strdup("");
	if (event->network)
		return event;
	free(event);
	return NULL;
}

/* The end of the connection, for who waits for an event. */
static vmnet_broker_return_t reconnect_monitor(struct vmnet_broker *broker, int timeout,
					       struct vmnet_broker_event **event)
{
	vmnet_broker_return_t status;
	int r = find_broker(broker, timeout);

	if (is_absent(r) || r == -EINTR)
		return VMNET_BROKER_SUCCESS;
	if (r < 0)
		return transport_failed(broker, r, NULL);
	status = resume(broker);
	if (broker->lost)
		return VMNET_BROKER_SUCCESS; /* that one has gone, too */
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	*event = reconnected_event();
	return *event ? status : failed(broker, VMNET_BROKER_INTERNAL_ERROR, NULL);
}

vmnet_broker_return_t vmnet_broker_next_event(struct vmnet_broker *broker, int timeout,
					      struct vmnet_broker_event **event)
{
	const char *message;
	vmnet_broker_return_t status;
	size_t length;
	json_t *reply;
	int r;

	*event = NULL;
	if (!broker->monitoring) {
		vmnet_broker_set_error(&broker->error, "this connection does not monitor; call "
						       "vmnet_broker_monitor() first");
		return VMNET_BROKER_INVALID_REQUEST;
	}
	r = vmnet_broker_transport_receive(&broker->transport, timeout, &message, &length);
	if (r == -ETIMEDOUT || r == -EINTR)
		return VMNET_BROKER_SUCCESS;
	if (r < 0) {
		status = transport_failed(broker, r, NULL);
		return broker->lost && broker->reconnect ? reconnect_monitor(broker, timeout, event)
							 : status;
	}
	status = take_reply(broker, message, length, NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_event(json_object_get(reply, "event"), event),
			 NULL);
	json_decref(reply);
	return status;
}

/* Interfaces */

/* Of the form of a MAC address, which the broker will look at more closely. */
static bool has_mac_form(const char *text)
{
	return strlen(text) == sizeof("00:00:00:00:00:00") - 1 &&
	       strspn(text, "0123456789abcdefABCDEF:") == strlen(text);
}

/* Takes what the caller knows of the options. Returns false with a sentence. */
static bool take_options(struct vmnet_broker *broker, const char *network,
			 const struct vmnet_broker_attach_options *given,
			 struct vmnet_broker_attach_options *options)
{
	*options = (struct vmnet_broker_attach_options){ .size = sizeof(*options) };
	if (given && given->size < sizeof(*options)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": the options' size is not set", network);
		return false;
	}
	if (given)
		*options = *given;
	if (options->mac_address && !has_mac_form(options->mac_address)) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": \"%s\" is no MAC address; write it like "
				       "52:54:00:12:34:56",
				       network, options->mac_address);
		return false;
	}
	if (options->queues > QUEUES_MAX) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": an interface has 1 to %u queues, not %u",
				       network, QUEUES_MAX, options->queues);
		return false;
	}
	if (options->queues == 0)
		options->queues = 1;
	return true;
}

static json_t *attach_parameters(const char *network,
				 const struct vmnet_broker_attach_options *options)
{
	return json_pack("{s:s, s:s*, s:I, s:b, s:b}", "network", network, "mac_address",
			 options->mac_address, "queues", (json_int_t)options->queues, "vhost",
			 options->vhost, "named", options->named);
}

/* The interface is what was asked for: programs count on their number of queues. */
static bool fits(const struct vmnet_broker_attachment *attachment,
		 const struct vmnet_broker_attach_options *options)
{
	return attachment->n_tap_fds == (options->named ? 0 : options->queues) &&
	       (attachment->n_vhost_fds == 0 || attachment->n_vhost_fds == options->queues);
}

/* Makes an attachment of a reply and the descriptors that came with it. */
static vmnet_broker_return_t take_attachment(struct vmnet_broker *broker, const json_t *reply,
					     const char *network,
					     const struct vmnet_broker_attach_options *options,
					     struct vmnet_broker_attachment **attachment)
{
	struct transport *transport = &broker->transport;
	struct vmnet_broker_attachment *taken;
	vmnet_broker_return_t status;

	if (transport->lost_fds) {
		vmnet_broker_set_error(&broker->error,
				       "network \"%s\": this process has no room for the "
				       "interface's descriptors; raise its limit of open files",
				       network);
		return VMNET_BROKER_INTERNAL_ERROR;
	}
	status = vmnet_broker_decode_attachment(reply, transport->fds, transport->n_fds, &taken);
	if (status != VMNET_BROKER_SUCCESS)
		return failed(broker, status, network);
	if (!fits(taken, options)) {
		vmnet_broker_attachment_free(taken);
		return failed(broker, VMNET_BROKER_INVALID_REPLY, network);
	}
	*attachment = taken;
	return VMNET_BROKER_SUCCESS;
}

vmnet_broker_return_t vmnet_broker_attach(struct vmnet_broker *broker, const char *network,
					  const struct vmnet_broker_attach_options *options,
					  struct vmnet_broker_attachment **attachment)
{
	struct vmnet_broker_attach_options checked;
	vmnet_broker_return_t status;
	json_t *reply;

	*attachment = NULL;
	if (!vmnet_broker_check_name(&broker->error, network) ||
	    !take_options(broker, network, options, &checked))
		return VMNET_BROKER_INVALID_REQUEST;
	broker->transport.wants_fds = true;
	status = call(broker, INTERFACE "Attach", attach_parameters(network, &checked), network,
		      &reply);
	broker->transport.wants_fds = false;
	if (status == VMNET_BROKER_SUCCESS) {
		status = take_attachment(broker, reply, network, &checked, attachment);
		json_decref(reply);
	}
	vmnet_broker_transport_close_fds(&broker->transport);
	return status;
}
