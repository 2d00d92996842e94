/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions of bare messages to nftables, which only take something away: it is known by its
 * name. Not by libnftables (nftables.h), which reads the elements of all sets there are to delete
 * one, and of others' there may be any number. On network_worker only.
 */
#ifndef VMNET_HOST_NFT_BATCH_H
#define VMNET_HOST_NFT_BATCH_H

#include <netlink/msg.h>
#include <stdbool.h>
#include <stdio.h>

/* Its fields are nft_batch.c's. */
struct nft_batch {
	FILE *file;
	char *bytes;
	size_t size;
	size_t n_messages;
	bool failed; /* memory is short */
};

/* Begins one, which nft_batch_end() ends. Returns 0, or -ENOMEM: then there is nothing to end. */
int nft_batch_begin(struct nft_batch *batch);

/*
 * Adds a message. When memory is short, the end says so.
 *
 * type: NFT_MSG_*.
 * family: NFPROTO_* of the table.
 * put: adds its attributes, those of what. Returns 0, or negative when memory is short.
 */
void nft_batch_add(struct nft_batch *batch, int type, int family,
		   int (*put)(struct nl_msg *message, const void *what), const void *what);

/*
 * Has all of it done, or nothing. result: a negative errno drops it, and is returned. Returns 0,
 * or a negative errno: the kernel's own, such as -ENOENT when something is not there.
 */
int nft_batch_end(struct nft_batch *batch, int result);

#endif
