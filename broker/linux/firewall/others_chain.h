/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain "others" of a network's own table. Where another program's filter is opened for
 * machines, they are still strangers to its networks, such as those of Docker's containers: they
 * begin nothing by a bridge that does not lead to the outside, but for ports published there.
 * On network_worker only.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_OTHERS_CHAIN_H
#define VMNET_BROKER_LINUX_FIREWALL_OTHERS_CHAIN_H

#include <stdbool.h>

struct others_chain {
	char *text; /* how it was made; NULL: it was not */
	bool is_right; /* found so by the look that is under way, whose to clear this is */
};

/*
 * Has the chain as the host's default routes want it now, unless the look that is
 * under way has.
 *
 * network: whose table it is in, which is there. bridge: the network's.
 * external: the interface that alone leads outside; "": whatever routes say.
 *
 * Returns 0, or -1 after logging why not.
 */
int others_chain_keep(struct others_chain *chain, const char *network, const char *bridge,
		      const char *external);

/* Removes it, if it was made; why it cannot be is logged. */
void others_chain_remove(struct others_chain *chain, const char *network);

/* The table has gone, or was made anew, and the chain with it. */
void others_chain_forget(struct others_chain *chain);

#endif
