/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: its beginning and its end, a call and its reply, and what of either fails, as a
 * status and a sentence; error_status() makes a status of an error's name on the wire. Which calls
 * there are is elsewhere, and so is another connection after this one (reconnect.c).
 */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ADDRESS_VARIABLE "VMNET_BROKER_SOCKET"
#define ADDRESS_DEFAULT "/run/vmnet-broker/socket"

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
	{ INTERFACE "Ended", VMNET_BROKER_ENDED },
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

/* A broker that stops does, and one that has no room for another client of this user. */
static vmnet_broker_return_t connection_lost(struct vmnet_broker *broker, const char *network)
{
	vmnet_broker_set_reason(&broker->error,
				"the broker has ended the connection; try again, and with fewer "
				"connections at a time if there are many",
				network);
	return VMNET_BROKER_XPC_FAILURE;
}

vmnet_broker_return_t vmnet_broker_transport_failed(struct vmnet_broker *broker, int r,
						    const char *network)
{
	vmnet_broker_transport_shut_down(&broker->transport);
	broker->lost = r == -ECONNRESET;
	if (broker->lost)
		return connection_lost(broker, network);
	if (r == -ENOMEM)
		return vmnet_broker_failed(&broker->error, VMNET_BROKER_INTERNAL_ERROR, network);
	return vmnet_broker_failed(
		&broker->error,
		r == -EMSGSIZE ? VMNET_BROKER_INVALID_REPLY : VMNET_BROKER_XPC_FAILURE, network);
}

/* The status for a message that is none. What follows it cannot be understood, either. */
static vmnet_broker_return_t message_failed(struct vmnet_broker *broker, const char *network)
{
	vmnet_broker_transport_shut_down(&broker->transport);
	return vmnet_broker_failed(&broker->error, VMNET_BROKER_INVALID_REPLY, network);
}

/* The status of one of the broker's errors; INVALID_REPLY for one that is not known. */
static vmnet_broker_return_t error_status(const char *name)
{
	for (size_t i = 0; i < N_ERROR_STATUSES; i++)
		if (strcmp(error_statuses[i].name, name) == 0)
			return error_statuses[i].status;
	return VMNET_BROKER_INVALID_REPLY;
}

/* The broker's last word: what was held is not to be held again by another connection. */
static void forget_all(struct vmnet_broker *broker)
{
	vmnet_broker_transport_shut_down(&broker->transport);
	vmnet_broker_holds_clear(&broker->holds);
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
	if (error_status(name) == VMNET_BROKER_ENDED)
		forget_all(broker);
	return error_status(name);
}

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

vmnet_broker_return_t vmnet_broker_send_call(struct vmnet_broker *broker, const char *method,
					     json_t *parameters, bool more, const char *network)
{
	char *text = call_text(method, parameters, more);
	int r;

	if (!text)
		return vmnet_broker_failed(&broker->error, VMNET_BROKER_INTERNAL_ERROR, network);
	r = vmnet_broker_transport_send(&broker->transport, text, strlen(text) + 1);
	free(text);
	/* A broker that ends the connection may have said why: that is for the receiver to find. */
	if (r < 0 && r != -EPIPE && r != -ECONNRESET)
		return vmnet_broker_transport_failed(broker, r, network);
	return VMNET_BROKER_SUCCESS;
}

vmnet_broker_return_t vmnet_broker_take_reply(struct vmnet_broker *broker, const char *text,
					      size_t length, const char *network, json_t **reply)
{
	json_t *message = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	json_t *error = json_object_get(message, "error");
	json_t *parameters = json_object_get(message, "parameters");
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;

	broker->continues = json_is_true(json_object_get(message, "continues"));
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

vmnet_broker_return_t vmnet_broker_receive_reply(struct vmnet_broker *broker, const char *network,
						 json_t **reply)
{
	const char *message;
	size_t length;
	int r;

	do
		r = vmnet_broker_transport_receive(&broker->transport, -1, &message, &length);
	while (r == -EINTR);
	if (r < 0)
		return vmnet_broker_transport_failed(broker, r, network);
	return vmnet_broker_take_reply(broker, message, length, network, reply);
}

vmnet_broker_return_t vmnet_broker_call_once(struct vmnet_broker *broker, const char *method,
					     json_t *parameters, const char *network,
					     json_t **reply)
{
	vmnet_broker_return_t status =
		vmnet_broker_send_call(broker, method, parameters, false, network);

	return status == VMNET_BROKER_SUCCESS ? vmnet_broker_receive_reply(broker, network, reply)
					      : status;
}
