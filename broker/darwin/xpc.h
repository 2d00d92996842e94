/* SPDX-License-Identifier: Apache-2.0 */
/* The front end on macOS: the Mach service by which clients call the policy. */
#ifndef VMNET_BROKER_DARWIN_XPC_H
#define VMNET_BROKER_DARWIN_XPC_H

#include <stdbool.h>

/* Serves clients from now on. Returns 0, or -1 when memory is short. */
int xpc_start(void);

/*
 * Takes no more clients and ends every connection, with its holds, soon.
 * platform_xpc_closed() is called when the service is given up.
 */
void xpc_stop(void);

/* Serving, or not yet done with xpc_stop(). */
bool xpc_is_open(void);

#endif
