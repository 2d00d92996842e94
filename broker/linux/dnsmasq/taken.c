/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the kernel's list of neighbours. A machine's first address becomes an ordinary lease of
 * its MAC address, which a machine that asks by DHCP after all gets; what it has beside a lease
 * becomes one of a kind of its own (dhcp_message.c), of which a machine has a few.
 */
#include "taken.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "broker/interface.h"
#include "dhcp_message.h"
#include "host/netlink_socket.h"

/* A machine can say that it has any address, and is not to have them all. */
#define TAKEN_MAX 8

struct listening {
	struct neighbours *lists;
	size_t n_lists;
};

static void forget(void *userdata)
{
	struct listening *listening = userdata;

	for (size_t i = 0; i < listening->n_lists; i++)
		listening->lists[i].n = 0;
}

static struct neighbours *list_of(const struct listening *listening, int bridge)
{
	for (size_t i = 0; i < listening->n_lists; i++)
		if (listening->lists[i].bridge == bridge)
			return &listening->lists[i];
	return NULL;
}

static int hear(const struct nlmsghdr *message, void *userdata)
{
	const struct ndmsg *header = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct neighbours *to = list_of(userdata, header->ndm_ifindex);

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NDA_MAX, NULL) < 0)
		return -EINVAL;
	if (!to || to->n == NEIGHBOURS_MAX ||
	    !(header->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) ||
	    !attributes[NDA_DST] || nla_len(attributes[NDA_DST]) != sizeof(to->items->address) ||
	    !attributes[NDA_LLADDR] || nla_len(attributes[NDA_LLADDR]) != sizeof(to->items->mac))
		return 0;
	memcpy(&to->items[to->n].address, nla_data(attributes[NDA_DST]),
	       sizeof(to->items->address));
	memcpy(&to->items[to->n++].mac, nla_data(attributes[NDA_LLADDR]), sizeof(to->items->mac));
	return 0;
}

int taken_listen(struct neighbours *lists, size_t n_lists)
{
	const struct ndmsg header = { .ndm_family = AF_INET };
	struct listening listening = { lists, n_lists };

	return netlink_dump(&(struct netlink_dump){
		.type = RTM_GETNEIGH,
		.header = &header,
		.size = sizeof(header),
		.begin = forget,
		.each = hear,
		.userdata = &listening,
	});
}

/* Of one that is about to be, neighbours may be known that it had in a former life. */
static bool is_attached(const struct network *network, const struct mac_address *mac)
{
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (i->state == INTERFACE_ATTACHED && mac_address_equal(mac, &i->mac))
			return true;
	return false;
}

/* What is known of a machine by its leases. */
struct known {
	bool has_lease; /* by DHCP, or as if it were */
	unsigned int n_taken; /* addresses beside it */
	unsigned int n_all_taken; /* of all machines */
};

/* Adds what they say of a machine. Returns whether one of them is of the address. */
static bool look_up(const struct dhcp_lease *leases, size_t n_leases,
		    const struct dhcp_lease *wanted, struct known *known)
{
	bool found = false;

	for (size_t i = 0; i < n_leases; i++) {
		found |= leases[i].address.s_addr == wanted->address.s_addr;
		known->n_all_taken += leases[i].is_taken;
		if (!mac_address_equal(&leases[i].mac, &wanted->mac))
			continue;
		known->has_lease |= !leases[i].is_taken;
		known->n_taken += leases[i].is_taken;
	}
	return found;
}

/* There are as many addresses without the network's own, the host's and the broadcast address. */
static bool may_take_more(const struct network *network, const struct known *known)
{
	const struct ipv4_subnet *pool = network_pool(network->config, &network->addresses);

	return known->n_taken < TAKEN_MAX && known->n_all_taken < (leases_max(pool) - 3) / 2;
}

size_t taken_choose(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
		    const struct neighbours *neighbours, struct dhcp_lease chosen[TAKEN_AT_ONCE])
{
	size_t n = 0;

	for (size_t i = 0; i < neighbours->n && n < TAKEN_AT_ONCE; i++) {
		struct dhcp_lease wanted = {
			.mac = neighbours->items[i].mac,
			.address = neighbours->items[i].address,
		};
		struct known known = { 0 };

		if (!ipv4_subnet_contains(&network->addresses.ipv4_subnet, wanted.address) ||
		    (!is_attached(network, &wanted.mac) &&
		     !lease_has_gone_on(network, &wanted.mac, wanted.address)) ||
		    look_up(leases, n_leases, &wanted, &known))
			continue;
		(void)look_up(chosen, n, &wanted, &known);
		wanted.is_taken = known.has_lease;
		if (!wanted.is_taken || may_take_more(network, &known))
			chosen[n++] = wanted;
	}
	return n;
}

int taken_claim(const struct network *network, const struct dhcp_lease *chosen, size_t n)
{
	int result = 0;
	int fd = n > 0 ? dhcp_message_socket(network->addresses.bridge) : 0;

	if (n == 0 || fd < 0)
		return fd;
	for (size_t i = 0; i < n && result == 0; i++)
		result = dhcp_message_request(fd, network->addresses.ipv4_gateway, &chosen[i]);
	(void)close(fd);
	return result;
}
