/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps of nftables by which packets find a chain of their own. What is in one is not looked for
 * by libnftables (nftables.h), which reads the elements of all sets there are, and of others'
 * there may be any number. On network_worker only, but before it has anything to do.
 */
#ifndef VMNET_HOST_VERDICT_MAPS_H
#define VMNET_HOST_VERDICT_MAPS_H

#include <stdbool.h>

struct nft_batch;

struct verdict_map {
	int family; /* AF_BRIDGE, or NFPROTO_INET */
	const char *table;
	const char *name;
};

/*
 * Calls each for every element of the map that leads to a chain. A map that is
 * not there has none. Returns 0, or a negative errno and has called nothing.
 */
int verdict_map_list(const struct verdict_map *map, void (*each)(const char *chain, void *userdata),
		     void *userdata);

/*
 * Adds to a transaction that the elements go which lead to chains that are meant.
 * userdata: for is_meant. Returns 0, or a negative errno when the map cannot be read.
 */
int verdict_map_remove(struct nft_batch *batch, const struct verdict_map *map,
		       bool (*is_meant)(const char *chain, const void *userdata),
		       const void *userdata);

#endif
