/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Beside other programs' packet filters (Docker, ufw, firewalld, the
 * administrator's own). On the worker's thread only.
 */
#ifndef VMNET_BROKER_NEIGHBOURS_H
#define VMNET_BROKER_NEIGHBOURS_H

#include "../config.h"

struct network_addresses;

/*
 * Has others' filters let a network's packets pass, from now on; its firewall
 * is there, and new. A filter that cannot be changed is logged, with the
 * remedy: the network does without it.
 */
void neighbours_open(const struct network_config *config,
		     const struct network_addresses *addresses);

/* Takes all of that back, also what an earlier broker did. */
void neighbours_close(const char *network);

/* Others have changed their rules, or links or routes: does what is to be done now. */
void neighbours_refresh(void);

#endif
