/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is behind the Varlink front end of a unit test: the real policy, and a
 * platform whose networks and interfaces come in no time, or when the test says
 * so. Everything runs in fake_linux_run(); a TAP is the null device.
 */
#ifndef VMNET_BROKER_FAKE_LINUX_H
#define VMNET_BROKER_FAKE_LINUX_H

#include <stdbool.h>
#include <stddef.h>

extern bool fake_linux_waits; /* networks and interfaces are not made until it is false again */
extern const char *fake_linux_failure; /* why networks and interfaces cannot be made, or NULL */
extern unsigned int fake_linux_closed; /* descriptors closed by the worker */

/*
 * Starts the policy with this networks.json, and the front end. Returns the path of
 * its socket.
 */
const char *fake_linux_open(const char *config);

/* Serves until there is nothing more to do. */
void fake_linux_run(void);

/* The same for one round of the loop only. Returns false when there was nothing to do. */
bool fake_linux_step(void);

/* Ends all; fails unless nothing of it is left. */
void fake_linux_close(void);

#endif
