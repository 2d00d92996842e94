/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages about links, written and read. A bridge takes more than one: the kernel takes an
 * alias, and the manner of making IPv6 addresses, only for a link that exists.
 */
#include "link.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "netlink_socket.h"
#include "sysctl.h"

/* IFLA_BR_FDB_MAX_LEARNED, for headers older than Linux 6.7; older kernels pass over it. */
#define BRIDGE_MAX_LEARNED 49
/* A machine can make up as many MAC addresses as it likes, and each takes the host's memory. */
#define LEARNED_MAX 65536

/*
 * The interface group of links that are deleted at once, with the index of one of them: no index
 * has that bit, and no other group of ours.
 */
#define LEAVING_GROUPS 0x80000000U

#define LOOPBACK_METRIC 4096 /* what the host sends to itself stays with its own route, of 0 */

static unsigned int number_in(struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= (int)sizeof(uint32_t) ? nla_get_u32(attribute)
									: 0;
}

static void parse_tun(struct nlattr *data, struct link *link)
{
	struct nlattr *attributes[IFLA_TUN_MAX + 1];

	if (!data || nla_parse_nested(attributes, IFLA_TUN_MAX, data, NULL) < 0)
		return;
	link->owner = number_in(attributes[IFLA_TUN_OWNER]);
	link->queues = number_in(attributes[IFLA_TUN_NUM_QUEUES]) +
		       number_in(attributes[IFLA_TUN_NUM_DISABLED_QUEUES]);
	if (attributes[IFLA_TUN_MULTI_QUEUE] && nla_len(attributes[IFLA_TUN_MULTI_QUEUE]) >= 1)
		link->multi_queue = nla_get_u8(attributes[IFLA_TUN_MULTI_QUEUE]) != 0;
	if (attributes[IFLA_TUN_PERSIST] && nla_len(attributes[IFLA_TUN_PERSIST]) >= 1)
		link->persistent = nla_get_u8(attributes[IFLA_TUN_PERSIST]) != 0;
}

bool link_parse_port(const struct nlmsghdr *message, struct port_flags *flags)
{
	struct nlattr *port = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct ifinfomsg),
					      IFLA_PROTINFO);

	if (port)
		port_flags_parse(port, flags);
	return port != NULL;
}

static void parse_info(struct nlattr *info, struct link *link)
{
	struct nlattr *attributes[IFLA_INFO_MAX + 1];

	if (nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	if (attributes[IFLA_INFO_SLAVE_DATA])
		port_flags_parse(attributes[IFLA_INFO_SLAVE_DATA], &link->port);
	if (!attributes[IFLA_INFO_KIND])
		return;
	nla_strlcpy(link->kind, attributes[IFLA_INFO_KIND], sizeof(link->kind));
	if (strcmp(link->kind, "tun") == 0)
		parse_tun(attributes[IFLA_INFO_DATA], link);
}

int link_parse(const struct nlmsghdr *message, struct link *link)
{
	static const struct nla_policy policy[IFLA_MAX + 1] = {
		[IFLA_IFNAME] = { .type = NLA_STRING, .minlen = 1 },
		[IFLA_IFALIAS] = { .type = NLA_STRING },
		[IFLA_MTU] = { .type = NLA_U32 },
		[IFLA_LINK] = { .type = NLA_U32 },
		[IFLA_MASTER] = { .type = NLA_U32 },
		[IFLA_GROUP] = { .type = NLA_U32 },
		[IFLA_CARRIER] = { .type = NLA_U8 },
		[IFLA_LINKINFO] = { .type = NLA_NESTED },
	};
	struct nlattr *attributes[IFLA_MAX + 1];
	const struct ifinfomsg *header;

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return -EPROTO;
	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, IFLA_MAX, policy) <
		    0 ||
	    !attributes[IFLA_IFNAME])
		return -EPROTO;
	header = nlmsg_data(message);
	*link = (struct link){
		.index = header->ifi_index,
		.up = (header->ifi_flags & IFF_UP) != 0,
		.frames = number_in(attributes[IFLA_TXQLEN]),
	};
	nla_strlcpy(link->name, attributes[IFLA_IFNAME], sizeof(link->name));
	if (attributes[IFLA_IFALIAS])
		nla_strlcpy(link->alias, attributes[IFLA_IFALIAS], sizeof(link->alias));
	if (attributes[IFLA_MTU])
		link->mtu = nla_get_u32(attributes[IFLA_MTU]);
	if (attributes[IFLA_MASTER])
		link->master = (int)nla_get_u32(attributes[IFLA_MASTER]);
	if (attributes[IFLA_GROUP])
		link->group = nla_get_u32(attributes[IFLA_GROUP]);
	if (attributes[IFLA_LINK])
		link->lower = (int)nla_get_u32(attributes[IFLA_LINK]);
	if (attributes[IFLA_CARRIER])
		link->carrier = nla_get_u8(attributes[IFLA_CARRIER]) != 0;
	if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == sizeof(link->mac))
		memcpy(&link->mac, nla_data(attributes[IFLA_ADDRESS]), sizeof(link->mac));
	if (attributes[IFLA_LINKINFO])
		parse_info(attributes[IFLA_LINKINFO], link);
	return 0;
}

