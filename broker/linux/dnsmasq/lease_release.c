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
#include <sys/socket.h>
#include <unistd.h>

#include "broker/interface.h"
#include "host/netlink_socket.h"

/* RFC 2131 and 2132 */
#define DHCP_SERVER_PORT 67
#define BOOTREQUEST 1
#define HARDWARE_ETHERNET 1
#define OPTION_MESSAGE_TYPE 53
#define OPTION_SERVER 54
#define OPTION_END 255
#define DHCPRELEASE 7

struct dhcp_message {
	uint8_t op;
	uint8_t hardware_type;
	uint8_t hardware_length;
	uint8_t hops;
	uint32_t transaction;
	uint16_t seconds;
	uint16_t flags;
	struct in_addr client;
	struct in_addr your;
	struct in_addr server;
	struct in_addr relay;
	uint8_t hardware_address[16];
	uint8_t server_name[64];
	uint8_t file[128];
	uint8_t cookie[4];
	uint8_t options[3 + 6 + 1];
};

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

static bool is_attached(const struct network *network, const struct dhcp_lease *lease)
{
	for (const struct interface *interface = network->interfaces; interface;
	     interface = interface->next)
		if (interface->state != INTERFACE_DETACHING &&
		    mac_address_equal(&interface->mac, &lease->mac))
			return true;
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
	/* All but the network's own, the host's and the broadcast address. */
	size_t size = leases_max(&network->addresses.ipv4_subnet) - 3;
	size_t used = n_leases + config->n_dhcp_reservations;
	struct lease_release *release;

	for (size_t i = 0; i < n_leases; i++)
		used -= is_reserved(config, &leases[i]);
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
		if (!is_reserved(config, &leases[i]) && !is_attached(network, &leases[i]))
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

static int send_release(int fd, const struct lease_release *release, const struct dhcp_lease *lease)
{
	const struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(DHCP_SERVER_PORT),
		.sin_addr = release->server,
	};
	struct dhcp_message message = {
		.op = BOOTREQUEST,
		.hardware_type = HARDWARE_ETHERNET,
		.hardware_length = sizeof(lease->mac),
		.client = lease->address,
		.cookie = { 0x63, 0x82, 0x53, 0x63 },
	};
	uint8_t *option = message.options;

	memcpy(message.hardware_address, &lease->mac, sizeof(lease->mac));
	*option++ = OPTION_MESSAGE_TYPE;
	*option++ = 1;
	*option++ = DHCPRELEASE;
	*option++ = OPTION_SERVER;
	*option++ = sizeof(release->server);
	memcpy(option, &release->server, sizeof(release->server));
	option += sizeof(release->server);
	*option = OPTION_END;
	if (sendto(fd, &message, sizeof(message), 0, (const struct sockaddr *)&server,
		   sizeof(server)) < 0)
		return -errno;
	return 0;
}

/* A socket whose packets reach the server as if they came from the bridge. */
static int open_socket(const struct lease_release *release)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, release->bridge,
		       (socklen_t)strlen(release->bridge)) == 0)
		return fd;
	result = -errno;
	(void)close(fd);
	return result;
}

static int send_releases(const struct lease_release *release, const bool *is_there)
{
	int fd = open_socket(release);
	int result = 0;
	int n = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < release->n_leases && (size_t)n < release->wanted; i++) {
		if (is_there[i])
			continue;
		result = send_release(fd, release, &release->leases[i]);
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
