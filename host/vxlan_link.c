/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about VXLANs and veth pairs, written and read. */
#include "vxlan_link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "netlink_socket.h"

/*
 * Source ports that no user's socket can have: so the other hosts know their packets from
 * what somebody here writes himself. What is of one connection has the same.
 */
#define SOURCE_PORT_MIN 768
#define SOURCE_PORT_END 1024

/* Learned from frames: a machine elsewhere can make up as many MAC addresses as it likes. */
#define LEARNED_MAX 65536

static int put_setup(struct nl_msg *message, const struct vxlan_setup *setup)
{
	const int type = setup->family == AF_INET ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6;

	if (nla_put(message, type, (int)address_size(setup->family), &setup->local) < 0 ||
	    nla_put_u8(message, IFLA_VXLAN_LEARNING, setup->learns) < 0)
		return -ENOMEM;
	return 0;
}

/* The kernel takes none of these for one that is there, also when it has them. */
static int put_new(struct nl_msg *message, const struct vxlan_setup *setup)
{
	const struct ifla_vxlan_port_range range = { htons(SOURCE_PORT_MIN),
						     htons(SOURCE_PORT_END) };

	if (nla_put_u32(message, IFLA_VXLAN_ID, setup->vni) < 0 ||
	    nla_put_u16(message, IFLA_VXLAN_PORT, htons(setup->port)) < 0 ||
	    nla_put(message, IFLA_VXLAN_PORT_RANGE, sizeof(range), &range) < 0 ||
	    (setup->learns && nla_put_u32(message, IFLA_VXLAN_LIMIT, LEARNED_MAX) < 0))
		return -ENOMEM;
	return 0;
}

/* name: of a new one, or NULL. */
static struct nl_msg *vxlan_message(int index, const char *name, const struct vxlan_setup *setup)
{
	struct nl_msg *message =
		link_message(RTM_NEWLINK, name ? NLM_F_CREATE | NLM_F_EXCL : 0,
			     &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index });
	struct nlattr *info;
	struct nlattr *data;

	if (!message || (name && nla_put_string(message, IFLA_IFNAME, name) < 0))
		goto failed;
	info = nla_nest_start(message, IFLA_LINKINFO);
	if (!info || nla_put_string(message, IFLA_INFO_KIND, "vxlan") < 0)
		goto failed;
	data = nla_nest_start(message, IFLA_INFO_DATA);
	if (!data || put_setup(message, setup) < 0 || (name && put_new(message, setup) < 0))
		goto failed;
	nla_nest_end(message, data);
	nla_nest_end(message, info);
	return message;
failed:
	nlmsg_free(message);
	return NULL;
}

int vxlan_link_create(const char *name, const struct vxlan_setup *setup, int *index)
{
	int result = netlink_request(vxlan_message(0, name, setup));

	if (result < 0)
		return result;
	*index = link_index(name);
	result = *index ? link_make_silent(*index) : -ENODEV;
	if (result < 0 && *index)
		(void)link_delete(*index);
	return result;
}

int vxlan_link_change(int index, const struct vxlan_setup *setup)
{
	return netlink_request(vxlan_message(index, NULL, setup));
}

static void parse_data(struct nlattr *data, struct vxlan_setup *setup)
{
	struct nlattr *attributes[IFLA_VXLAN_MAX + 1];
	const struct nlattr *local;

	if (nla_parse_nested(attributes, IFLA_VXLAN_MAX, data, NULL) < 0)
		return;
	if (attributes[IFLA_VXLAN_ID] && nla_len(attributes[IFLA_VXLAN_ID]) >= 4)
		setup->vni = nla_get_u32(attributes[IFLA_VXLAN_ID]);
	if (attributes[IFLA_VXLAN_PORT] && nla_len(attributes[IFLA_VXLAN_PORT]) >= 2)
		setup->port = ntohs(nla_get_u16(attributes[IFLA_VXLAN_PORT]));
	if (attributes[IFLA_VXLAN_LEARNING] && nla_len(attributes[IFLA_VXLAN_LEARNING]) >= 1)
		setup->learns = nla_get_u8(attributes[IFLA_VXLAN_LEARNING]) != 0;
	setup->family = attributes[IFLA_VXLAN_LOCAL6] ? AF_INET6 : AF_INET;
	local = attributes[setup->family == AF_INET ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6];
	if (local && nla_len(local) >= (int)address_size(setup->family))
		memcpy(&setup->local, nla_data(local), address_size(setup->family));
}

int vxlan_link_parse(const struct nlmsghdr *message, struct link *link, struct vxlan_setup *setup)
{
	struct nlattr *info;
	struct nlattr *data;
	int result = link_parse(message, link);

	memset(setup, 0, sizeof(*setup));
	if (result < 0 || strcmp(link->kind, "vxlan") != 0)
		return result;
	info = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	data = info ? nla_find(nla_data(info), nla_len(info), IFLA_INFO_DATA) : NULL;
	if (data)
		parse_data(data, setup);
	return 0;
}

struct answer {
	struct link *link;
	struct vxlan_setup *setup;
};

static int on_answer(const struct nlmsghdr *message, void *userdata)
{
	const struct answer *answer = userdata;

	return vxlan_link_parse(message, answer->link, answer->setup);
}

int vxlan_link_get(const char *name, struct link *link, struct vxlan_setup *setup)
{
	return link_query(name, on_answer, &(struct answer){ link, setup });
}

/* Both ends by one message: the other one's part begins with a header of its own. */
static int put_pair(struct nl_msg *message, const char *peer)
{
	const struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
	struct nlattr *info = nla_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;
	struct nlattr *other;

	if (!info || nla_put_string(message, IFLA_INFO_KIND, "veth") < 0)
		return -ENOMEM;
	data = nla_nest_start(message, IFLA_INFO_DATA);
	other = data ? nla_nest_start(message, VETH_INFO_PEER) : NULL;
	if (!other || nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(message, IFLA_IFNAME, peer) < 0)
		return -ENOMEM;
	nla_nest_end(message, other);
	nla_nest_end(message, data);
	nla_nest_end(message, info);
	return 0;
}

static int make_silent(const char *name)
{
	const int index = link_index(name);

	return index ? link_make_silent(index) : -ENODEV;
}

int veth_create(const char *name, const struct mac_address *mac, const char *peer)
{
	struct nl_msg *message = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
					      &(struct ifinfomsg){ .ifi_family = AF_UNSPEC });
	int result;

	if (!message || nla_put_string(message, IFLA_IFNAME, name) < 0 ||
	    nla_put(message, IFLA_ADDRESS, sizeof(*mac), mac) < 0 || put_pair(message, peer) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	result = netlink_request(message);
	if (result < 0)
		return result;
	result = make_silent(name);
	if (result == 0)
		result = make_silent(peer);
	if (result < 0 && link_index(name))
		(void)link_delete(link_index(name));
	return result;
}
