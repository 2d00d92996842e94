/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports by rtnetlink. One takes more than one message: the kernel takes the manner of making IPv6
 * addresses only for a link that exists, and a port's isolation only for a port.
 */
#include "port.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "host/netlink_socket.h"
#include "ingress.h"

static int join(const struct port_setup *setup)
{
	struct nl_msg *message = link_message(RTM_SETLINK, 0,
					      &(struct ifinfomsg){
						      .ifi_family = AF_UNSPEC,
						      .ifi_index = setup->index,
					      });

	if (!message || nla_put(message, IFLA_ADDRESS, sizeof(setup->mac), &setup->mac) < 0 ||
	    nla_put_u32(message, IFLA_MTU, setup->mtu) < 0 ||
	    (setup->frames && nla_put_u32(message, IFLA_TXQLEN, setup->frames) < 0) ||
	    nla_put_u32(message, IFLA_GROUP, setup->group) < 0 ||
	    nla_put_u32(message, IFLA_MASTER, (uint32_t)setup->bridge) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

/*
 * A bridge of ours knows where its machines are, whatever others send from their
 * addresses and however many these make up. On the host's own bridge it would
 * keep the true owner of an address from being found.
 */
int port_keep_machine(const struct port_setup *setup)
{
	const struct ndmsg header = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = setup->index,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER | NTF_STICKY,
	};
	struct nl_msg *message;

	if (!setup->checksums)
		return 0;
	message = nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	if (!message || nlmsg_append(message, (void *)&header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
	    nla_put(message, NDA_LLADDR, sizeof(setup->machine), &setup->machine) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

static int isolate(int index)
{
	struct nl_msg *message = link_message(
		RTM_SETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_BRIDGE, .ifi_index = index });
	struct nlattr *port = message ? nla_nest_start(message, IFLA_PROTINFO) : NULL;

	if (!port || nla_put_u8(message, IFLA_BRPORT_ISOLATED, 1) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	nla_nest_end(message, port);
	return netlink_request(message);
}

/*
 * Known by its alias from then on to who repairs the bridge meanwhile, and takes
 * a port that is not up for one that was cut off.
 */
static int set_up_and_name(const struct port_setup *setup)
{
	struct nl_msg *message = link_message(RTM_SETLINK, 0,
					      &(struct ifinfomsg){
						      .ifi_family = AF_UNSPEC,
						      .ifi_index = setup->index,
						      .ifi_flags = IFF_UP,
						      .ifi_change = IFF_UP,
					      });

	if (!message || nla_put_string(message, IFLA_IFALIAS, setup->alias) < 0) {
		nlmsg_free(message);
		return -ENOMEM;
	}
	return netlink_request(message);
}

/* Up last: no packet passes a port that is not isolated and redirected yet. */
int port_join(const struct port_setup *setup)
{
	int result = link_make_silent(setup->index);

	if (result == 0)
		result = join(setup);
	if (result == 0 && setup->isolated)
		result = isolate(setup->index);
	if (result == 0)
		result = ingress_set_filters(setup);
	if (result == 0)
		result = port_keep_machine(setup);
	if (result == 0)
		result = set_up_and_name(setup);
	return result;
}

bool port_is_joined(const struct link *link, const struct port_setup *setup)
{
	return link->up && link->master == setup->bridge &&
	       mac_address_equal(&link->mac, &setup->mac) &&
	       (!setup->group || link->group == setup->group) &&
	       (!setup->isolated || link->isolated);
}
