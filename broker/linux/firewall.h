/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nftables: what may pass to, from and between a network's machines. One
 * table per network and family, made and removed in one transaction; nobody
 * else's rules are touched. On the worker's thread only.
 */
#ifndef VMNET_BROKER_FIREWALL_H
#define VMNET_BROKER_FIREWALL_H

#include "../config.h"
#include "../error.h"

struct network_addresses;

/*
 * Makes the network's tables; what an earlier broker left under their names is
 * replaced in the same transaction. Returns 0, or -1 with error
 * (ERROR_CREATE_FAILED, and nothing changed).
 */
int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error);

/* Removes the network's tables, if they are there. Returns 0, or -1 with error. */
int firewall_remove(const char *network, struct error *error);

#endif
