/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's dictionaries (wire/xpc_protocol.h) as the library's
 * structures. Keys that are not known are ignored: a newer broker may have more
 * to say. Each function returns SUCCESS, INVALID_REPLY, or INTERNAL_ERROR (out
 * of memory), and the structure on SUCCESS only.
 */
#ifndef VMNET_CLIENT_DARWIN_DECODE_H
#define VMNET_CLIENT_DARWIN_DECODE_H

#include <xpc/xpc.h>

#include "client/common.h"

/* reply: to acquire. */
vmnet_broker_return_t vmnet_broker_decode_network(xpc_object_t reply,
						  struct vmnet_broker_network **network);

/* reply: to list. */
vmnet_broker_return_t vmnet_broker_decode_networks(xpc_object_t reply,
						   struct vmnet_broker_network ***networks,
						   size_t *n_networks);

/* reply: to inspect. */
vmnet_broker_return_t vmnet_broker_decode_inspection(xpc_object_t reply,
						     struct vmnet_broker_inspection **inspection);

vmnet_broker_return_t vmnet_broker_decode_event(xpc_object_t message,
						struct vmnet_broker_event **event);

#endif
