/* SPDX-License-Identifier: Apache-2.0 */
/* Asks nftables for one counter by a bare request (host/nft_query.h), which blocks nobody. */
#include "rogue_counter.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <netlink/attr.h>
#include <stdio.h>

#include "host/nft_query.h"
#include "rules.h"

struct question {
	const char *network;
	int64_t packets;
};

int rogue_counter_put(struct nl_msg *message, const void *network)
{
	char name[sizeof(FIREWALL_ROGUE_COUNTER) + NETWORK_NAME_MAX];

	(void)snprintf(name, sizeof(name), FIREWALL_ROGUE_COUNTER "%s", (const char *)network);
	if (nla_put_string(message, NFTA_OBJ_TABLE, FIREWALL_TABLE) < 0 ||
	    nla_put_string(message, NFTA_OBJ_NAME, name) < 0)
		return -1;
	return nla_put_u32(message, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER));
}

static int put_counter(struct nl_msg *message, void *userdata)
{
	const struct question *question = userdata;

	return rogue_counter_put(message, question->network);
}

static void on_counter(const struct nlmsghdr *message, void *userdata)
{
	struct nlattr *counter[NFTA_COUNTER_MAX + 1];
	struct nlattr *data =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct nfgenmsg), NFTA_OBJ_DATA);
	struct question *question = userdata;

	if (data && nla_parse_nested(counter, NFTA_COUNTER_MAX, data, NULL) == 0 &&
	    counter[NFTA_COUNTER_PACKETS] &&
	    nla_len(counter[NFTA_COUNTER_PACKETS]) == (int)sizeof(uint64_t))
		question->packets = (int64_t)be64toh(nla_get_u64(counter[NFTA_COUNTER_PACKETS]));
}

int64_t rogue_packets(const char *network)
{
	static struct nl_sock *socket;
	struct question question = { network, -1 };

	(void)nft_query(&(struct nft_query){
		.socket = &socket,
		.type = NFT_MSG_GETOBJ,
		.family = AF_BRIDGE,
		.put = put_counter,
		.each = on_counter,
		.userdata = &question,
	});
	return question.packets;
}
