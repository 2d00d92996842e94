/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of machines on the host: systemd-resolved, where it runs, asks a network's own name server
 * about NETWORK.internal, and about nothing else. It keeps that with the bridge, with which it
 * goes, and over its own restarts. For the policy's thread.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_HOST_NAMES_H
#define VMNET_BROKER_LINUX_NETWORK_HOST_NAMES_H

#include "broker/broker.h"

/*
 * Tells systemd-resolved of an active network, and of all of them once it starts. Waits for
 * nothing; what it refuses is logged. Only the service does that: a broker that somebody has
 * started may be in another network namespace, where a link's number is that of another link.
 */
void host_names_offer(const struct network *network);

/* At the end of the process. */
void host_names_stop(void);

#endif
