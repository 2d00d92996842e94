/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>

#include "base/array.h"
#include "netlink_socket.h"

#define KNOWN (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

struct gathered {
	int link;
	struct neighbour *items;
	size_t n_items;
};

static void forget(void *userdata)
{
	((struct gathered *)userdata)->n_items = 0;
}

/* Returns whether the message is of one that counts. */
static bool parse(const struct nlmsghdr *message, int link, struct neighbour *neighbour)
{
	const struct ndmsg *header = nlmsg_data(message);
	struct nlattr *address, *mac;

	if (header->ndm_ifindex != link || !(header->ndm_state & KNOWN) ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return false;
	address = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), NDA_DST);
	mac = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), NDA_LLADDR);
	if (!address || nla_len(address) != (int)address_size(header->ndm_family) || !mac ||
	    nla_len(mac) != (int)sizeof(neighbour->mac))
		return false;
	neighbour->family = header->ndm_family;
	memcpy(&neighbour->address, nla_data(address), address_size(header->ndm_family));
	memcpy(&neighbour->mac, nla_data(mac), sizeof(neighbour->mac));
	return true;
}

static int add(const struct nlmsghdr *message, void *userdata)
{
	struct gathered *gathered = userdata;
	struct neighbour *items, neighbour;

	if (!parse(message, gathered->link, &neighbour))
		return 0;
	items = array_grow(gathered->items, gathered->n_items, sizeof(*items));
	if (!items)
		return -ENOMEM;
	gathered->items = items;
	items[gathered->n_items++] = neighbour;
	return 0;
}

int neighbours_list(int link, struct neighbour **list, size_t *n)
{
	const struct ndmsg header = { .ndm_family = AF_UNSPEC };
	struct gathered gathered = { .link = link };
	int result = netlink_dump(&(struct netlink_dump){
		.type = RTM_GETNEIGH,
		.header = &header,
		.size = sizeof(header),
		.begin = forget,
		.each = add,
		.userdata = &gathered,
	});

	if (result < 0) {
		free(gathered.items);
		return result;
	}
	*list = gathered.items;
	*n = gathered.n_items;
	return 0;
}