struct nl_msg *link_message(int type, int flags, const struct ifinfomsg *header)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static int get_one(const struct nlmsghdr *message, void *userdata)
{
	return link_parse(message, userdata);
}

int link_query(const char *name, int (*each)(const struct nlmsghdr *, void *), void *userdata)
{
	struct nl_msg *message =
		link_message(RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC });

	if (!message || nla_put_string(message, IFLA_IFNAME, name) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_query(message, each, userdata);
}

int link_get(const char *name, struct link *link)
{
	int result;

	link->index = 0;
	result = link_query(name, get_one, link);
	return result == 0 && link->index == 0 ? -EPROTO : result;
}

int link_index(const char *name)
{
	struct ifreq request = { 0 };

	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(netlink_fd(), SIOCGIFINDEX, &request) < 0 ? 0 : request.ifr_ifindex;
}

bool link_name(int index, char name[INTERFACE_NAME_SIZE])
{
	struct ifreq request = { .ifr_ifindex = index };

	if (ioctl(netlink_fd(), SIOCGIFNAME, &request) < 0)
		return false;
	memcpy(name, request.ifr_name, INTERFACE_NAME_SIZE);
	return true;
}

static bool parse_any(const struct nlmsghdr *message, void *link, const void *userdata)
{
	(void)userdata;
	return link_parse(message, link) == 0;
}

static int list(const void *header, size_t size, struct link **links, size_t *n_links)
{
	void *items;
	int result = netlink_list(
		&(struct netlink_list){
			.type = RTM_GETLINK,
			.header = header,
			.size = size,
			.item_size = sizeof(**links),
			.parse = parse_any,
		},
		&items, n_links);

	if (result < 0)
		return result;
	*links = items;
	return 0;
}

int link_list(struct link **links, size_t *n_links)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };

	return list(&header, sizeof(header), links, n_links);
}

int link_list_taps(struct link **links, size_t *n_links)
{
	static const struct {
		struct ifinfomsg header;
		struct nlattr info;
		struct nlattr kind;
		char name[sizeof("tun")];
	} request = {
		.header = { .ifi_family = AF_UNSPEC },
		.info = { sizeof(request) - sizeof(request.header), IFLA_LINKINFO },
		.kind = { sizeof(request.kind) + sizeof(request.name), IFLA_INFO_KIND },
		.name = "tun",
	};

	return list(&request, sizeof(request), links, n_links);
}

bool link_may_exist(bool (*is_wanted)(const struct link *link, const void *userdata),
		    const void *userdata)
{
	struct link *links;
	size_t n_links;
	bool found = false;

	if (link_list(&links, &n_links) < 0)
		return true;
	for (size_t i = 0; i < n_links && !found; i++)
		found = is_wanted(&links[i], userdata);
	free(links);
	return found;
}

int link_put_no_own_ipv6(struct nl_msg *message)
{
	struct nlattr *families = nla_nest_start(message, IFLA_AF_SPEC);
	struct nlattr *ipv6 = families ? nla_nest_start(message, AF_INET6) : NULL;

	if (!ipv6 || nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE) < 0)
		return -ENOMEM;
	nla_nest_end(message, ipv6);
	nla_nest_end(message, families);
	return 0;
}

