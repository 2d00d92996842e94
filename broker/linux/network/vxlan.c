/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network that is on several hosts has three devices more on each of them:
 *
 *	machines ─ vmb-NETWORK ─┬─ vmx-NETWORK ── underlay ── the other hosts
 *		   gateway      └─ vmp-NETWORK ═ vmh-NETWORK: this host's own addresses
 *
 * The gateway's addresses are the bridge's on every host, so that a machine has its host's for
 * gateway wherever it is. Who answers them would reach its own host alone: the host itself speaks
 * to machines from addresses that no other host has, by vmh. Its routes to the subnet and to the
 * prefix are by that, too, and only those to machines of which it knows that they are here are by
 * the bridge. Neither of both may speak for the other's addresses, and a packet that comes by one
 * may have its answer go by the other: see settings.
 *
 * They are known by their names and kinds, as they have no room for an alias that tells more.
 */
#include "vxlan.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "bridge.h"
#include "broker/interface.h"
#include "broker/linux/firewall/firewall.h"
#include "host/bridge_port.h"
#include "host/fdb.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/route.h"
#include "host/sysctl.h"
#include "host/vxlan_link.h"
#include "ingress.h"
#include "port.h"

#define VXLAN "vxlan"
#define VETH "veth"

struct names {
	char vxlan[INTERFACE_NAME_SIZE];
	char own[INTERFACE_NAME_SIZE];
	char own_port[INTERFACE_NAME_SIZE];
};

static struct names names_of(const char *bridge)
{
	struct names names = { 0 };

	vxlan_name(bridge, names.vxlan);
	own_name(bridge, names.own);
	own_port_name(bridge, names.own_port);
	return names;
}

static int failed(struct error *error, const char *what, const char *name, int result)
{
	return error_set(error, ERROR_CREATE_FAILED, "cannot %s %s: %s", what, name,
			 strerror(-result));
}

static int refuse_name(struct error *error, const char *name)
{
	return error_set(error, ERROR_CREATE_FAILED,
			 "a device %s exists already, and is not the broker's; remove it (\"ip "
			 "link delete %s\") or choose another name for the network",
			 name, name);
}

/*
 * Looks for one by its name, and by the index that it was last seen with.
 * index: gets 0 when there is none. setup: NULL, or gets what a VXLAN is.
 */
static int find(const char *network, const char *name, const char *kind, int *index,
		struct link *link, struct vxlan_setup *setup)
{
	struct vxlan_setup ignored;
	char old[INTERFACE_NAME_SIZE];
	int result;

	if (!setup)
		setup = &ignored;
	result = vxlan_link_get(name, link, setup);
	if (result == -ENODEV && *index && link_name(*index, old)) {
		result = link_rename(*index, name);
		if (result == 0) {
			log_warning(network, "its device %s was renamed %s, and is again", name,
				    old);
			result = vxlan_link_get(name, link, setup);
		}
	}
	*index = 0;
	if (result < 0)
		return result == -ENODEV ? 0 : result;
	if (strcmp(link->kind, kind) != 0)
		return -EEXIST;
	*index = link->index;
	return 0;
}

/* Which place each of them has to have. */
static struct link_place place_of(const struct network_addresses *addresses, int bridge,
				  const struct vxlan_devices *devices, int index)
{
	struct link_place place = { .mtu = addresses->mtu };

	if (index == devices->own) {
		place.mac = addresses->own_mac;
		place.group = firewall_bridge_group((unsigned int)index);
		return place;
	}
	if (index == devices->vxlan)
		place.group = firewall_port_group((unsigned int)index);
	place.master = bridge;
	return place;
}

static bool has_place(const struct link *link, const struct link_place *place)
{
	return link->mtu == place->mtu && link->group == place->group &&
	       link->master == place->master &&
	       (!mac_address_is_unicast(&place->mac) || mac_address_equal(&link->mac, &place->mac));
}

/* Of a port: nobody is learned to be behind the host's own end, and an EVPN tells all the rest. */
static struct port_flags flags_of(const struct network_config *config,
				  const struct vxlan_devices *devices, int index)
{
	const bool is_static = config->vxlan.control == VXLAN_STATIC;
	const bool is_vxlan = index == devices->vxlan;

	return (struct port_flags){
		.learning = is_vxlan && is_static,
		.neigh_suppress = is_vxlan && !is_static,
	};
}

