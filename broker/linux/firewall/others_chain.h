/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain "others-NETWORK", where what leaves a network is judged last. Where another program's
 * filter is opened for machines, they are still strangers to its networks, such as those of
 * Docker's containers: they begin nothing by a bridge that does not lead to the outside, but for
 * ports published there. On network_worker only.
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
 * network: whose chain it is; its rules are there.
 * external: the interface that alone leads outside; "": whatever routes say.
 *
 * Returns 0, or -1 after logging why not.
 */
int others_chain_keep(struct others_chain *chain, const char *network, const char *external);

/* Takes its rules from it, if it has any; why they cannot be is logged. */
void others_chain_empty(struct others_chain *chain, const char *network);

/* It has gone with the network's rules, or was made anew without any. */
void others_chain_forget(struct others_chain *chain);

#endif
