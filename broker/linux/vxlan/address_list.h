/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of addresses and whose they are, which are made once and then compared: what there is, and
 * what is to be. No system calls.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_ADDRESS_LIST_H
#define VMNET_BROKER_LINUX_VXLAN_ADDRESS_LIST_H

#include "host/neighbours.h"

/* All zero: none. */
struct address_list {
	struct neighbour *items;
	size_t n;
};

/* Copies neighbour. Returns 0, or -ENOMEM and the list is as it was. */
int address_list_add(struct address_list *list, const struct neighbour *neighbour);

/* To be called before anything is looked for. An address is one machine's: others' of it go. */
void address_list_sort(struct address_list *list);

/* Of whom family and address are given. Returns it, the list's, or NULL: it has none such. */
const struct neighbour *address_list_find(const struct address_list *list,
					  const struct neighbour *neighbour);

void address_list_clear(struct address_list *list);

#endif
