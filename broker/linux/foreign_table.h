/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of other programs' packet filters. On the worker's thread only.
 */
#ifndef VMNET_BROKER_FOREIGN_TABLE_H
#define VMNET_BROKER_FOREIGN_TABLE_H

#include <jansson.h>
#include <stdint.h>

struct base_chain;

struct foreign_table {
	uint32_t flags; /* NFT_TABLE_F_*, of the kernel's headers or newer ones */
	uint32_t owner; /* the process that alone may change it, as a rule by its id; 0: nobody */
};

/*
 * Looks at the chain's table. Returns 0, or -1 when packets do not pass it, or
 * when it cannot be named in a text of commands.
 */
int foreign_table_get(const struct base_chain *chain, struct foreign_table *table);

/*
 * All chains and rules of the chain's table, as nftables lists them. chains: the
 * list of all chains of all tables. Returns a list that is the caller's, or NULL
 * when it cannot be had.
 */
json_t *foreign_table_list(const struct base_chain *chain, const struct foreign_table *table,
			   json_t *chains);

#endif
