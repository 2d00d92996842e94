/* SPDX-License-Identifier: Apache-2.0 */
/* The text that nftables is given for a network: made from checked, plain data alone. */
#ifndef VMNET_BROKER_LINUX_FIREWALL_RULES_H
#define VMNET_BROKER_LINUX_FIREWALL_RULES_H

#include "broker/broker.h"
#include "host/names.h"

/* A network's counter of what its machines tried that they may not is called this, and its name. */
#define FIREWALL_ROGUE_COUNTER "rogue-"

/* Where others' filters may stop packets, the network's last word about those that leave. */
#define FIREWALL_OTHERS_CHAIN "others-"

/* What rules are made for, besides the network. */
struct firewall_place {
	uint32_t port_group; /* firewall_port_group() of the bridge */
	uint32_t bridge_group; /* and firewall_bridge_group() */
	uint32_t vxlan_group; /* on several hosts: firewall_port_group() of the VXLAN */
	uint32_t own_group; /* and firewall_bridge_group() of the host's own device there */
	bool ipv6_loopback; /* forwarded ports are reached at ::1, too */
	uid_t server; /* the user that dnsmasq and nothing else runs as, or 0 */
	bool replaces; /* an older broker's tables of this network */
	bool is_shared; /* with older brokers' tables of other networks: they see to their own */
};

/*
 * The transaction that makes what is missing of the shared tables, and the
 * network's part of them as it has to be. What other networks have there stays,
 * and so do elements of the network's that it should not have.
 *
 * n_elements: becomes the number of the network's elements.
 *
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *firewall_rules(const struct network_config *config, const struct network_addresses *addresses,
		     const struct firewall_place *place, size_t *n_elements);

/* The network that a chain of the tables is of; "" when it is of all. Within chain. */
const char *firewall_chain_network(const char *chain);

/* Nothing in this interface name has a meaning of its own in a text of rules. */
bool firewall_name_is_plain(const char *interface);

#endif
