/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's way through other programs' packet filters (Docker, ufw, firewalld, the
 * administrator's own): rules of ours in their chains. On network_worker only.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_FOREIGN_FIREWALLS_H
#define VMNET_BROKER_LINUX_FIREWALL_FOREIGN_FIREWALLS_H

#include "base/error.h"
#include "config/config.h"

struct network_addresses;

/*
 * Has others' filters let a network's packets pass, from now on; its firewall
 * is there, and new. A filter that cannot be changed is logged, with the
 * remedy: the network does without it. Returns 0, or -1 with error
 * (ERROR_CREATE_FAILED) when they cannot be looked at; to be closed then, too.
 */
int foreign_firewalls_open(const struct network_config *config,
			   const struct network_addresses *addresses, struct error *error);

/*
 * Takes all of that back, also what an earlier broker did. Returns 0, or a negative errno with
 * error; ends the broker when memory is short for what it has begun (../shortage.h).
 */
int foreign_firewalls_close(const char *network, struct error *error);

/* Others have changed their rules, or links or routes: does what is to be done now. */
void foreign_firewalls_refresh(void);

#endif
