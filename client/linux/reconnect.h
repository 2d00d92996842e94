/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with another broker after the one that has gone, where that is asked for. */
#ifndef VMNET_CLIENT_LINUX_RECONNECT_H
#define VMNET_CLIENT_LINUX_RECONNECT_H

#include "connection.h"

/*
 * Something that is asked of the broker on the connection as it is, and may be asked anew.
 * context: the asker's own.
 */
typedef vmnet_broker_return_t attempt_function(struct vmnet_broker *broker, void *context);

/* Asks, and again where the broker has gone meanwhile and another one is to be found. */
vmnet_broker_return_t vmnet_broker_attempt(struct vmnet_broker *broker, attempt_function *attempt,
					   void *context);

/*
 * Makes a call and waits for its reply; if it is to find the broker again, by
 * one connection after another.
 * parameters: taken over.
 * network: the one that it is about, for sentences; or NULL.
 * reply: gets the parameters, for json_decref().
 */
vmnet_broker_return_t vmnet_broker_call(struct vmnet_broker *broker, const char *method,
					json_t *parameters, const char *network, json_t **reply);

/*
 * Finds another broker for a call that failed, if that is worth it.
 * status: how it failed; gets how the search for another one did.
 * brokers: how many there were for this call; counts those that are found.
 * Returns whether there is one, to make the call once more.
 */
bool vmnet_broker_find_another(struct vmnet_broker *broker, vmnet_broker_return_t *status,
			       unsigned int *brokers);

/*
 * The end of the connection, for who waits for an event.
 * timeout: as in vmnet_broker_next_event().
 * event: gets one of the type RECONNECTED; is left as it is when there is no broker in time.
 */
vmnet_broker_return_t vmnet_broker_reconnect_monitor(struct vmnet_broker *broker, int timeout,
						     struct vmnet_broker_event **event);

#endif
