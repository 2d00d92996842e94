/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an attached machine has by DHCP stays its own, though it asks for no more time: it may be
 * paused, or asleep, or have another idea of the time.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_LEASE_KEEP_H
#define VMNET_BROKER_LINUX_DNSMASQ_LEASE_KEEP_H

#include <time.h>

#include "broker/broker.h"
#include "leases.h"

/*
 * Asks the network's server for more time for leases of attached interfaces
 * that end before long. To be called every few seconds, on the policy's thread;
 * waits for nobody.
 *
 * leases: all that there are. now: of their clock. Returns 0 or a negative errno.
 */
int lease_keep(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
	       time_t now);

#endif