/*
 * Spanning tree and its delay would eat the first packets of every machine. A
 * bridge that listens to who wants which multicast passes on all of it until
 * somebody asks them, which a machine can do so that the bridge alone hears it:
 * then no IPv6 neighbour is found any more.
 */
static int put_bridge_kind(struct nl_msg *message)
{
	struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;

	if (!info || nla_put_string(message, IFLA_INFO_KIND, "bridge") < 0)
		return -ENOMEM;
	data = nla_nest_start(message, IFLA_INFO_DATA);
	if (!data || nla_put_u32(message, IFLA_BR_STP_STATE, 0) < 0 ||
	    nla_put_u32(message, IFLA_BR_FORWARD_DELAY, 0) < 0 ||
	    nla_put_u8(message, IFLA_BR_MCAST_SNOOPING, 0) < 0 ||
	    nla_put_u32(message, BRIDGE_MAX_LEARNED, LEARNED_MAX) < 0)
		return -ENOMEM;
	nla_nest_end(message, data);
	nla_nest_end(message, info);
	return 0;
}

static int request_bridge(const struct bridge_setup *setup)
{
	struct nl_msg *message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
					      &(struct ifinfomsg){ .ifi_family = AF_UNSPEC });

	if (!message || nla_put_string(message, IFLA_IFNAME, setup->name) < 0 ||
	    nla_put(message, IFLA_ADDRESS, sizeof(setup->mac), &setup->mac) < 0 ||
	    put_bridge_kind(message) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

/*
 * The MTU is set here again even of a bridge that was made with it: only one
 * that was set stays when ports come and go.
 */
static int configure_bridge(int index, const struct bridge_setup *setup, bool ipv6)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });

	if (!message || nla_put_string(message, IFLA_IFALIAS, setup->alias) < 0 ||
	    nla_put_u32(message, IFLA_MTU, setup->mtu) < 0 ||
	    (ipv6 && link_put_no_own_ipv6(message) < 0)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int link_create_bridge(const struct bridge_setup *setup, int *index)
{
	int result = request_bridge(setup);
	int made;

	if (result < 0)
		return result;
	made = link_index(setup->name);
	if (!made)
		return -ENODEV;
	result = configure_bridge(made, setup, true);
	if (result == -EAFNOSUPPORT)
		result = configure_bridge(made, setup, false);
	if (result < 0) {
		(void)link_delete(made);
		return result;
	}
	*index = made;
	return 0;
}

static struct nl_msg *up_message(int index, bool up)
{
	return link_message(RTM_SETLINK, 0,
			    &(struct ifinfomsg){
				    .ifi_family = AF_UNSPEC,
				    .ifi_index = index,
				    .ifi_flags = up ? IFF_UP : 0,
				    .ifi_change = IFF_UP,
			    });
}

int link_set_down(int index)
{
	return netlink_request(up_message(index, false));
}

int link_set_place(int index, const struct link_place *place)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });

	if (!message ||
	    (mac_address_is_unicast(&place->mac) &&
	     nla_put(message, IFLA_ADDRESS, sizeof(place->mac), &place->mac) < 0) ||
	    nla_put_u32(message, IFLA_MTU, place->mtu) < 0 ||
	    nla_put_u32(message, IFLA_GROUP, place->group) < 0 ||
	    nla_put_u32(message, IFLA_MASTER, (uint32_t)place->master) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int link_set_up(int index, uint32_t group)
{
	struct nl_msg *message = up_message(index, true);

	if (!message || (group && nla_put_u32(message, IFLA_GROUP, group) < 0)) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int link_rename(int index, const char *name)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });

	if (!message || nla_put_string(message, IFLA_IFNAME, name) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int link_make_silent(int index)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });
	int result;

	if (!message || link_put_no_own_ipv6(message) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	result = netlink_request(message);
	return result == -EAFNOSUPPORT ? 0 : result;
}

int link_delete(int index)
{
	return netlink_request(
		link_message(RTM_DELLINK, 0,
			     &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index }));
}

