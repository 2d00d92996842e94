/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a dnsmasq that runs still serves. Nothing is asked of it: the kernel knows what it has
 * not read, and whether it ran. What is done about it is dnsmasq.c's.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_LIVENESS_H
#define VMNET_BROKER_LINUX_DNSMASQ_LIVENESS_H

#include <netinet/in.h>
#include <stdbool.h>

/* How far a server had got at the last look; zeroed before the first. */
struct liveness {
	unsigned long switches;
};

/*
 * Looks.
 *
 * pidfd: the server's process.
 * bridge: the index of the bridge that it gives addresses on.
 * address: its own, for DNS.
 *
 * Returns true when requests wait for it, and it has not run since the last
 * look. What cannot be found out is no reason to say so.
 */
bool liveness_is_lost(struct liveness *liveness, int pidfd, int bridge, struct in_addr address);

#endif
