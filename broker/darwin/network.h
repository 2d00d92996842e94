/* SPDX-License-Identifier: Apache-2.0 */
/* Networks on macOS: what vmnet makes of a configuration. */
#ifndef VMNET_BROKER_DARWIN_NETWORK_H
#define VMNET_BROKER_DARWIN_NETWORK_H

#include <xpc/xpc.h>

#include "../broker.h"

/* Makes the queue that vmnet is called on. Returns 0, or -1 when memory is short. */
int networks_start(void);

/* Ends it. No network exists any more. */
void networks_stop(void);

/* What a client joins an active network with. The network's still: retain it to keep it. */
xpc_object_t network_serialization(const struct network *network);

#endif
