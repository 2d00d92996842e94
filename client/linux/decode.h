/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol's objects as the library's structures. Members that are not
 * known are ignored: a newer broker may have more to say. Each function
 * returns SUCCESS, INVALID_REPLY, or INTERNAL_ERROR (out of memory), and the
 * structure on SUCCESS only.
 */
#ifndef VMNET_CLIENT_LINUX_DECODE_H
#define VMNET_CLIENT_LINUX_DECODE_H

#include <jansson.h>

#include "client/common.h"

#define QUEUES_MAX 16U /* of an interface */

vmnet_broker_return_t vmnet_broker_decode_network(const json_t *object,
						  struct vmnet_broker_network **network);

/* parameters: of the reply to ListNetworks. */
vmnet_broker_return_t vmnet_broker_decode_networks(const json_t *parameters,
						   struct vmnet_broker_network ***networks,
						   size_t *n_networks);

/* parameters: of the reply to Inspect. */
vmnet_broker_return_t vmnet_broker_decode_inspection(const json_t *parameters,
						     struct vmnet_broker_inspection **inspection);

vmnet_broker_return_t vmnet_broker_decode_event(const json_t *object,
						struct vmnet_broker_event **event);

/*
 * parameters: of the reply to Attach.
 * fds, n_fds: the descriptors that came with it. Those that the reply names
 *	move to the attachment, and are -1 afterwards.
 */
vmnet_broker_return_t vmnet_broker_decode_attachment(const json_t *parameters, int *fds,
						     size_t n_fds,
						     struct vmnet_broker_attachment **attachment);

#endif
