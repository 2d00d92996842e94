/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving up leases of machines that have gone, early, when few addresses are left: a lease lasts
 * an hour, and test machines come and go by the hundred. Planned on the policy's thread, sent to
 * dnsmasq on network_worker.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_LEASE_RELEASE_H
#define VMNET_BROKER_LINUX_DNSMASQ_LEASE_RELEASE_H

#include "broker/broker.h"
#include "leases.h"

/* What is to be given up, at most, the first first. */
struct lease_release {
	char bridge[INTERFACE_NAME_SIZE];
	struct in_addr server;
	size_t wanted;
	size_t n_leases;
	struct dhcp_lease leases[]; /* of whom the broker knows no interface; wanted or more */
};

/*
 * Decides whether leases of a network are to be given up: when fewer than a
 * quarter of its addresses are free. Those that end first go first; those of
 * attached interfaces and of reservations never do. On the policy's thread.
 *
 * leases: all that there are; it gets sorted.
 *
 * Returns what to do, for lease_release_send() and free(), or NULL when there is
 * nothing to do, or no memory to do it with.
 */
struct lease_release *lease_release_plan(const struct network *network, struct dhcp_lease *leases,
					 size_t n_leases);

/*
 * Tells the network's DHCP server in the machines' stead that they want their
 * addresses no longer; not for those that the bridge has heard of lately, as it
 * has of machines behind a machine. On network_worker.
 *
 * Returns how many it has told, or a negative errno.
 */
int lease_release_send(const struct lease_release *release);

#endif
