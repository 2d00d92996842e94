/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: the way of packets to the outside. The kernel is
 * asked where it would send them, so that whatever it goes by counts.
 */
#include <errno.h>
#include <jansson.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "doctor.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/sysctl.h"
#include "vmnetctl/doctor.h"

/* Addresses that are kept for documentation, and so nobody's. */
#define OUTSIDE_IPV4 "203.0.113.1"
#define OUTSIDE_IPV6 "2001:db8::1"

struct packet {
	int family;
	const char *to;
	const char *from; /* NULL: the host sends it */
	const char *by; /* the interface that it comes in by, if it is not the host's */
};

static int put_address(struct nl_msg *message, int attribute, int family, const char *text)
{
	struct in6_addr address;

	(void)inet_pton(family, text, &address);
	return nla_put(message, attribute,
		       family == AF_INET ? (int)sizeof(struct in_addr) : (int)sizeof(address),
		       &address);
}

static struct nl_msg *question(const struct packet *packet)
{
	const unsigned char length = packet->family == AF_INET ? 32 : 128;
	struct rtmsg header = {
		.rtm_family = (unsigned char)packet->family,
		.rtm_dst_len = length,
		.rtm_src_len = packet->from ? length : 0,
	};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_GETROUTE, 0);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    put_address(message, RTA_DST, packet->family, packet->to) == 0 &&
	    (!packet->from || (put_address(message, RTA_SRC, packet->family, packet->from) == 0 &&
			       nla_put_u32(message, RTA_IIF, if_nametoindex(packet->by)) == 0)))
		return message;
	nlmsg_free(message);
	return NULL;
}

static int on_route(const struct nlmsghdr *message, void *userdata)
{
	const struct nlattr *interface =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct rtmsg), RTA_OIF);

	if (!interface)
		return -ENETUNREACH;
	return if_indextoname(nla_get_u32(interface), userdata) ? 0 : -errno;
}

/* Asks for the interface that a packet leaves by. Returns 0 or a negative errno, the kernel's. */
static int ask(const struct packet *packet, char interface[IF_NAMESIZE])
{
	int result = netlink_query(question(packet), on_route, interface);

	netlink_close();
	return result;
}

static bool forwards(const char *interface)
{
	int value;

	return sysctl_read(AF_INET, interface, "forwarding", &value) == 0 && value;
}

/* Writes an address that a machine of the network could have. Returns whether there is one. */
static bool find_machine(const struct vmnet_broker_network *network, char text[INET_ADDRSTRLEN])
{
	struct ipv4_subnet subnet;
	struct in_addr address;

	if (!network->bridge || !network->ipv4_subnet ||
	    ipv4_subnet_parse(network->ipv4_subnet, &subnet) < 0)
		return false;
	address = ipv4_subnet_host(&subnet, 2);
	inet_ntop(AF_INET, &address, text, INET_ADDRSTRLEN);
	return true;
}

/* A rule of somebody else's may come before the table that has the network's own route. */
void check_way_to_machines(const struct vmnet_broker_network *network)
{
	char machine[INET_ADDRSTRLEN], interface[IF_NAMESIZE];
	struct packet packet = { AF_INET, .to = machine };
	char remedy[128], own[INTERFACE_NAME_SIZE];

	if (!find_machine(network, machine) || ask(&packet, interface) < 0 ||
	    strcmp(interface, network->bridge) == 0)
		return;
	/* Where it is on several hosts, machines on others are reached by the host's own end. */
	own_name(network->bridge, own);
	if (strcmp(interface, own) == 0)
		return;
	(void)snprintf(remedy, sizeof(remedy), "ip rule add to %s lookup main",
		       network->ipv4_subnet);
	doctor_problem(
		remedy,
		"network \"%s\": what the host sends to its machines leaves by %s and not by "
		"%s",
		network->name, interface, network->bridge);
}

/*
 * On a host that is a router anyway the broker leaves it to others by what
 * interfaces: an answer may come in by one that is not to be forwarded.
 */