static bool has_flags(const struct port_flags *now, const struct port_flags *flags)
{
	return now->isolated == flags->isolated && now->learning == flags->learning &&
	       now->neigh_suppress == flags->neigh_suppress;
}

/* VXLAN */

static struct vxlan_setup setup_of(const struct network_config *config,
				   const struct network_addresses *addresses)
{
	const struct vxlan *vxlan = &config->vxlan;
	struct vxlan_setup setup = {
		.vni = vxlan->vni,
		.family = vxlan->family,
		.port = vxlan->port,
		.learns = vxlan->control == VXLAN_STATIC,
	};

	memcpy(&setup.local, &network_host(config, addresses)->address,
	       address_size(vxlan->family));
	return setup;
}

/* What the kernel cannot change of one that is there. */
static bool is_other(const struct vxlan_setup *a, const struct vxlan_setup *b)
{
	return a->vni != b->vni || a->family != b->family || a->port != b->port;
}

static bool is_changed(const struct vxlan_setup *a, const struct vxlan_setup *b)
{
	return a->learns != b->learns || memcmp(&a->local, &b->local, sizeof(a->local)) != 0;
}

static int create_vxlan(const struct vxlan_setup *setup, const char *name, int *index,
			struct error *error)
{
	int result = vxlan_link_create(name, setup, index);

	if (result == -EEXIST && link_index(name))
		return refuse_name(error, name);
	if (result == -EEXIST)
		return error_set(error, ERROR_CREATE_FAILED,
				 "another device of this host has the VNI %u at UDP port %u "
				 "already; remove it (\"ip -d link show type vxlan\" lists them) "
				 "or choose another \"vni\" on all hosts",
				 setup->vni, setup->port);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot make device %s: %s%s", name,
				 strerror(-result),
				 result == -EOPNOTSUPP ? " (\"modprobe vxlan\" brings it)" : "");
	return 0;
}

static int make_vxlan(const struct network_config *config,
		      const struct network_addresses *addresses, const char *name, int *index,
		      bool *is_new, struct error *error)
{
	const struct vxlan_setup setup = setup_of(config, addresses);
	struct vxlan_setup now;
	struct link link;
	int result = find(config->name, name, VXLAN, index, &link, &now);

	if (result == -EEXIST)
		return refuse_name(error, name);
	if (result == 0 && *index && is_other(&now, &setup)) {
		log_warning(config->name, "its device %s was another VXLAN; it is made anew", name);
		result = link_delete(*index);
		*index = 0;
	}
	if (result == 0 && *index && is_changed(&now, &setup))
		result = vxlan_link_change(*index, &setup);
	if (result < 0)
		return failed(error, "put right", name, result);
	if (*index)
		return 0;
	*is_new = true;
	return create_vxlan(&setup, name, index, error);
}

/* The host's own end */

/* Of a pair of which one was taken away the other is of no use. */
static int find_pair(const char *network, const struct names *names, struct vxlan_devices *devices,
		     const char **taken)
{
	struct link own = { 0 };
	struct link port = { 0 };
	int result = find(network, names->own, VETH, &devices->own, &own, NULL);

	*taken = names->own;
	if (result < 0)
		return result;
	*taken = names->own_port;
	result = find(network, names->own_port, VETH, &devices->own_port, &port, NULL);
	if (result < 0 || (devices->own && devices->own_port && own.lower == port.index))
		return result;
	if (devices->own)
		result = link_delete(devices->own);
	if (devices->own_port && (result == 0 || result == -ENODEV))
		result = link_delete(devices->own_port);
	devices->own = devices->own_port = 0;
	return result == -ENODEV ? 0 : result;
}

static int make_pair(const char *network, const struct network_addresses *addresses,
		     const struct names *names, struct vxlan_devices *devices, struct error *error)
{
	const char *taken;
	int result = find_pair(network, names, devices, &taken);

	if (result == 0 && !devices->own) {
		result = veth_create(names->own, &addresses->own_mac, names->own_port);
		devices->own = result == 0 ? link_index(names->own) : 0;
		devices->own_port = result == 0 ? link_index(names->own_port) : 0;
		devices->is_new = true;
	}
	if (result == -EEXIST)
		return refuse_name(error, taken);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot make device %s: %s%s",
				 names->own, strerror(-result),
				 result == -EOPNOTSUPP ? " (\"modprobe veth\" brings it)" : "");
	return 0;
}

/*
 * Of the bridge and of the host's own end. Both are in the same subnet: one that answered for, or
 * asked as the other would take its place with the machines. And a machine that is spoken to by
 * one is not found by the other.
 */
