/* SPDX-License-Identifier: Apache-2.0 */
/* The host's addresses and routes, read from rtnetlink in all its tables. */
#include "ranges.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "netlink_socket.h"

#define SHORTEST_IPV4_ROUTE 8
#define SHORTEST_IPV6_ROUTE 64

struct gathering {
	struct ranges *ranges;
	size_t n_before; /* of this dump */
};

static void forget(void *userdata)
{
	struct gathering *gathering = userdata;

	gathering->ranges->n_items = gathering->n_before;
}

/* Who has it: words, and the index of the link whose name follows them, or 0. */
struct owner {
	const char *words;
	unsigned int link;
};

/* address: of family, as long as the family has it; host bits may be set. */
static int add(struct ranges *ranges, int family, const struct nlattr *address, unsigned int length,
	       struct owner owner, bool is_route)
{
	struct range range = { .is_route = is_route, .link = owner.link };

	if (family == AF_INET && nla_len(address) == sizeof(struct in_addr) && length <= 32) {
		range.ipv4.length = length;
		memcpy(&range.ipv4.address, nla_data(address), sizeof(struct in_addr));
		range.ipv4.address.s_addr &= ipv4_subnet_mask(&range.ipv4).s_addr;
	} else if (family == AF_INET6 && nla_len(address) == sizeof(struct in6_addr) &&
		   length <= 128) {
		/* Host bits do no harm: overlaps are found by the shorter prefix. */
		range.ipv6.length = length;
		memcpy(&range.ipv6.address, nla_data(address), sizeof(struct in6_addr));
	} else {
		return 0;
	}
	(void)snprintf(range.owner, sizeof(range.owner), "%s", owner.words);
	return ranges_add(ranges, &range);
}

/* One address that somebody has, however many are behind the same link. */
static int add_host(struct ranges *ranges, int family, const struct nlattr *address,
		    struct owner owner)
{
	return add(ranges, family, address, family == AF_INET ? 32 : 128, owner, false);
}

static int add_way(struct ranges *ranges, int family, const struct nlattr *address,
		   unsigned int length, struct owner owner)
{
	if (length < (family == AF_INET ? SHORTEST_IPV4_ROUTE : SHORTEST_IPV6_ROUTE))
		return 0;
	return add(ranges, family, address, length, owner, true);
}

static int add_address(const struct nlmsghdr *message, void *userdata)
{
	struct gathering *gathering = userdata;
	struct nlattr *attributes[IFA_MAX + 1];
	const struct ifaddrmsg *header;
	struct owner owner = { "", 0 };
	int result;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFA_MAX, NULL) <
		    0 ||
	    !attributes[IFA_ADDRESS])
		return 0;
	header = nlmsg_data(message);
	owner.link = header->ifa_index;
	result = add_host(gathering->ranges, header->ifa_family, attributes[IFA_ADDRESS], owner);
	if (result < 0)
		return result;
	return add_way(gathering->ranges, header->ifa_family, attributes[IFA_ADDRESS],
		       header->ifa_prefixlen, owner);
}

static int add_route(const struct nlmsghdr *message, void *userdata)
{
	struct gathering *gathering = userdata;
	struct nlattr *attributes[RTA_MAX + 1];
	const struct rtmsg *header;
	struct owner owner = { "a route of the host", 0 };
	int result = 0;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, RTA_MAX, NULL) < 0)
		return 0;
	header = nlmsg_data(message);
	if (attributes[RTA_OIF] && nla_len(attributes[RTA_OIF]) == sizeof(uint32_t))
		owner = (struct owner){ "a route over ", nla_get_u32(attributes[RTA_OIF]) };
	if (attributes[RTA_GATEWAY])
		result = add_host(gathering->ranges, header->rtm_family, attributes[RTA_GATEWAY],
				  owner);
	if (result < 0 || !attributes[RTA_DST])
		return result;
	return add_way(gathering->ranges, header->rtm_family, attributes[RTA_DST],
		       header->rtm_dst_len, owner);
}

static int gather(struct ranges *ranges, struct netlink_dump dump)
{
	struct gathering gathering = { .ranges = ranges, .n_before = ranges->n_items };

	dump.begin = forget;
	dump.userdata = &gathering;
	return netlink_dump(&dump);
}

/* Addresses first: who has one is a better answer than a route to it. */
int ranges_of_host(struct ranges *ranges)
{
	const struct ifaddrmsg all_addresses = { .ifa_family = AF_UNSPEC };
	const struct rtmsg all_routes = { .rtm_family = AF_UNSPEC };
	int result = gather(ranges, (struct netlink_dump){
					    .type = RTM_GETADDR,
					    .header = &all_addresses,
					    .size = sizeof(all_addresses),
					    .each = add_address,
				    });

	if (result < 0)
		return result;
	return gather(ranges, (struct netlink_dump){
				      .type = RTM_GETROUTE,
				      .header = &all_routes,
				      .size = sizeof(all_routes),
				      .each = add_route,
			      });
}

const char *range_owner(const struct range *range, char text[RANGE_OWNER_SIZE])
{
	char name[IF_NAMESIZE];

	if (!range->link)
		return range->owner;
	if (!if_indextoname(range->link, name))
		(void)snprintf(name, sizeof(name), "link %u", range->link);
	(void)snprintf(text, RANGE_OWNER_SIZE, "%.*s%s", RANGE_OWNER_SIZE - IF_NAMESIZE,
		       range->owner, name);
	return text;
}
