/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks and their life, for the other parts of the policy. Above it stand holds (hold.h) and
 * interfaces (interface.h), below it the platform (platform.h), which makes and removes them.
 */
#ifndef VMNET_BROKER_NETWORK_H
#define VMNET_BROKER_NETWORK_H

#include "broker.h"

/* The network whose own name this is, or NULL while it is inactive. */
struct network *network_find(const struct broker *broker, const char *name);

/*
 * Starts an inactive network for its first hold, the client's, which waits.
 * config is not taken over. Returns 0, or -1 when memory is short.
 */
int network_start(struct client *client, struct network_config *config);

/*
 * Whether the external ports of an inactive network are free: a port leads to one
 * network in a configuration, but an active one may have an earlier one, and its
 * interfaces may have asked for some.
 * Returns 0, or -1 with error.
 */
int network_check_ports(const struct broker *broker, const struct network_config *config,
			struct error *error);

/* Frees a network without holds, and what it owns. It is on no list any more. */
void network_free(struct network *network);

#endif