static const struct {
	const char *name;
	int value;
} settings[] = {
	{ "arp_ignore", 1 },
	{ "arp_announce", 2 },
	{ "rp_filter", 2 }, /* loose, also where the host's is strict */
};

static int set_settings(const char *name, struct error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (sysctl_set(AF_INET, name, settings[i].name, settings[i].value, error) < 0)
			return -1;
	return 0;
}

/*
 * From the link-local one the kernel asks for machines that others' packets are for. The other is
 * by itself: with its prefix, dnsmasq would take this device for one that it is to advertise the
 * prefix on.
 */
static int give_ipv6(const struct network_addresses *addresses, int own)
{
	const struct in6_addr link_local = vxlan_link_local(addresses->own_ipv4);
	const struct route route = {
		.table = RT_TABLE_MAIN,
		.device = (uint32_t)own,
		.destination = addresses->ipv6_prefix.address,
		.destination_length = (uint8_t)addresses->ipv6_prefix.length,
		.family = AF_INET6,
		.protocol = RTPROT_KERNEL,
		.scope = RT_SCOPE_UNIVERSE,
	};
	int result;

	if (!addresses->ipv6_prefix.length)
		return 0;
	result = link_add_ipv6(own, &link_local, addresses->ipv6_prefix.length, 0);
	if (result == 0)
		result = link_add_ipv6(own, &addresses->own_ipv6, 128, 0);
	return result < 0 ? result : route_add(&route);
}

static int set_own_up(const struct network_config *config,
		      const struct network_addresses *addresses, const char *name,
		      const struct vxlan_devices *devices, struct error *error)
{
	const int own = devices->own;
	const struct link_place place = place_of(addresses, 0, devices, own);
	struct link link;
	int result;

	if (set_settings(addresses->bridge, error) < 0 || set_settings(name, error) < 0 ||
	    link_refuse_router_advertisements(name, error) < 0 ||
	    bridge_route_loopback(config, name, error) < 0)
		return -1;
	result = link_get(name, &link);
	/* Who is told a MAC address, even its own, forgets its neighbours. */
	if (result == 0 && !has_place(&link, &place))
		result = link_set_place(own, &place);
	if (result == 0)
		result = link_add_ipv4(own, addresses->own_ipv4, addresses->ipv4_subnet.length, 0);
	if (result == 0)
		result = link_set_up(own, 0);
	if (result == 0)
		result = bridge_route_subnet(addresses, own, addresses->own_ipv4);
	if (result == 0)
		result = give_ipv6(addresses, own);
	return result < 0 ? failed(error, "give this host's own addresses to", name, result) : 0;
}

int vxlan_make(const struct network_config *config, const struct network_addresses *addresses,
	       struct vxlan_devices *devices, struct error *error)
{
	const struct names names = names_of(addresses->bridge);
	const struct vxlan_devices before = *devices;

	devices->is_new = false;
	if (make_vxlan(config, addresses, names.vxlan, &devices->vxlan, &devices->is_new, error) ==
		    0 &&
	    make_pair(config->name, addresses, &names, devices, error) == 0 &&
	    set_own_up(config, addresses, names.own, devices, error) == 0)
		return 0;
	if (devices->vxlan && devices->vxlan != before.vxlan)
		(void)link_delete(devices->vxlan);
	if (devices->own && devices->own != before.own)
		(void)link_delete(devices->own);
	return -1;
}

/* Joining */

static int take_place(const char *name, const struct link_place *place,
		      const struct port_flags *flags)
{
	struct link link;
	int result = link_get(name, &link);
	const bool was_port = result == 0 && link.master == place->master;

	if (result == 0 && !was_port && link.up)
		result = link_set_down(link.index);
	if (result == 0 && !has_place(&link, place))
		result = link_set_place(link.index, place);
	if (result == 0 && (!was_port || !has_flags(&link.port, flags)))
		result = netlink_request(port_flags_message(link.index, flags));
	return result;
}

/*
 * zebra, as it ends, and as it loses bgpd, has the kernel remove what is for everybody of each host
 * that it knew, also what it has not added: by the host's address and the device's own VNI. The
 * kernel compares 32 bits of a VNI and sends 24, so that with one more it is the same for the hosts
 * and another one for zebra.
 */
#define NOT_OF_ZEBRA (UINT32_C(1) << 24)

static uint32_t flood_vni(const struct vxlan *vxlan)
{
	return vxlan->control == VXLAN_EVPN ? vxlan->vni | NOT_OF_ZEBRA : 0;
}

