/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a network in nftables: what may pass to, from and between its machines. They are
 * chains of its own and elements of maps in two tables that all networks share; nobody else's
 * rules are touched (that is foreign_firewalls.h). On network_worker only, but for the list.
 *
 * Bridged networks have no rules: they are the host's, and stay as it made them.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_FIREWALL_H
#define VMNET_BROKER_LINUX_FIREWALL_FIREWALL_H

#include "base/error.h"
#include "config/config.h"

struct network_addresses;

/* Groups that have these bits are of ports of ours, or of bridges; the others are a bridge's. */
#define FIREWALL_PORT_GROUPS 0x766d0000U
#define FIREWALL_BRIDGE_GROUPS 0x76620000U
#define FIREWALL_GROUPS_MASK 0xffff0000U

/*
 * The interface group (IFLA_GROUP) that every port of a bridge of ours is put
 * in: it tells the rules which network a frame comes from, before the frame
 * reaches the bridge. Not every kernel can be asked for a port's bridge there.
 *
 * bridge_index: the bridge's interface index. Numbers this large are nobody
 * else's: people and their tools count groups from 1.
 */
static inline uint32_t firewall_port_group(unsigned int bridge_index)
{
	return FIREWALL_PORT_GROUPS | (bridge_index & ~FIREWALL_GROUPS_MASK);
}

/*
 * The one that a bridge of ours is put in itself, before it is up: the kernel finds
 * a number faster than a name, and it is no number that a list of rules which is
 * kept for the next boot cannot have, as the index is. A port that is no port any
 * more is in another one: what comes from it passes no rules of bridges.
 *
 * Of a network on several hosts each of these has a group, and chains, of its own: its VXLAN is
 * in firewall_port_group() of its own index, and the host's own device there (vmh-NETWORK), from
 * which packets of machines come as from the bridge, in firewall_bridge_group() of that.
 */
static inline uint32_t firewall_bridge_group(unsigned int bridge_index)
{
	return FIREWALL_BRIDGE_GROUPS | (bridge_index & ~FIREWALL_GROUPS_MASK);
}

/*
 * Makes the network's rules, when its bridge is there, and of one on several hosts the devices
 * above, in one transaction, which loses no packet: also when they are there, or an older
 * broker's. Returns 0, or a negative number with error (ERROR_CREATE_FAILED, and all or nothing of
 * it is there).
 */
int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error);

/*
 * Calls each for every network that has rules, perhaps more than once, whoever
 * left them there, until it returns a negative number. Returns that, or 0, or a
 * negative errno when they cannot be listed. Before network_worker has anything
 * to do.
 */
int firewall_list(int (*each)(const char *network, void *userdata), void *userdata);

/*
 * Removes the rules of n networks, JOBS_AT_ONCE_MAX at the most, as far as they are there, and the
 * tables with those of the last one. What cannot be removed of one keeps the others' chains, too,
 * without any rules: then each is to be removed by itself. Returns 0, or with error -1 or a
 * negative errno.
 */
int firewall_remove(const char *const *networks, size_t n, struct error *error);

#endif
