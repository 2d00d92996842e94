/* SPDX-License-Identifier: Apache-2.0 */
/* Ports' flags, to messages and back. */
#include "bridge_port.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include "link.h"

struct nl_msg *port_flags_message(int index, const struct port_flags *flags)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_BRIDGE, .ifi_index = index });
	struct nlattr *port = message ? nla_nest_start(message, IFLA_PROTINFO) : NULL;

	if (!port || nla_put_u8(message, IFLA_BRPORT_ISOLATED, flags->isolated) < 0 ||
	    nla_put_u8(message, IFLA_BRPORT_LEARNING, flags->learning) < 0 ||
	    nla_put_u8(message, IFLA_BRPORT_LOCKED, flags->locked) < 0 ||
	    nla_put_u8(message, IFLA_BRPORT_NEIGH_SUPPRESS, flags->neigh_suppress) < 0) {
		nlmsg_free(message);
		return NULL;
	}
	nla_nest_end(message, port);
	return message;
}

static bool is_set(const struct nlattr *flag)
{
	return flag && nla_len(flag) >= 1 && nla_get_u8(flag) != 0;
}

void port_flags_parse(struct nlattr *port, struct port_flags *flags)
{
	struct nlattr *attributes[IFLA_BRPORT_MAX + 1];

	*flags = (struct port_flags){ 0 };
	if (nla_parse_nested(attributes, IFLA_BRPORT_MAX, port, NULL) < 0)
		return;
	flags->isolated = is_set(attributes[IFLA_BRPORT_ISOLATED]);
	flags->learning = is_set(attributes[IFLA_BRPORT_LEARNING]);
	flags->locked = is_set(attributes[IFLA_BRPORT_LOCKED]);
	flags->neigh_suppress = is_set(attributes[IFLA_BRPORT_NEIGH_SUPPRESS]);
}
