/* SPDX-License-Identifier: Apache-2.0 */
/* What a connection has acquired and not released, to acquire it again from another broker. */
#ifndef VMNET_CLIENT_HOLDS_H
#define VMNET_CLIENT_HOLDS_H

#include "common.h"

struct hold {
	char network[NETWORK_NAME_MAX + 1];
	char asked_as[NETWORK_NAME_MAX + 1]; /* the network's name, or an alias */
};

/* Empty when all zero. */
struct holds {
	struct hold *items;
	size_t n_items;
};

/* Makes room for one more, before it is acquired. Returns false when memory is short. */
bool vmnet_broker_holds_reserve(struct holds *holds);

/* Adds one in the room that was reserved, unless it is there already. */
void vmnet_broker_holds_add(struct holds *holds, const char *network, const char *asked_as);

/* Finds a hold by either of its names. Valid until the next change; NULL when there is none. */
struct hold *vmnet_broker_holds_find(const struct holds *holds, const char *name);

void vmnet_broker_holds_remove(struct holds *holds, struct hold *hold);
void vmnet_broker_holds_clear(struct holds *holds);

#endif
