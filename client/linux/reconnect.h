/* SPDX-License-Identifier: Apache-2.0 */
/* Another broker after the one that has gone, where that is asked for. */
#ifndef VMNET_BROKER_RECONNECT_H
#define VMNET_BROKER_RECONNECT_H

#include "connection.h"

/*
 * Makes a call and waits for its reply; if it is to find the broker again, by
 * one connection after another.
 * parameters: taken over.
 * network: the one that it is about, for sentences; or NULL.
 * reply: gets the parameters, for json_decref().
 */
vmnet_broker_return_t vmnet_broker_call(struct vmnet_broker *broker, const char *method,
					json_t *parameters, const char *network, json_t **reply);

/* Whether what failed with this one of the brokers is worth another one. */
bool vmnet_broker_find_another(const struct vmnet_broker *broker, vmnet_broker_return_t status,
			       unsigned int brokers);

/* A call has found the connection ended. Returns SUCCESS when it is to be made anew. */
vmnet_broker_return_t vmnet_broker_reconnect(struct vmnet_broker *broker);

/*
 * The end of the connection, for who waits for an event.
 * timeout: as in vmnet_broker_next_event().
 * event: gets one of the type RECONNECTED; is left as it is when there is no broker in time.
 */
vmnet_broker_return_t vmnet_broker_reconnect_monitor(struct vmnet_broker *broker, int timeout,
						     struct vmnet_broker_event **event);

#endif
