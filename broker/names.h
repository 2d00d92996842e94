/* SPDX-License-Identifier: Apache-2.0 */
/* What clients' names of networks stand for. */
#ifndef VMNET_BROKER_NAMES_H
#define VMNET_BROKER_NAMES_H

#include "broker.h"

/* What a name stands for: network is NULL while it is inactive. */
struct target {
	struct network *network;
	struct network_config *config;
};

/*
 * What the configuration calls by this name; or a network that it has lost
 * since, for as long as that one lives.
 *
 * Returns 0, or -1 with error when there is none, or the client may not have it.
 */
int names_resolve(const struct client *client, const char *name, struct target *target,
		  struct error *error);

#endif