void check_forwarding(const struct vmnet_broker_network *network)
{
	char machine[INET_ADDRSTRLEN], uplink[IF_NAMESIZE];
	struct packet packet = { AF_INET, .to = OUTSIDE_IPV4, .from = machine };
	char remedy[128];

	if (network->mode != VMNET_BROKER_SHARED || !find_machine(network, machine))
		return;
	packet.by = network->bridge;
	if (ask(&packet, uplink) < 0 || forwards(uplink))
		return;
	(void)snprintf(remedy, sizeof(remedy), "sysctl -w net/ipv4/conf/%s/forwarding=1", uplink);
	doctor_problem(remedy,
		       "network \"%s\": forwarding is switched off for %s, by which its machines "
		       "are answered",
		       network->name, uplink);
}

bool find_way_out(int family, char interface[IF_NAMESIZE])
{
	struct packet packet = { family, .to = family == AF_INET ? OUTSIDE_IPV4 : OUTSIDE_IPV6 };

	return ask(&packet, interface) == 0;
}

/* Packets are refused that the host would not answer by where they came in (rp_filter). */
static bool is_strict(const char *interface)
{
	int all = 0, own = 0;

	(void)sysctl_read(AF_INET, "all", "rp_filter", &all);
	return sysctl_read(AF_INET, interface, "rp_filter", &own) == 0 &&
	       (all > own ? all : own) == 1;
}

static bool has_ways_in(const struct network_config *network)
{
	for (size_t i = 0; i < network->n_port_forwardings; i++)
		if (!port_forwarding_is_private(&network->port_forwardings[i]))
			return true;
	return false;
}

/* As far as that check knows, machines with an uplink answer by it alone. */
static void check_way_in(const char *network, const char *uplink, const char *interface)
{
	char remedy[128];

	if (!uplink || strcmp(interface, uplink) == 0)
		return;
	(void)snprintf(remedy, sizeof(remedy), "sysctl -w net/ipv4/conf/%s/rp_filter=2", interface);
	doctor_problem(remedy,
		       "network \"%s\": its forwarded ports cannot be reached by %s, whose reverse "
		       "path filter is strict",
		       network, interface);
}

static bool is_private(const struct vmnet_broker_port_forwarding *port)
{
	return strncmp(port->external_address, "127.", strlen("127.")) == 0 ||
	       strcmp(port->external_address, "::1") == 0;
}

static bool has_public_port(const struct vmnet_broker_inspection *inspection)
{
	for (size_t i = 0; i < inspection->n_interfaces; i++) {
		const struct vmnet_broker_interface *interface = inspection->interfaces[i];

		for (size_t j = 0; j < interface->n_port_forwardings; j++)
			if (!is_private(&interface->port_forwardings[j]))
				return true;
	}
	return false;
}

void check_ways_to_ports(const struct vmnet_broker_inspection *inspection)
{
	const struct vmnet_broker_network *network = inspection->network;
	char interface[IF_NAMESIZE];
	json_t *configuration;

	if (!has_public_port(inspection) || !network->configuration ||
	    !find_way_out(AF_INET, interface) || !is_strict(interface))
		return;
	configuration = json_loads(network->configuration, 0, NULL);
	/* With ports in the file check_ways_in() says so. */
	if (json_array_size(json_object_get(configuration, "portForwarding")) == 0)
		check_way_in(network->name,
			     json_string_value(json_object_get(configuration, "externalInterface")),
			     interface);
	json_decref(configuration);
}

static void check_way_to_configured(const struct network_config *network, const char *interface)
{
	if (network->mode == NETWORK_SHARED && has_ways_in(network))
		check_way_in(network->name, network->external_interface, interface);
}

void check_ways_in(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	char interface[IF_NAMESIZE];

	/* Mistakes in the file have their own check. */
	if (config && find_way_out(AF_INET, interface) && is_strict(interface))
		for (size_t i = 0; i < config->n_networks; i++)
			check_way_to_configured(config->networks[i], interface);
	config_errors_clear(&errors);
	config_free(config);
}
