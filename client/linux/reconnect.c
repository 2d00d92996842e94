/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new connection becomes what the old one was, and the call that found that one ended is made
 * once more.
 */
#include "reconnect.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

/* Milliseconds that a call waits for another broker, and between two looks for one. */
#define RECONNECT_TIMEOUT 10000
#define RECONNECT_INTERVAL 100
#define BROKERS_MAX 5 /* for one call: it may be what they die of */

/* A broker that starts has a socket that is not everyone's yet, for a moment. */
static bool is_absent(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT || r == -EACCES;
}

/*
 * Connects again, as soon as there is a broker.
 * timeout: as in vmnet_broker_next_event(); gets what is left of it.
 * Returns 0 or a negative errno: -EINTR, or one of is_absent() when there was none in time.
 */
static int find_broker(struct vmnet_broker *broker, int *timeout)
{
	int r = vmnet_broker_transport_connect_again(&broker->transport, vmnet_broker_address());

	while (is_absent(r) && *timeout != 0) {
		if (*timeout > 0)
			*timeout -= *timeout < RECONNECT_INTERVAL ? *timeout : RECONNECT_INTERVAL;
		if (poll(NULL, 0, RECONNECT_INTERVAL) < 0)
			return -errno;
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

		status = vmnet_broker_call_once(broker, INTERFACE "Acquire",
						json_pack("{s:s}", "network", network), network,
						&reply);
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
		status = vmnet_broker_start_monitoring(broker);
	if (status == VMNET_BROKER_SUCCESS)
		broker->reconnects++;
	else
		vmnet_broker_transport_shut_down(&broker->transport);
	return status;
}

/* A call has found the connection ended. Returns SUCCESS when it is to be made anew. */
static vmnet_broker_return_t reconnect(struct vmnet_broker *broker)
{
	int timeout = RECONNECT_TIMEOUT;
	int r;

	do
		r = find_broker(broker, &timeout);
	while (r == -EINTR);
	return r < 0 ? vmnet_broker_transport_failed(broker, r, NULL) : resume(broker);
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

bool vmnet_broker_find_another(struct vmnet_broker *broker, vmnet_broker_return_t *status,
			       unsigned int *brokers)
{
	while (*status != VMNET_BROKER_SUCCESS && broker->lost && broker->reconnect &&
	       *brokers < BROKERS_MAX) {
		(*brokers)++;
		*status = reconnect(broker);
		if (*status == VMNET_BROKER_SUCCESS)
			return true;
	}
	return false;
}

vmnet_broker_return_t vmnet_broker_attempt(struct vmnet_broker *broker, attempt_function *attempt,
					   void *context)
{
	vmnet_broker_return_t status;
	unsigned int brokers = 1;

	if (broker->monitoring) {
		vmnet_broker_set_error(&broker->error,
				       "this connection monitors; use another one for calls");
		return VMNET_BROKER_INVALID_REQUEST;
	}
	status = attempt(broker, context);
	while (vmnet_broker_find_another(broker, &status, &brokers))
		status = attempt(broker, context);
	return status;
}

struct call {
	const char *method;
	json_t *parameters;
	const char *network;
	json_t **reply;
};

static vmnet_broker_return_t try_to_call(struct vmnet_broker *broker, void *context)
{
	struct call *call = context;

	return vmnet_broker_call_once(broker, call->method, json_incref(call->parameters),
				      call->network, call->reply);
}

vmnet_broker_return_t vmnet_broker_call(struct vmnet_broker *broker, const char *method,
					json_t *parameters, const char *network, json_t **reply)
{
	struct call call = { method, parameters, network, reply };
	vmnet_broker_return_t status = vmnet_broker_attempt(broker, try_to_call, &call);

	json_decref(parameters);
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

vmnet_broker_return_t vmnet_broker_reconnect_monitor(struct vmnet_broker *broker, int timeout,
						     struct vmnet_broker_event **event)
{
	vmnet_broker_return_t status;
	int r = find_broker(broker, &timeout);

	if (is_absent(r) || r == -EINTR)
		return VMNET_BROKER_SUCCESS;
	if (r < 0)
		return vmnet_broker_transport_failed(broker, r, NULL);
	status = resume(broker);
	if (broker->lost)
		return VMNET_BROKER_SUCCESS; /* that one has gone, too */
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	*event = reconnected_event();
	return *event ? status
		      : vmnet_broker_failed(&broker->error, VMNET_BROKER_INTERNAL_ERROR, NULL);
}
