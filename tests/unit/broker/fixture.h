/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker of two networks, "default" (alias "shared"), and "lab", which user
 * 1000 and group 50 may have, with at most 2 interfaces. Its platform does what
 * the test says, when it says so. Each function fails the test rather than return
 * what it does not promise.
 */
#ifndef BROKER_FIXTURE_H
#define BROKER_FIXTURE_H

#include "tests/unit/fake_platform.h"

extern struct broker *broker; /* from setup() to teardown() */
extern const char *const networks_json; /* its configuration */
extern char config_path[]; /* where it would read another one; no file is there */

int setup(void **state);
int teardown(void **state);

/* Somebody whose group is 100. */
struct fake_client *connect_user(uid_t uid);

/* The network of this name, which is in this state. */
struct network *network_in(const char *name, enum network_state state);

/* A client of uid 1000 that holds an active network. */
struct fake_client *holder(const char *name);

/* An interface that the client has attached to a network it holds. */
struct interface *attached(struct fake_client *client, const char *network, bool named);

/* A lease before others, to be freed by whom it is given to. */
struct lease *lease(const char *address, struct lease *next);

#endif
