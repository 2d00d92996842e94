/* SPDX-License-Identifier: Apache-2.0 */
/* One dump of all links has the aliases and the counters of the same moment. */
#include "traffic.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "link.h"
#include "netlink_socket.h"

/* What the kernel calls transmitted goes to the machine. */
static void read_counters(const struct nlmsghdr *message, struct traffic *traffic)
{
	struct nlattr *attribute =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct ifinfomsg), IFLA_STATS64);
	struct rtnl_link_stats64 stats = { 0 };

	if (attribute)
		(void)nla_memcpy(&stats, attribute, sizeof(stats));
	traffic->in =
		(struct traffic_counters){ stats.tx_bytes, stats.tx_packets, stats.tx_dropped };
	traffic->out =
		(struct traffic_counters){ stats.rx_bytes, stats.rx_packets, stats.rx_dropped };
}

static bool parse(const struct nlmsghdr *message, void *item, const void *userdata)
{
	struct traffic *traffic = item;
	struct link link;

	(void)userdata;
	*traffic = (struct traffic){ 0 };
	if (link_parse(message, &link) < 0 || alias_parse(link.alias, &traffic->alias) < 0 ||
	    !traffic->alias.is_interface)
		return false;
	memcpy(traffic->device, link.name, sizeof(traffic->device));
	read_counters(message, traffic);
	return true;
}

int traffic_list(struct traffic **list, size_t *n)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	void *items;
	int result = netlink_list(
		&(struct netlink_list){
			.type = RTM_GETLINK,
			.header = &header,
			.size = sizeof(header),
			.item_size = sizeof(**list),
			.parse = parse,
		},
		&items, n);

	if (result < 0)
		return result;
	*list = items;
	return 0;
}
