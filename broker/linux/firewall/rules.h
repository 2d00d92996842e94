/* SPDX-License-Identifier: Apache-2.0 */
/* The text that nftables is given for a network: made from checked, plain data alone. */
#ifndef VMNET_BROKER_LINUX_FIREWALL_RULES_H
#define VMNET_BROKER_LINUX_FIREWALL_RULES_H

#include "broker/broker.h"
#include "host/names.h"

/* The counter of what machines tried that they may not. */
#define FIREWALL_ROGUE_COUNTER "rogue"

/*
 * The transaction that makes the network's tables and replaces older ones.
 *
 * port_group: firewall_port_group() of the network's bridge.
 * ipv6_loopback: forwarded ports are reached at ::1, too.
 * server: the user that dnsmasq and nothing else runs as, or 0.
 *
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *firewall_rules(const struct network_config *config, const struct network_addresses *addresses,
		     uint32_t port_group, bool ipv6_loopback, uid_t server);

/* The transaction that removes a network's tables, whether they are there or not. */
char *firewall_rules_removal(const char *network);

/* Nothing in this interface name has a meaning of its own in a text of rules. */
bool firewall_name_is_plain(const char *interface);

#endif
