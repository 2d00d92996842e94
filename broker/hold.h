/* SPDX-License-Identifier: Apache-2.0 */
/* Holds, for the other parts of the policy. Front ends call what broker.h declares. */
#ifndef VMNET_BROKER_HOLD_H
#define VMNET_BROKER_HOLD_H

#include "broker.h"

/* A hold that waits, on the lists of its client and its network; NULL when memory is short. */
struct hold *hold_new(struct client *client, struct network *network);

/* Takes it from both lists and frees it; nobody is told. */
void hold_free(struct hold *hold);

/* The same for one that its client gives up: who is to know is told, and the network may go. */
void hold_end(struct hold *hold);

/* One that waits for the network, or NULL. */
struct hold *hold_waiting(const struct network *network);

/* Whether there is one by which the network lives on: one that waits for its next life is none. */
bool holds_keep(const struct network *network);

/* Answers one that waits. What it calls may change any hold: it is not touched afterwards. */
void hold_granted(struct hold *hold);

/* The network of this name that the client holds and has been told of, or NULL with error. */
struct network *broker_held_network(const struct client *client, const char *name,
				    struct error *error);

#endif
