/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses that machines have taken by themselves, of which DHCP knows nothing: the host has
 * heard of them by ARP, and has the server lease them to those machines, to give them to nobody
 * else. IPv6 has no need of it: machines make their addresses, and look whether they are free.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_TAKEN_H
#define VMNET_BROKER_LINUX_DNSMASQ_TAKEN_H

#include "broker/broker.h"
#include "leases.h"

/* As many neighbours as the kernel has, unless it was told otherwise. */
#define NEIGHBOURS_MAX 1024

/* Who is heard of on a bridge: the addresses and whose they are. */
struct neighbours {
	int bridge; /* its index */
	size_t n;
	struct {
		struct mac_address mac;
		struct in_addr address;
	} items[NEIGHBOURS_MAX];
};

/*
 * Asks the kernel for those of n_lists bridges, which the lists tell, at once: it has one list
 * of all. On a worker. Returns 0 or a negative errno.
 */
int taken_listen(struct neighbours *lists, size_t n_lists);

/* At once: the server's socket has room for some more, and machines ask as well. */
#define TAKEN_AT_ONCE 64

/*
 * Chooses what is to be leased: the addresses of attached interfaces that are
 * nobody's by the leases that there are, a few for each and half of the
 * network's, or of this host's pool, for all. Returns their number.
 */
size_t taken_choose(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
		    const struct neighbours *neighbours, struct dhcp_lease chosen[TAKEN_AT_ONCE]);

/*
 * Asks the network's server for leases of them. On the policy's thread; waits
 * for nobody. Returns 0 or a negative errno.
 */
int taken_claim(const struct network *network, const struct dhcp_lease *chosen, size_t n);

#endif
