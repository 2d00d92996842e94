/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of a network's addresses, and their keeping for its next life. On network_worker.
 * Step 1 of parts.h; the bridge gets them in bridge.h.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_ADDRESSES_H
#define VMNET_BROKER_LINUX_NETWORK_ADDRESSES_H

#include "broker/broker.h"

/* Another network of the configuration, active or not: what it has is not free. */
struct other_network {
	char name[NETWORK_NAME_MAX + 1];
	struct ipv4_subnet subnet; /* length 0: what is kept of it counts */
	struct ipv6_prefix prefix; /* the same */
};

/* Sets both, and the host's own addresses of them. A length of 0: none. */
void addresses_set(struct network_addresses *addresses, const struct ipv4_subnet *subnet,
		   const struct ipv6_prefix *prefix);

/*
 * Sets what one of the hosts that a network is on has beside the gateway's addresses.
 * vxlan_host: of the configuration's, from 1; any other: nothing is set.
 */
void addresses_set_own(const struct network_config *config, unsigned int vxlan_host,
		       struct network_addresses *addresses);

/*
 * Finds which of the hosts that a network is on this one is, sets what it has there, and the MTU
 * that fits into the underlay. Returns 0, or -1 with error (ERROR_CREATE_FAILED).
 */
int addresses_find_host(const struct network_config *config, struct network_addresses *addresses,
			struct error *error);

/*
 * Chooses the addresses of a shared or host network: those of its
 * configuration, or those that it had before, or new ones.
 *
 * addresses: gets subnet, prefix, gateway and the bridge's MAC address; of a network that is
 *	 on several hosts also this one's, and the MTU.
 * Returns 0, or -1 with error (ERROR_CREATE_FAILED).
 */
int addresses_choose(const struct network_config *config, const struct other_network *others,
		     size_t n_others, const char *state_dir, struct network_addresses *addresses,
		     struct error *error);

/*
 * Keeps them for the network's next life, where that has not been done. Returns
 * 0 or a negative errno.
 */
int addresses_keep(const char *state_dir, const char *network,
		   const struct network_addresses *addresses);

#endif
