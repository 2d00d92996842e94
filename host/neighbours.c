/* SPDX-License-Identifier: Apache-2.0 */
#include "neighbours.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <string.h>

#include "netlink_socket.h"

#define HEARD (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct wanted {
	int link;
	bool told; /* those that a routing daemon has told of, and no others */
};

static enum neighbour_source source_of(const struct nlmsghdr *message, const struct ndmsg *header)
{
	if (message->nlmsg_type == RTM_DELNEIGH)
		return NEIGHBOUR_NOBODY;
	if (header->ndm_flags & NTF_EXT_LEARNED)
		return header->ndm_state & (HEARD | NUD_NOARP) ? NEIGHBOUR_ROUTING
							       : NEIGHBOUR_NOBODY;
	if (header->ndm_state & NUD_PERMANENT)
		return NEIGHBOUR_SETTING;
	return header->ndm_state & HEARD ? NEIGHBOUR_KERNEL : NEIGHBOUR_NOBODY;
}

int neighbour_parse(const struct nlmsghdr *message, struct neighbour *neighbour, int *link,
		    enum neighbour_source *source)
{
	const struct ndmsg *header = nlmsg_data(message);
	struct nlattr *address, *mac;

	if (nlmsg_datalen(message) < (int)sizeof(*header) ||
	    (header->ndm_family != AF_INET && header->ndm_family != AF_INET6))
		return -1;
	address = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), NDA_DST);
	if (!address || nla_len(address) != (int)address_size(header->ndm_family))
		return -1;
	memset(neighbour, 0, sizeof(*neighbour));
	neighbour->family = header->ndm_family;
	memcpy(&neighbour->address, nla_data(address), address_size(header->ndm_family));
	*link = header->ndm_ifindex;
	*source = source_of(message, header);
	if (*source == NEIGHBOUR_NOBODY)
		return 0;
	mac = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), NDA_LLADDR);
	if (!mac || nla_len(mac) != (int)sizeof(neighbour->mac))
		return -1;
	memcpy(&neighbour->mac, nla_data(mac), sizeof(neighbour->mac));
	return 0;
}

static bool parse(const struct nlmsghdr *message, void *item, const void *userdata)
{
	const struct wanted *wanted = userdata;
	enum neighbour_source source;
	int link;

	return neighbour_parse(message, item, &link, &source) == 0 && link == wanted->link &&
	       source != NEIGHBOUR_NOBODY && (source == NEIGHBOUR_ROUTING) == wanted->told;
}

static int list_some(int link, bool told, struct neighbour **list, size_t *n)
{
	const struct ndmsg header = { .ndm_family = AF_UNSPEC };
	void *items;
	int result = netlink_list(
		&(struct netlink_list){
			.type = RTM_GETNEIGH,
			.header = &header,
			.size = sizeof(header),
			.item_size = sizeof(**list),
			.parse = parse,
			.userdata = &(struct wanted){ link, told },
		},
		&items, n);

	if (result < 0)
		return result;
	*list = items;
	return 0;
}

int neighbours_list(int link, struct neighbour **list, size_t *n)
{
	return list_some(link, false, list, n);
}

int neighbours_list_told(int link, struct neighbour **list, size_t *n)
{
	return list_some(link, true, list, n);
}

static struct nl_msg *message_of(int type, int flags, int link, const struct neighbour *neighbour,
				 uint16_t state)
{
	const struct ndmsg header = {
		.ndm_family = (uint8_t)neighbour->family,
		.ndm_ifindex = link,
		.ndm_state = state,
	};
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    nla_put(message, NDA_DST, (int)address_size(neighbour->family), &neighbour->address) ==
		    0)
		return message;
	nlmsg_free(message);
	return NULL;
}

int neighbour_write(int link, const struct neighbour *neighbour, bool is_confirmed)
{
	struct nl_msg *message = message_of(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link,
					    neighbour, is_confirmed ? NUD_REACHABLE : NUD_STALE);

	if (!message || nla_put(message, NDA_LLADDR, sizeof(neighbour->mac), &neighbour->mac) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int neighbour_forget(int link, const struct neighbour *neighbour)
{
	struct nl_msg *message = message_of(RTM_DELNEIGH, 0, link, neighbour, 0);
	int result = message ? netlink_request(message) : -ENOMEM;

	return result == -ENOENT ? 0 : result;
}
