/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks nftables for one counter. Not by libnftables, which reads whole rule
 * sets, and waits for transactions: a bare request for one object is answered
 * by the kernel within the system call that sends it, so that the policy's
 * thread can make it.
 */
#include "rogue.h"

#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdio.h>

#include "firewall_rules.h"

/* Kept: to close it waits for transactions, too. */
static struct nl_sock *open_socket;

static int on_object(struct nl_msg *message, void *userdata)
{
	struct nlattr *counter[NFTA_COUNTER_MAX + 1];
	struct nlattr *data =
		nlmsg_find_attr(nlmsg_hdr(message), sizeof(struct nfgenmsg), NFTA_OBJ_DATA);
	int64_t *packets = userdata;

	if (data && nla_parse_nested(counter, NFTA_COUNTER_MAX, data, NULL) == 0 &&
	    counter[NFTA_COUNTER_PACKETS] &&
	    nla_len(counter[NFTA_COUNTER_PACKETS]) == (int)sizeof(uint64_t))
		*packets = (int64_t)be64toh(nla_get_u64(counter[NFTA_COUNTER_PACKETS]));
	return NL_OK;
}

static void close_socket(void)
{
	nl_socket_free(open_socket);
	open_socket = NULL;
}

static struct nl_sock *get_socket(void)
{
	if (open_socket)
		return open_socket;
	open_socket = nl_socket_alloc();
	if (!open_socket)
		return NULL;
	nl_socket_disable_auto_ack(open_socket);
	if (nl_connect(open_socket, NETLINK_NETFILTER) < 0)
		close_socket();
	return open_socket;
}

static struct nl_msg *request(const char *network)
{
	struct nfgenmsg header = { .nfgen_family = AF_BRIDGE, .version = NFNETLINK_V0 };
	char table[sizeof(FIREWALL_TABLE_PREFIX) + NETWORK_NAME_MAX];
	struct nl_msg *message =
		nlmsg_alloc_simple((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETOBJ, 0);

	(void)snprintf(table, sizeof(table), FIREWALL_TABLE_PREFIX "%s", network);
	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    nla_put_string(message, NFTA_OBJ_TABLE, table) == 0 &&
	    nla_put_string(message, NFTA_OBJ_NAME, FIREWALL_ROGUE_COUNTER) == 0 &&
	    nla_put_u32(message, NFTA_OBJ_TYPE, htobe32(NFT_OBJECT_COUNTER)) == 0)
		return message;
	nlmsg_free(message);
	return NULL;
}

int64_t rogue_packets(const char *network)
{
	struct nl_sock *socket = get_socket();
	struct nl_msg *message = socket ? request(network) : NULL;
	int64_t packets = -1;
	int result;

	if (!message)
		return -1;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_object, &packets);
	result = nl_send_auto(socket, message);
	if (result >= 0)
		result = nl_recvmsgs_default(socket);
	/* What is left of an answer must not be mistaken for the next one. */
	if (result < 0 && result != -NLE_OBJ_NOTFOUND)
		close_socket();
	nlmsg_free(message);
	return packets;
}