static int request_of_group(int type, int index, uint32_t group)
{
	struct nl_msg *message = link_message(
		type, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });

	if (!message || nla_put_u32(message, IFLA_GROUP, group) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

int link_set_group(int index, uint32_t group)
{
	return request_of_group(RTM_SETLINK, index, group);
}

int link_join_leaving(int index, int first)
{
	return request_of_group(RTM_SETLINK, index, LEAVING_GROUPS | (uint32_t)first);
}

int link_delete_group(int first)
{
	return request_of_group(RTM_DELLINK, 0, LEAVING_GROUPS | (uint32_t)first);
}

static struct nl_msg *address_message(const struct ifaddrmsg *header, const void *address, int size,
				      uint32_t flags)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);

	if (!message || nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, IFA_LOCAL, size, address) < 0 ||
	    nla_put(message, IFA_ADDRESS, size, address) < 0 ||
	    nla_put_u32(message, IFA_FLAGS, flags) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

int link_add_ipv4(int index, struct in_addr address, unsigned int length, uint32_t flags)
{
	struct in_addr broadcast = { address.s_addr | htonl(UINT32_MAX >> length) };
	struct nl_msg *message = address_message(
		&(struct ifaddrmsg){
			.ifa_family = AF_INET,
			.ifa_prefixlen = (uint8_t)length,
			.ifa_index = (unsigned int)index,
		},
		&address, sizeof(address), flags);

	if (!message || nla_put(message, IFA_BROADCAST, sizeof(broadcast), &broadcast) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

/*
 * Without duplicate address detection: a bridge has no carrier before its
 * first port, and until then the address could not be used. Nobody else can
 * have it: the firewall keeps machines from claiming it.
 */
int link_add_ipv6(int index, const struct in6_addr *address, unsigned int length, uint32_t flags)
{
	return netlink_request(address_message(
		&(struct ifaddrmsg){
			.ifa_family = AF_INET6,
			.ifa_prefixlen = (uint8_t)length,
			.ifa_scope =
				IN6_IS_ADDR_LINKLOCAL(address) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
			.ifa_index = (unsigned int)index,
		},
		address, sizeof(*address), IFA_F_NODAD | flags));
}

/* command: RTM_NEWROUTE or RTM_DELROUTE. */
static int request_ipv6_loopback(int index, int command, int flags)
{
	const struct rtmsg header = {
		.rtm_family = AF_INET6,
		.rtm_dst_len = 8 * sizeof(in6addr_loopback),
		.rtm_table = RT_TABLE_LOCAL,
		.rtm_protocol = RTPROT_STATIC,
		.rtm_type = RTN_LOCAL,
	};
	struct nl_msg *message = nlmsg_alloc_simple(command, flags);

	if (!message || nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, RTA_DST, sizeof(in6addr_loopback), &in6addr_loopback) < 0 ||
	    nla_put_u32(message, RTA_OIF, (uint32_t)index) < 0 ||
	    nla_put_u32(message, RTA_PRIORITY, LOOPBACK_METRIC) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

/*
 * The kernel looks for ::1 among the routes of the link that the packet came
 * by. It has taken none for ::1 from the wire before; this is about what the
 * firewall makes of the answers to the host itself. One that is there already
 * is no error.
 */
int link_route_ipv6_loopback(int index)
{
	int result = request_ipv6_loopback(index, RTM_NEWROUTE, NLM_F_CREATE);

	return result == -EEXIST ? 0 : result;
}

int link_unroute_ipv6_loopback(int index)
{
	int result = request_ipv6_loopback(index, RTM_DELROUTE, 0);

	return result == -ESRCH ? 0 : result;
}

int link_refuse_router_advertisements(const char *name, struct error *error)
{
	return link_ipv6_is_available() ? sysctl_set(AF_INET6, name, "accept_ra", 0, error) : 0;
}

void link_hear_announcements(const char *name)
{
	struct error ignored = { 0 };

	(void)sysctl_set(AF_INET, name, "arp_accept", 2, &ignored);
}

int link_route_loopback(const char *name, struct error *error)
{
	return sysctl_set(AF_INET, name, "route_localnet", 1, error);
}

void link_unroute_loopback(const char *name)
{
	struct error ignored;

	(void)sysctl_set(AF_INET, name, "route_localnet", 0, &ignored);
}

bool link_ipv6_is_available(void)
{
	int disabled;

	return sysctl_read(AF_INET6, "default", "disable_ipv6", &disabled) == 0 && !disabled;
}
