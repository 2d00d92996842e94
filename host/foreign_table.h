/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of other programs' packet filters: found and listed, not changed. What their rules
 * amount to is told by ruleset.h; what is put into them is decided in
 * broker/linux/firewall/foreign_firewalls.c. In the broker on network_worker only.
 */
#ifndef VMNET_HOST_FOREIGN_TABLE_H
#define VMNET_HOST_FOREIGN_TABLE_H

#include <jansson.h>
#include <stdint.h>

struct base_chain;

struct foreign_table {
	uint32_t flags; /* NFT_TABLE_F_*, of the kernel's headers or newer ones */
	uint32_t owner; /* the process that alone may change it, as a rule by its id; 0: nobody */
};

/*
 * Looks at the chain's table. Returns 0, -ENOENT when packets do not pass it, or
 * when it cannot be named in a text of commands; or another negative errno.
 */
int foreign_table_get(const struct base_chain *chain, struct foreign_table *table);

#define FOREIGN_FAMILIES 3

/* What has been listed. Given back by foreign_tables_close(). */
struct foreign_tables {
	json_t *chains; /* all chains of their tables, as nftables lists them */
	json_t *listed[FOREIGN_FAMILIES]; /* NULL: not listed yet */
};

/* Lists the chains. Returns 0 or a negative errno. */
int foreign_tables_open(struct foreign_tables *tables);

/* Rules have been changed: they are listed anew. */
void foreign_tables_forget(struct foreign_tables *tables);

void foreign_tables_close(struct foreign_tables *tables);

/*
 * All chains and rules of the chain's table, and perhaps of others. Returns a
 * list that is the caller's, or NULL with errno, as nftables_list() does.
 */
json_t *foreign_table_list(struct foreign_tables *tables, const struct base_chain *chain,
			   const struct foreign_table *table);

#endif
