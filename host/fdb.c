/* SPDX-License-Identifier: Apache-2.0 */
/* Entries, to messages and back. */
#include "fdb.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "netlink_socket.h"

static struct nl_msg *message_of(int type, int flags, uint16_t state, const struct fdb_entry *entry)
{
	const bool is_bridges = entry->family == AF_UNSPEC;
	const struct ndmsg header = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = entry->link,
		.ndm_state = state,
		.ndm_flags = (uint8_t)((is_bridges ? NTF_MASTER : NTF_SELF) |
				       (entry->is_sticky ? NTF_STICKY : 0)),
	};
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (!message || nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, NDA_LLADDR, sizeof(entry->mac), &entry->mac) < 0 ||
	    (!is_bridges &&
	     nla_put(message, NDA_DST, (int)address_size(entry->family), &entry->host) < 0) ||
	    (entry->vni && nla_put_u32(message, NDA_VNI, entry->vni) < 0)) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

static struct nl_msg *entry_message(int type, int flags, const struct fdb_entry *entry)
{
	const bool is_bridges = entry->family == AF_UNSPEC;

	return message_of(type, flags, NUD_NOARP | (is_bridges ? 0 : NUD_PERMANENT), entry);
}

/* A VXLAN may have several of the same MAC address, one for each host. */
struct nl_msg *fdb_add_message(const struct fdb_entry *entry)
{
	const int how = entry->family == AF_UNSPEC ? NLM_F_REPLACE : NLM_F_APPEND;

	return entry_message(RTM_NEWNEIGH, NLM_F_CREATE | how, entry);
}

struct nl_msg *fdb_remove_message(const struct fdb_entry *entry)
{
	return entry_message(RTM_DELNEIGH, 0, entry);
}

int fdb_claim(int link, const struct mac_address *mac)
{
	const struct fdb_entry entry = { .link = link, .mac = *mac };
	int result =
		netlink_request(entry_message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &entry));

	return result == -EEXIST ? 0 : result;
}

static int take_link(const struct nlmsghdr *message, void *userdata)
{
	struct fdb_entry entry;
	int result = fdb_parse(message, &entry);

	if (result == 0)
		*(int *)userdata = entry.link;
	return result;
}

/* The kernel tells of no entry that is as it was, and has none in this state. */
int fdb_tell_again(int link, const struct mac_address *mac)
{
	const struct fdb_entry entry = { .link = link, .mac = *mac };
	int place = 0;
	int result = netlink_query(message_of(RTM_GETNEIGH, 0, 0, &entry), take_link, &place);

	if (result == 0 && place == link)
		result = netlink_request(
			message_of(RTM_NEWNEIGH, NLM_F_REPLACE, NUD_NOARP | NUD_REACHABLE, &entry));
	return result == -ENOENT ? 0 : result;
}

bool fdb_is_flood(const struct fdb_entry *entry)
{
	static const struct mac_address all = { 0 };

	return entry->family != AF_UNSPEC && mac_address_equal(&entry->mac, &all);
}

int fdb_parse(const struct nlmsghdr *message, struct fdb_entry *entry)
{
	struct nlattr *attributes[NDA_MAX + 1];
	struct ndmsg header;

	if ((message->nlmsg_type != RTM_NEWNEIGH && message->nlmsg_type != RTM_DELNEIGH) ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(header), attributes, NDA_MAX, NULL) < 0)
		return -EPROTO;
	memcpy(&header, nlmsg_data(message), sizeof(header));
	if (header.ndm_family != AF_BRIDGE || !attributes[NDA_LLADDR] ||
	    nla_len(attributes[NDA_LLADDR]) != sizeof(entry->mac))
		return -EPROTO;
	*entry = (struct fdb_entry){
		.link = header.ndm_ifindex,
		.is_sticky = (header.ndm_flags & NTF_STICKY) != 0,
	};
	memcpy(&entry->mac, nla_data(attributes[NDA_LLADDR]), sizeof(entry->mac));
	if ((header.ndm_flags & NTF_SELF) == 0 || !attributes[NDA_DST])
		return 0;
	entry->family = nla_len(attributes[NDA_DST]) == sizeof(struct in_addr) ? AF_INET : AF_INET6;
	if (nla_len(attributes[NDA_DST]) != (int)address_size(entry->family))
		return -EPROTO;
	memcpy(&entry->host, nla_data(attributes[NDA_DST]), address_size(entry->family));
	if (attributes[NDA_VNI] && nla_len(attributes[NDA_VNI]) == sizeof(entry->vni))
		entry->vni = nla_get_u32(attributes[NDA_VNI]);
	return 0;
}

/* A bridge's own lead to no host. */
static bool parse_of_link(const struct nlmsghdr *message, void *item, const void *link)
{
	const struct fdb_entry *entry = item;

	return fdb_parse(message, item) == 0 && entry->link == *(const int *)link &&
	       entry->family != AF_UNSPEC;
}

int fdb_list(int link, struct fdb_entry **list, size_t *n)
{
	/* By this the kernel looks through no other device, though there is a shorter header. */
	const struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = link };
	void *items;
	int result = netlink_list(
		&(struct netlink_list){
			.type = RTM_GETNEIGH,
			.header = &header,
			.size = sizeof(header),
			.item_size = sizeof(**list),
			.parse = parse_of_link,
			.userdata = &link,
		},
		&items, n);

	if (result < 0)
		return result;
	*list = items;
	return 0;
}
