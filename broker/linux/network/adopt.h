/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an earlier broker left, at the start: taken over where it is used, removed where not.
 * Clients' connections are restored elsewhere (broker/linux/varlink/restore.h).
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_ADOPT_H
#define VMNET_BROKER_LINUX_NETWORK_ADOPT_H

#include "broker/broker.h"

/* What clients that an earlier broker left hold on to: who knows them says it. */
struct left_clients {
	/*
	 * Calls each() with the name of every network that one of them holds.
	 * Returns 0, or the first negative value of each().
	 */
	int (*list_networks)(int (*each)(const char *network, void *userdata), void *userdata);
	/* Whether one of them holds a network, or has a named interface there. */
	bool (*hold)(const char *network);
	bool (*have_named)(const char *network, const struct mac_address *mac);
};

/*
 * At the start, before the first client. What is to be removed or put right is
 * submitted to the worker, which must not have been given anything before.
 * Returns 0, or a negative errno after logging why.
 */
int adopt(struct broker *broker, const struct left_clients *clients);

#endif
