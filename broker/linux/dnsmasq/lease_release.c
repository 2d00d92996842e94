/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the leases, and sends a DHCPRELEASE for each. Until addresses are short nothing is
 * given up, so that a machine which comes back finds its old address: dnsmasq gives a released
 * one to the next.
 */
#include "lease_release.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/interface.h"
#include "dhcp_message.h"
#include "host/netlink_socket.h"

static bool is_reserved(const struct network_config *config, const struct dhcp_lease *lease)
{
	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];

		if (reservation->address.s_addr == lease->address.s_addr ||
		    mac_address_equal(&reservation->mac, &lease->mac))
			return true;
	}
	return false;
}

static int compare_ends(const void *left, const void *right)
{
	const struct dhcp_lease *a = left;
	const struct dhcp_lease *b = right;

	return (a->expires > b->expires) - (a->expires < b->expires);
}

struct lease_release *lease_release_plan(const struct network *network, struct dhcp_lease *leases,
					 size_t n_leases)
{
	const struct network_config *config = network->config;
	/* A machine that has moved here may have its address of another host. */
	const struct ipv4_subnet *pool = network_pool(config, &network->addresses);
	/* All but the network's own, the host's and the broadcast address. */
	size_t size = leases_max(pool) - 3;
	size_t used = config->n_dhcp_reservations;
	struct lease_release *release;

	for (size_t i = 0; i < n_leases; i++)
		used += ipv4_subnet_contains(pool, leases[i].address) &&
			!is_reserved(config, &leases[i]);
	if (used + size / 4 < size)
		return NULL;
	release = calloc(1, sizeof(*release) + n_leases * sizeof(*leases));
	if (!release)
		return NULL;
	strcpy(release->bridge, network->addresses.bridge);
	release->server = network->addresses.ipv4_gateway;
	release->wanted = used + size / 4 - size + 1;
	qsort(leases, n_leases, sizeof(*leases), compare_ends);
	for (size_t i = 0; i < n_leases; i++)
		if (ipv4_subnet_contains(pool, leases[i].address) &&
		    !is_reserved(config, &leases[i]) &&
		    !interfaces_have_mac(network, &leases[i].mac))
			release->leases[release->n_leases++] = leases[i];
	if (release->n_leases)
		return release;
	free(release);
	return NULL;
}

/* What the bridge has heard of. */
struct heard {
	const struct lease_release *release;
	uint32_t bridge;
	bool *is_there; /* for each lease */
};

static void forget_heard(void *userdata)
{
	struct heard *heard = userdata;

	memset(heard->is_there, 0, heard->release->n_leases * sizeof(*heard->is_there));
}

static int hear(const struct nlmsghdr *message, void *userdata)
{
	const struct ndmsg *header = nlmsg_data(message);
	struct nlattr *attributes[NDA_MAX + 1];
	struct heard *heard = userdata;
	struct mac_address mac;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NDA_MAX, NULL) < 0)
		return -EINVAL;
	if (header->ndm_state & NUD_PERMANENT || !attributes[NDA_MASTER] ||
	    nla_get_u32(attributes[NDA_MASTER]) != heard->bridge || !attributes[NDA_LLADDR] ||
	    nla_len(attributes[NDA_LLADDR]) != sizeof(mac))
		return 0;
	memcpy(&mac, nla_data(attributes[NDA_LLADDR]), sizeof(mac));
	for (size_t i = 0; i < heard->release->n_leases; i++)
		heard->is_there[i] |= mac_address_equal(&heard->release->leases[i].mac, &mac);
	return 0;
}

/* Says for each lease whether its machine has been heard of on the bridge. */
static int listen_around(const struct lease_release *release, bool *is_there)
{
	const struct ndmsg header = { .ndm_family = AF_BRIDGE };
	struct heard heard = {
		.release = release,
		.bridge = if_nametoindex(release->bridge),
		.is_there = is_there,
	};

	if (!heard.bridge)
		return -errno;
	return netlink_dump(&(struct netlink_dump){
		.type = RTM_GETNEIGH,
		.header = &header,
		.size = sizeof(header),
		.begin = forget_heard,
		.each = hear,
		.userdata = &heard,
	});
}

static int send_releases(const struct lease_release *release, const bool *is_there)
{
	int fd = dhcp_message_socket(release->bridge);
	int result = 0;
	int n = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < release->n_leases && (size_t)n < release->wanted; i++) {
		if (is_there[i])
			continue;
		result = dhcp_message_release(fd, release->server, &release->leases[i]);
		if (result < 0)
			break;
		n++;
	}
	(void)close(fd);
	return result < 0 ? result : n;
}

int lease_release_send(const struct lease_release *release)
{
	bool *is_there = calloc(release->n_leases, sizeof(*is_there));
	int result;

	if (!is_there)
		return -ENOMEM;
	result = listen_around(release, is_there);
	if (result == 0)
		result = send_releases(release, is_there);
	free(is_there);
	return result;
}
