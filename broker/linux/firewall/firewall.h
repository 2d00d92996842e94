/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of a network in nftables: what may pass to, from and between its machines. One table
 * per network and family, made and removed in one transaction; nobody else's rules are touched
 * (that is foreign_firewalls.h). On network_worker only, but for the list.
 *
 * Bridged networks have no rules: they are the host's, and stay as it made them.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_FIREWALL_H
#define VMNET_BROKER_LINUX_FIREWALL_FIREWALL_H

#include "base/error.h"
#include "config/config.h"

struct network_addresses;

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
	return 0x766d0000U | (bridge_index & 0xffff);
}

/*
 * Makes the network's tables, when its bridge is there; what an earlier broker
 * left under their names is replaced in the same transaction. Returns 0, or -1
 * with error (ERROR_CREATE_FAILED, and all or nothing of it is there).
 */
int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error);

/*
 * Calls each for every table of a network that there is, whoever left it there,
 * perhaps more than once, until it returns a negative number. Returns that, or 0,
 * or a negative errno when they cannot be listed. On any thread.
 */
int firewall_list(int (*each)(const char *network, void *userdata), void *userdata);

/* Removes the network's tables, if they are there. Returns 0, or -1 with error. */
int firewall_remove(const char *network, struct error *error);

#endif
