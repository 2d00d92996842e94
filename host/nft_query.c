/* SPDX-License-Identifier: Apache-2.0 */
/* Bare requests to nftables, over libnl. */
#include "nft_query.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/netlink.h>
#include <string.h>

#include "netlink_socket.h"

/* Who changes rules all the time does not keep anybody waiting for ever. */
#define TRIES_MAX 100

static int on_valid(struct nl_msg *message, void *userdata)
{
	const struct nft_query *query = userdata;

	query->each(nlmsg_hdr(message), query->userdata);
	return NL_OK;
}

static void close_socket(struct nl_sock **socket)
{
	nl_socket_free(*socket);
	*socket = NULL;
}

static struct nl_msg *request(const struct nft_query *query)
{
	struct nfgenmsg header = { .nfgen_family = (uint8_t)query->family,
				   .version = NFNETLINK_V0 };
	struct nl_msg *message = nlmsg_alloc_simple((NFNL_SUBSYS_NFTABLES << 8) | query->type,
						    query->all ? NLM_F_DUMP : 0);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    (!query->put || query->put(message, query->userdata) == 0))
		return message;
	nlmsg_free(message);
	return NULL;
}

static int error_of(int result)
{
	switch (-result) {
	case NLE_OBJ_NOTFOUND:
		return 0;
	case NLE_DUMP_INTR:
		return -EAGAIN;
	case NLE_NOMEM:
		return -ENOMEM;
	default:
		return result < 0 ? -EIO : 0;
	}
}

/* Returns 0 or a code of libnl's. */
static int ask(const struct nft_query *query)
{
	struct nl_sock *socket = *query->socket;
	struct nl_msg *message = request(query);
	int result;

	if (!message)
		return -NLE_NOMEM;
	nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_valid, (void *)query);
	result = nl_send_auto(socket, message);
	if (result >= 0)
		result = nl_recvmsgs_default(socket);
	/* What is left of an answer must not be mistaken for the next one. */
	if (result < 0 && result != -NLE_OBJ_NOTFOUND)
		close_socket(query->socket);
	nlmsg_free(message);
	return result;
}

static int ask_once(const struct nft_query *query)
{
	int result = 0;

	if (!*query->socket) {
		result = netlink_connect(query->socket, NETLINK_NETFILTER);
		if (result == 0)
			nl_socket_disable_auto_ack(*query->socket);
	}
	if (query->begin)
		query->begin(query->userdata);
	return error_of(result < 0 ? result : ask(query));
}

int nft_query(const struct nft_query *query)
{
	int result = -EAGAIN;

	for (int i = 0; i < TRIES_MAX && result == -EAGAIN; i++)
		result = ask_once(query);
	return result;
}

const char *nft_text(const struct nlmsghdr *message, int attribute)
{
	const struct nlattr *found =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct nfgenmsg), attribute);
	const char *text = found ? nla_data(found) : NULL;

	return text && memchr(text, '\0', (size_t)nla_len(found)) ? text : "";
}
