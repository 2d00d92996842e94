/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy's structures as the protocol's objects, and its errors under the protocol's names:
 * describe_error() chooses an error's name on the wire. Each function returns a new reference, or
 * NULL when memory is short. Nothing is sent here.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_DESCRIBE_H
#define VMNET_BROKER_LINUX_VARLINK_DESCRIBE_H

#include <jansson.h>

#include "broker/broker.h"
#include "broker/interface.h"

#define PROTOCOL_INTERFACE "com.github.nirs.vmnetbroker"

/*
 * What a reply has of a network: configuration, nextConfiguration, removed, state.
 * rogue_packets: as linux.h says; -1 leaves them out.
 */
json_t *describe_network(const struct network_info *info, int64_t rogue_packets);
json_t *describe_interface(const struct interface *interface);
json_t *describe_client(const struct client *client);
json_t *describe_lease(const struct lease *lease);
json_t *describe_event(const struct event *event);

/*
 * A whole error message.
 * network: the name that the client used; "" where it used none.
 */
json_t *describe_error(const struct error *error, const char *network);

/* The text of one that no name was used for, which the caller frees. */
char *describe_error_text(const struct error *error);

#endif
