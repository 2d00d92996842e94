/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks on macOS: what vmnet makes of a configuration, and keeps running. Above stands
 * broker/network.h, which decides; interfaces are the machines' own, and not made here.
 */
#ifndef VMNET_BROKER_DARWIN_NETWORK_H
#define VMNET_BROKER_DARWIN_NETWORK_H

#include <xpc/xpc.h>

#include "broker/broker.h"

/* What a client joins an active network with. The network's still: retain it to keep it. */
xpc_object_t network_serialization(const struct network *network);

/* vmnet has something of the broker's, though the policy may know of no network any more. */
bool networks_exist(void);

/* All that exists hangs in vmnet: nothing is left to wait for. */
bool networks_all_hang(void);

#endif
