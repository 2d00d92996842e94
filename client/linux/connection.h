/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection to the broker, for the files of the library's calls: what they have of each
 * other. A function that fails has set the sentence.
 */
#ifndef VMNET_CLIENT_LINUX_CONNECTION_H
#define VMNET_CLIENT_LINUX_CONNECTION_H

#include <jansson.h>

#include "client/common.h"
#include "client/holds.h"
#include "transport.h"

#define INTERFACE "com.github.nirs.vmnetbroker."
#define SERVICE "org.varlink.service."

struct vmnet_broker {
	struct transport transport;
	bool monitoring;
	bool reconnect;
	bool continues; /* the last reply is not its call's last */
	bool lost; /* the broker has ended the connection */
	unsigned int reconnects;
	struct holds holds; /* to be acquired again; empty without reconnect */
	char *error; /* NULL: none */
};

/*
 * Sends a call.
 * parameters: taken over, and may be NULL when memory is short.
 * more: replies are to come until one of the two ends the connection.
 * network: the one that it is about, for sentences; or NULL.
 */
vmnet_broker_return_t vmnet_broker_send_call(struct vmnet_broker *broker, const char *method,
					     json_t *parameters, bool more, const char *network);

/*
 * Takes a message apart.
 * reply: gets its parameters, for json_decref().
 */
vmnet_broker_return_t vmnet_broker_take_reply(struct vmnet_broker *broker, const char *text,
					      size_t length, const char *network, json_t **reply);

/* Waits for a message, and takes it apart. */
vmnet_broker_return_t vmnet_broker_receive_reply(struct vmnet_broker *broker, const char *network,
						 json_t **reply);

/* Makes a call, whose parameters are taken over, on the connection as it is. */
vmnet_broker_return_t vmnet_broker_call_once(struct vmnet_broker *broker, const char *method,
					     json_t *parameters, const char *network,
					     json_t **reply);

/*
 * The status for what the transport returned, with its sentence. There is no way
 * to go on, except to end.
 */
vmnet_broker_return_t vmnet_broker_transport_failed(struct vmnet_broker *broker, int r,
						    const char *network);

#endif