static struct fdb_entry flood_to(const struct network_config *config, int vxlan,
				 const struct vxlan_host *host)
{
	struct fdb_entry entry = {
		.link = vxlan,
		.family = config->vxlan.family,
		.vni = flood_vni(&config->vxlan),
	};

	memcpy(&entry.host, &host->address, address_size(entry.family));
	return entry;
}

static bool is_listed(const struct network_config *config,
		      const struct network_addresses *addresses, const struct fdb_entry *entry)
{
	for (size_t i = 0; i < config->vxlan.n_hosts; i++) {
		const struct fdb_entry listed =
			flood_to(config, entry->link, &config->vxlan.hosts[i]);

		if (i + 1 != addresses->vxlan_host && listed.family == entry->family &&
		    memcmp(listed.host.ipv6.s6_addr, entry->host.ipv6.s6_addr,
			   address_size(entry->family)) == 0)
			return true;
	}
	return false;
}

/*
 * Has frames for everybody go to all hosts of the list; and, but for those that a routing daemon
 * adds, to nobody else. With one, too: when it dies it takes back what it has said of where
 * machines are, and frames for them are for everybody then, instead of for nobody.
 */
static int flood(const struct network_config *config, const struct network_addresses *addresses,
		 int vxlan)
{
	struct fdb_entry *now = NULL;
	size_t n_now = 0;
	int result = 0;

	if (config->vxlan.control == VXLAN_STATIC)
		result = fdb_list(vxlan, &now, &n_now);
	for (size_t i = 0; i < n_now && result == 0; i++)
		if (fdb_is_flood(&now[i]) && !is_listed(config, addresses, &now[i]))
			result = netlink_request(fdb_remove_message(&now[i]));
	free(now);
	for (size_t i = 0; i < config->vxlan.n_hosts && result == 0; i++) {
		const struct fdb_entry entry = flood_to(config, vxlan, &config->vxlan.hosts[i]);

		if (i + 1 != addresses->vxlan_host)
			result = netlink_request(fdb_add_message(&entry));
	}
	return result;
}

static int join_vxlan(const struct network_config *config,
		      const struct network_addresses *addresses, const char *name, int bridge,
		      const struct vxlan_devices *devices)
{
	const int vxlan = devices->vxlan;
	const struct link_place place = place_of(addresses, bridge, devices, vxlan);
	const struct port_flags flags = flags_of(config, devices, vxlan);
	struct netlink_requests filters = { 0 };
	int result = take_place(name, &place, &flags);

	if (result < 0)
		return result;
	/* Those of a port of the host's own bridge: what is for bridges ends here, too. */
	ingress_add_filters(&filters, &(struct port_setup){ .index = vxlan });
	result = netlink_request_all(&filters);
	if (result == 0)
		result = flood(config, addresses, vxlan);
	return result < 0 ? result : link_set_up(vxlan, 0);
}

static int add_own_entry(const struct network_config *config,
			 const struct network_addresses *addresses,
			 const struct vxlan_devices *devices)
{
	return netlink_request(fdb_add_message(&(struct fdb_entry){
		.link = devices->own_port,
		.mac = addresses->own_mac,
		.is_sticky = config->vxlan.control == VXLAN_STATIC,
	}));
}

static int join_own(const struct network_config *config, const struct network_addresses *addresses,
		    const char *name, int bridge, const struct vxlan_devices *devices)
{
	const struct link_place place = place_of(addresses, bridge, devices, devices->own_port);
	const struct port_flags flags = flags_of(config, devices, devices->own_port);
	int result = take_place(name, &place, &flags);

	if (result == 0)
		result = add_own_entry(config, addresses, devices);
	return result < 0 ? result : link_set_up(devices->own_port, 0);
}

int vxlan_join(const struct network_config *config, const struct network_addresses *addresses,
	       int bridge, const struct vxlan_devices *devices, struct error *error)
{
	const struct names names = names_of(addresses->bridge);
	int result = join_own(config, addresses, names.own_port, bridge, devices);

	if (result < 0)
		return failed(error, "join to its bridge", names.own_port, result);
	result = join_vxlan(config, addresses, names.vxlan, bridge, devices);
	if (result == -EADDRINUSE)
		return error_set(error, ERROR_CREATE_FAILED,
				 "UDP port %u is taken by another program (\"ss -ulpn\" tells by "
				 "which); end that, or choose another \"port\" on all hosts",
				 config->vxlan.port);
	return result < 0 ? failed(error, "join to its bridge", names.vxlan, result) : 0;
}

