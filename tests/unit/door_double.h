/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind the Varlink door of a unit test: the real policy, and a
 * platform whose networks and interfaces come in no time, or when the test says
 * so. Everything runs in door_run(); a TAP is the null device.
 */
#ifndef VMNET_BROKER_DOOR_DOUBLE_H
#define VMNET_BROKER_DOOR_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>

extern bool door_waits; /* networks and interfaces are not made until it is false again */
extern const char *door_failure; /* why networks and interfaces cannot be made, or NULL */
extern unsigned int door_closed; /* descriptors closed by the worker */

/*
 * Starts the policy with this networks.json, and the door. Returns the path of
 * its socket.
 */
const char *door_open(const char *config);

/* Serves until there is nothing more to do. */
void door_run(void);

/* The same for one round of the loop only. Returns false when there was nothing to do. */
bool door_step(void);

/* Ends all; fails unless nothing of it is left. */
void door_close(void);

#endif
