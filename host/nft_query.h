/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare requests to nftables, for one object or for all. Not by libnftables (nftables.h), which
 * reads whole rule sets and waits for transactions: these the kernel answers within the system
 * call that sends them. On any thread; nothing is changed.
 */
#ifndef VMNET_HOST_NFT_QUERY_H
#define VMNET_HOST_NFT_QUERY_H

#include <netlink/msg.h>
#include <stdbool.h>

struct nl_sock;

/*
 * socket: one for each thread, NULL at first, and kept: to close it waits for
 *	transactions, too.
 * type, family: NFT_MSG_GET* and AF_* of the object.
 * all: all of this type are asked for, or all that put() names.
 * begin: before all are told, and again when rules were changed meanwhile, and all
 *	are told anew: what was gathered can be forgotten. NULL: nothing has to be.
 * put: adds the attributes that name it. Returns 0, or negative when memory is
 *	short. NULL: there are none.
 * each: gets the object, if there is one; each of all.
 * userdata: for all three.
 */
struct nft_query {
	struct nl_sock **socket;
	int type;
	int family;
	bool all;
	void (*begin)(void *userdata);
	int (*put)(struct nl_msg *message, void *userdata);
	void (*each)(const struct nlmsghdr *message, void *userdata);
	void *userdata;
};

/*
 * Returns 0, also when there is no such object, or a negative errno: -EAGAIN when
 * rules were changed each time while all were told.
 */
int nft_query(const struct nft_query *query);

/* The text of an attribute of one of nftables' messages, within it; "" when it has none. */
const char *nft_text(const struct nlmsghdr *message, int attribute);

#endif