/* The end */

/* index: gets 0 when there is none that is ours. */
static int find_left(const char *name, const char *kind, int *index)
{
	struct link link;
	int result;

	*index = 0;
	result = find(NULL, name, kind, index, &link, NULL);
	return result == -EEXIST ? 0 : result;
}

void vxlan_part(const char *bridge)
{
	const struct names names = names_of(bridge);
	int index;

	if (find_left(names.vxlan, VXLAN, &index) == 0 && index)
		(void)link_set_down(index);
	if (find_left(names.own_port, VETH, &index) == 0 && index)
		(void)link_set_down(index);
}

/* With one end of the pair the other goes. */
int vxlan_leave(const char *bridge, int *group)
{
	const struct names names = names_of(bridge);
	int leaving[3] = { 0 };
	int result = find_left(names.vxlan, VXLAN, &leaving[0]);

	if (result == 0)
		result = find_left(names.own, VETH, &leaving[1]);
	if (result == 0)
		result = find_left(names.own_port, VETH, &leaving[2]);
	if (leaving[1])
		leaving[2] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(leaving) && result == 0; i++) {
		if (!leaving[i])
			continue;
		if (!*group)
			*group = leaving[i];
		result = link_join_leaving(leaving[i], *group);
	}
	return result;
}

int vxlan_remove(const char *bridge)
{
	int group = 0;
	int result = vxlan_leave(bridge, &group);

	return result == 0 && group ? link_delete_group(group) : result;
}

static bool is_link_right(const struct network *network, int bridge,
			  const struct vxlan_devices *devices, const struct nlmsghdr *message)
{
	const struct network_addresses *addresses = &network->addresses;
	const struct vxlan_setup setup = setup_of(network->config, addresses);
	const struct names names = names_of(addresses->bridge);
	struct vxlan_setup now;
	struct link link;
	struct link_place place;
	const char *name;

	if (vxlan_link_parse(message, &link, &now) < 0)
		return true;
	place = place_of(addresses, bridge, devices, link.index);
	if (link.index == devices->own)
		name = names.own;
	else if (link.index == devices->own_port)
		name = names.own_port;
	else if (is_changed(&now, &setup))
		return false;
	else
		name = names.vxlan;
	return link.up && strcmp(link.name, name) == 0 && has_place(&link, &place);
}

bool vxlan_is_right(const struct network *network, int bridge, const struct vxlan_devices *devices,
		    const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct port_flags flags;
	struct port_flags now;

	if (header->ifi_family != AF_BRIDGE)
		return message->nlmsg_type == RTM_NEWLINK &&
		       is_link_right(network, bridge, devices, message);
	flags = flags_of(network->config, devices, header->ifi_index);
	return message->nlmsg_type != RTM_NEWLINK || !link_parse_port(message, &now) ||
	       has_flags(&now, &flags);
}

/* A machine that has been attached here already, and was on another host until now. */
static int claim_machine(const struct network *network, const struct mac_address *mac)
{
	const struct interface *interface = network->interfaces;

	while (interface && (interface->state == INTERFACE_DETACHING ||
			     !mac_address_equal(&interface->mac, mac)))
		interface = interface->next;
	return interface ? fdb_claim(link_index(interface->name), mac) : 0;
}

int vxlan_mend_entry(const struct network *network, const struct vxlan_devices *devices,
		     const struct nlmsghdr *message)
{
	const struct network_config *config = network->config;
	const bool has_gone = message->nlmsg_type == RTM_DELNEIGH;
	struct fdb_entry entry;

	if (fdb_parse(message, &entry) < 0)
		return 0;
	if (entry.link == devices->own_port)
		return has_gone && entry.family == AF_UNSPEC &&
				       mac_address_equal(&entry.mac, &network->addresses.own_mac)
			       ? add_own_entry(config, &network->addresses, devices)
			       : 0;
	if (entry.family == AF_UNSPEC)
		return has_gone ? claim_machine(network, &entry.mac) : 0;
	if (!fdb_is_flood(&entry))
		return 0;
	if (is_listed(config, &network->addresses, &entry)) {
		entry.vni = flood_vni(&config->vxlan);
		return has_gone ? netlink_request(fdb_add_message(&entry)) : 0;
	}
	return has_gone || config->vxlan.control == VXLAN_EVPN ? 0 : -EINVAL;
}
