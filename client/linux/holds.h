/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the networks that a connection holds, to acquire them again. */
#ifndef VMNET_BROKER_HOLDS_H
#define VMNET_BROKER_HOLDS_H

#include <stdbool.h>

struct held {
	struct held *next;
	char *network;
};

bool vmnet_broker_holds_has(const struct held *holds, const char *network);

/* Adds a name that may be there already. Returns 0 or -ENOMEM. */
int vmnet_broker_holds_add(struct held **holds, const char *network);

void vmnet_broker_holds_remove(struct held **holds, const char *network);
void vmnet_broker_holds_clear(struct held **holds);

#endif
