/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare requests to nftables, for one object or for all. Not by libnftables (nftables.h), which
 * reads whole rule sets and waits for transactions: these the kernel answers within the system
 * call that sends them. On any thread; nothing is changed.
 */
#ifndef VMNET_HOST_NFT_QUERY_H
#define VMNET_HOST_NFT_QUERY_H

#include <netlink/msg.h>

struct nl_sock;

/*
 * socket: one for each thread, NULL at first, and kept: to close it waits for
 *	transactions, too.
 * type, family: NFT_MSG_GET* and AF_* of the object.
 * put: adds the attributes that name it. Returns 0, or negative when memory is
 *	short. NULL: all of this type are asked for.
 * each: gets the object, if there is one; each of all.
 * userdata: for both.
 */
struct nft_query {
	struct nl_sock **socket;
	int type;
	int family;
	int (*put)(struct nl_msg *message, void *userdata);
	void (*each)(const struct nlmsghdr *message, void *userdata);
	void *userdata;
};

void nft_query(const struct nft_query *query);

#endif
