/* SPDX-License-Identifier: Apache-2.0 */
#include "others_chain.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memstream.h"
#include "host/netlink_socket.h"
#include "host/nftables.h"
#include "rules.h"

/* The network's name follows. */
#define OTHERS "inet " FIREWALL_TABLE " " FIREWALL_OTHERS_CHAIN "%s"

struct uplinks {
	FILE *file;
	const char *network;
};

static void write_uplink(const struct uplinks *uplinks, unsigned int index)
{
	char name[IF_NAMESIZE];

	if (if_indextoname(index, name) && firewall_name_is_plain(name))
		(void)fprintf(uplinks->file, "add rule " OTHERS " oifname \"%s\" accept\n",
			      uplinks->network, name);
}

/* What a default route leads over is the outside, a bridge or not. */
static int on_route(const struct nlmsghdr *message, void *userdata)
{
	struct nlattr *attributes[RTA_MAX + 1];
	const struct rtnexthop *hop;
	int rest;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(struct rtmsg), attributes, RTA_MAX,
			NULL) < 0 ||
	    ((const struct rtmsg *)nlmsg_data(message))->rtm_dst_len)
		return 0;
	if (attributes[RTA_OIF])
		write_uplink(userdata, nla_get_u32(attributes[RTA_OIF]));
	if (!attributes[RTA_MULTIPATH])
		return 0;
	hop = nla_data(attributes[RTA_MULTIPATH]);
	rest = nla_len(attributes[RTA_MULTIPATH]);
	for (; RTNH_OK(hop, rest); rest -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		write_uplink(userdata, (unsigned int)hop->rtnh_ifindex);
	return 0;
}

static int write_uplinks(FILE *file, const char *network, const char *external)
{
	const struct rtmsg all_routes = { .rtm_family = AF_UNSPEC };
	struct uplinks uplinks = { file, network };

	if (*external) {
		(void)fprintf(file, "add rule " OTHERS " oifname \"%s\" accept\n", network,
			      external);
		return 0;
	}
	return netlink_dump(&(struct netlink_dump){
		.type = RTM_GETROUTE,
		.header = &all_routes,
		.size = sizeof(all_routes),
		.each = on_route,
		.userdata = &uplinks,
	});
}

static int write_chain(FILE *file, const char *name, const char *external)
{
	int result;

	(void)fprintf(file,
		      "add chain " OTHERS "\n"
		      "flush chain " OTHERS "\n"
		      "add rule " OTHERS " ct status dnat accept\n",
		      name, name, name);
	result = write_uplinks(file, name, external);
	(void)fprintf(file, "add rule " OTHERS " meta oifkind \"bridge\" drop\n", name);
	return result;
}

/* What makes the chain as it has to be now; NULL after logging why not. */
static char *describe(const char *network, const char *external)
{
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int result;

	if (!file)
		return NULL;
	result = write_chain(file, network, external);
	text = memstream_close(file, &text);
	if (result == 0)
		return text;
	free(text);
	log_warning(network, "the host's routes cannot be read: %s", strerror(-result));
	return NULL;
}

int others_chain_keep(struct others_chain *chain, const char *network, const char *external)
{
	struct error error;
	char *wanted;

	if (chain->is_right)
		return 0;
	wanted = describe(network, external);
	if (!wanted)
		return -1;
	chain->is_right = chain->text && strcmp(wanted, chain->text) == 0;
	if (chain->is_right) {
		free(wanted);
		return 0;
	}
	if (nftables_run(strdup(wanted), &error) < 0) {
		log_warning(network, "%s", error.reason);
		free(wanted);
		return -1;
	}
	free(chain->text);
	chain->text = wanted;
	chain->is_right = true;
	return 0;
}

void others_chain_empty(struct others_chain *chain, const char *network)
{
	struct error error;
	char *text;

	if (!chain->text)
		return;
	if (asprintf(&text, "flush chain " OTHERS "\n", network) < 0)
		text = NULL;
	if (nftables_run(text, &error) < 0)
		log_warning(network, "%s", error.reason);
	others_chain_forget(chain);
}

void others_chain_forget(struct others_chain *chain)
{
	free(chain->text);
	*chain = (struct others_chain){ 0 };
}
