/* SPDX-License-Identifier: Apache-2.0 */
/* One dump of all links has the aliases and the counters of the same moment. */
#include "traffic.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "base/array.h"
#include "link.h"
#include "netlink_socket.h"

struct traffic_array {
	struct traffic *items;
	size_t n_items;
};

static void forget(void *userdata)
{
	((struct traffic_array *)userdata)->n_items = 0;
}

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

static int add(const struct nlmsghdr *message, void *userdata)
{
	struct traffic_array *array = userdata;
	struct traffic *items;
	struct alias alias;
	struct link link;

	if (link_parse(message, &link) < 0 || alias_parse(link.alias, &alias) < 0 ||
	    !alias.is_interface)
		return 0;
	items = array_grow(array->items, array->n_items, sizeof(*items));
	if (!items)
		return -ENOMEM;
	array->items = items;
	items += array->n_items++;
	*items = (struct traffic){ .alias = alias };
	memcpy(items->device, link.name, sizeof(items->device));
	read_counters(message, items);
	return 0;
}

int traffic_list(struct traffic **list, size_t *n)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct traffic_array array = { 0 };
	int result = netlink_dump(&(struct netlink_dump){
		.type = RTM_GETLINK,
		.header = &header,
		.size = sizeof(header),
		.begin = forget,
		.each = add,
		.userdata = &array,
	});

	if (result < 0) {
		free(array.items);
		return result;
	}
	*list = array.items;
	*n = array.n_items;
	return 0;
}
