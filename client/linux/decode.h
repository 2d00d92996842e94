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

/* By enum vmnet_broker_protocol, from VMNET_BROKER_TCP to VMNET_BROKER_TCP_AND_UDP. */
extern const char *const vmnet_broker_protocol_names[];

/* parameters: of the reply to Acquire or DescribeNetwork. */
vmnet_broker_return_t vmnet_broker_decode_network(const json_t *parameters,
						  struct vmnet_broker_network **network);

/* parameters: of the reply to DescribeNetwork. Returns -1 where they are not counted. */
int64_t vmnet_broker_decode_rogue_packets(const json_t *parameters);

enum listed_kind {
	LISTED_NETWORKS,
	LISTED_CLIENTS,
	LISTED_INTERFACES,
	LISTED_LEASES
};

/* A list, as its replies come. It begins with its kind alone. */
struct listed {
	enum listed_kind kind;
	void **items; /* pointers to structures of the kind; not NULL after a reply, if it is empty */
	size_t n_items;
};

/* Adds what a reply of these parameters has, which may be nothing. */
vmnet_broker_return_t vmnet_broker_listed_add(struct listed *listed, const json_t *parameters);

/* Makes it empty, with all that is in it. */
void vmnet_broker_listed_clear(struct listed *listed);

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
