/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an older broker has in the tables that all networks share: maps by the names of bridges,
 * which are by their groups now. For firewall.c alone.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_OLDER_MAPS_H
#define VMNET_BROKER_LINUX_FIREWALL_OLDER_MAPS_H

#include <stdbool.h>

struct nft_batch;

/*
 * Has a network's transaction take over those of all networks, as it rewrites the
 * chains that look into them: their bridges are put into their groups, and no
 * packet of theirs is lost.
 *
 * text: the transaction; taken over. NULL when there was no memory for it.
 *
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *older_maps_take_over(char *text);

/*
 * Adds to a transaction that the elements go which lead to chains that are meant.
 * userdata: for is_meant. Returns 0, or a negative errno when a map cannot be read.
 */
int older_maps_remove(struct nft_batch *batch,
		      bool (*is_meant)(const char *chain, const void *userdata),
		      const void *userdata);

#endif
