/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports by rtnetlink. One takes more than one message: the kernel takes a port's flags only for
 * a port. They are sent together, but for the last, which is for those that were not refused.
 */
#include "port.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "host/bridge_port.h"
#include "host/fdb.h"
#include "host/netlink_socket.h"
#include "ingress.h"
#include "limiter.h"

/* no_ipv6: without addresses of its own making, which a kernel without IPv6 refuses. */
static struct nl_msg *join(const struct port_setup *setup, bool no_ipv6)
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
	    nla_put_u32(message, IFLA_MASTER, (uint32_t)setup->bridge) < 0 ||
	    (no_ipv6 && link_put_no_own_ipv6(message) < 0)) {
		nlmsg_free(message);
		return NULL;
	}
	return message;
}

/*
 * A bridge of ours knows where its machines are, whatever others send from their
 * addresses and however many these make up. On the host's own bridge it would
 * keep the true owner of an address from being found. One that may be on another
 * host is there for as long as that says so: before a machine moves it is attached
 * at both, and answers only where it was.
 */
static struct nl_msg *keep_machine(const struct port_setup *setup)
{
	return fdb_add_message(&(struct fdb_entry){
		.link = setup->index,
		.mac = setup->machine,
		.is_sticky = true,
	});
}

/*
 * Where no daemon tells other hosts where machines are, they learn it from frames: a machine
 * that could send from another's address would have them look for that one here. Kernels before
 * Linux 5.16 do not know how to refuse it.
 */
static struct port_flags flags_of(const struct port_setup *setup)
{
	return (struct port_flags){
		.isolated = setup->isolated,
		.learning = !setup->fixed,
		.locked = setup->fixed && !setup->movable,
	};
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

static void add_upkeep(struct netlink_requests *requests, const struct port_setup *setup)
{
	ingress_add_filters(requests, setup);
	if (setup->checksums && !setup->movable)
		requests->messages[requests->n++] = keep_machine(setup);
}

static int make_upkeep(const struct netlink_requests *requests, const struct port_setup *setup)
{
	int result = netlink_request_all(requests);

	if (result == 0 && setup->checksums && setup->movable)
		result = fdb_claim(setup->index, &setup->machine);
	return result;
}

/* Before the filters, which lead there. */
static int limit(struct port_setup *setup)
{
	int result = 0;

	if (setup->rate_in.bits_per_second)
		result = limiter_limit(setup->index, &setup->rate_in, setup->mtu);
	if (result == 0 && setup->rate_out.bits_per_second)
		result = limiter_make(setup->index, &setup->rate_out, setup->mtu, &setup->limiter);
	return result;
}

int port_keep_up(const struct port_setup *setup)
{
	struct netlink_requests requests = { 0 };
	struct port_setup limited = *setup;
	int result = limit(&limited);

	if (result < 0)
		return result;
	add_upkeep(&requests, &limited);
	return make_upkeep(&requests, &limited);
}

static int make_port(const struct port_setup *setup, bool no_ipv6)
{
	struct netlink_requests requests = { { join(setup, no_ipv6) }, 1, NULL };
	const struct port_flags flags = flags_of(setup);

	if (setup->isolated || setup->fixed)
		requests.messages[requests.n++] = port_flags_message(setup->index, &flags);
	add_upkeep(&requests, setup);
	return make_upkeep(&requests, setup);
}

/* Up last: no packet passes a port that is not isolated, limited and redirected yet. */
int port_join(const struct port_setup *setup)
{
	struct port_setup limited = *setup;
	int result = limit(&limited);

	if (result == 0)
		result = make_port(&limited, true);
	if (result == -EAFNOSUPPORT)
		result = make_port(&limited, false);
	return result < 0 ? result : set_up_and_name(setup);
}

bool port_is_joined(const struct link *link, const struct port_setup *setup)
{
	return link->up && link->master == setup->bridge &&
	       mac_address_equal(&link->mac, &setup->mac) &&
	       (!setup->group || link->group == setup->group) &&
	       (!setup->isolated || link->port.isolated) && (!setup->fixed || !link->port.learning);
}
