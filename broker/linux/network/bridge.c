/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes what of a bridge is missing. One of the broker's own is known by its name and its alias.
 * Anybody may have renamed, changed or removed it, and one that an earlier broker made may lack
 * what came after the crash. So repairing one is making it, but that it is looked for first:
 * what is there already is no error.
 */
#include "bridge.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "broker/linux/firewall/firewall.h"
#include "broker/linux/linux.h"
#include "broker/linux/shortage.h"
#include "host/names.h"
#include "host/route.h"
#include "ingress.h"
#include "interface_record.h"
#include "port.h"

int bridge_find_host(struct network_addresses *addresses, struct bridge *bridge,
		     struct error *error)
{
	const char *name = addresses->bridge;
	struct link link;
	int result = link_get(name, &link);

	if (result == -ENODEV)
		return error_set(error, ERROR_CREATE_FAILED,
				 "there is no bridge %s to join; make it, or name another in "
				 "\"external_interface\"",
				 name);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up bridge %s: %s", name,
				 strerror(-result));
	if (strcmp(link.kind, "bridge") != 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "%s is no bridge; make it a port of one, and name that one in "
				 "\"external_interface\"",
				 name);
	bridge->index = link.index;
	addresses->mtu = link.mtu;
	return 0;
}

/* A crash may have come between the making of a bridge and its alias: then its MAC tells. */
static bool is_own(const char *network, const struct network_addresses *addresses,
		   const struct link *link)
{
	struct alias alias;

	if (strcmp(link->kind, "bridge") != 0)
		return false;
	if (alias_parse(link->alias, &alias) == 0)
		return !alias.is_interface && strcmp(alias.network, network) == 0;
	return mac_address_is_unicast(&addresses->bridge_mac) &&
	       mac_address_equal(&link->mac, &addresses->bridge_mac);
}

/*
 * Finds the bridge of a network that is there already. One that somebody has
 * given another name gets its own back: rules and dnsmasq know it by that.
 * index: the one that it was last seen with, or 0; gets its index, or 0.
 */
static int find(const char *network, const struct network_addresses *addresses, int *index)
{
	const char *name = addresses->bridge;
	struct link link;
	int result = link_get(name, &link);

	if (result == -ENODEV && *index) {
		result = link_rename(*index, name);
		if (result == 0) {
			log_warning(network, "its bridge was renamed, and is %s again", name);
			result = link_get(name, &link);
		}
	}
	*index = result == 0 && is_own(network, addresses, &link) ? link.index : 0;
	return result == -ENODEV ? 0 : result;
}

static int remove_itself(const char *network, const struct network_addresses *addresses, int bridge)
{
	int result = find(network, addresses, &bridge);

	if (result == 0 && bridge)
		result = link_delete(bridge);
	return result == -ENODEV ? 0 : shortage_check(result);
}

int bridge_leave(const char *network, const struct network_addresses *addresses, int bridge,
		 int *group)
{
	int checksums = shortage_check(ingress_find_checksums(addresses->bridge));

	if (checksums <= 0 || find(network, addresses, &bridge) < 0 || !bridge)
		return -1;
	if (!*group)
		*group = bridge;
	if (link_join_leaving(bridge, *group) < 0 || link_join_leaving(checksums, *group) < 0)
		return -1;
	return 0;
}

int bridge_remove(const char *network, const struct network_addresses *addresses, int bridge)
{
	int group = 0;
	int checksums;
	int result;

	if (bridge_leave(network, addresses, bridge, &group) == 0 && link_delete_group(group) == 0)
		return 0;
	/* One of them is not there, or goes just now. */
	checksums = shortage_check(ingress_find_checksums(addresses->bridge));
	result = remove_itself(network, addresses, bridge);
	if (result < 0 || checksums <= 0)
		return result < 0 ? result : checksums;
	result = link_delete(checksums);
	return result == -ENODEV ? 0 : shortage_check(result);
}

static int request(const char *network, const struct network_addresses *addresses, int *index)
{
	struct alias named = { 0 };
	char alias[ALIAS_SIZE];

	(void)snprintf(named.network, sizeof(named.network), "%s", network);
	alias_format(&named, alias);
	return link_create_bridge(
		&(struct bridge_setup){
			.name = addresses->bridge,
			.mac = addresses->bridge_mac,
			.mtu = addresses->mtu,
			.alias = alias,
		},
		index);
}

static bool is_port_of(const struct link *link, const void *network)
{
	struct alias alias;

	return alias_parse(link->alias, &alias) == 0 && alias.is_interface &&
	       strcmp(alias.network, network) == 0;
}

static int create(const char *network, const struct network_addresses *addresses, int *index,
		  struct error *error)
{
	const char *name = addresses->bridge;
	int left = 0;
	int result = request(network, addresses, index);

	if (result == -EEXIST)
		(void)find(network, addresses, &left);
	if (left && link_may_exist(is_port_of, network))
		return error_set(error, ERROR_CREATE_FAILED,
				 "machines use what an earlier broker left of it, but its record "
				 "is lost; stop them first");
	/* One of ours, whose record is lost. */
	if (result == -EEXIST) {
		(void)remove_itself(network, addresses, 0);
		result = request(network, addresses, index);
	}
	if (result == -EEXIST)
		return error_set(error, ERROR_CREATE_FAILED,
				 "a device %s exists already, and is not the broker's; remove it "
				 "(\"ip link delete %s\") or choose another name for the network",
				 name, name);
	if (result < 0) {
		/* The kernel may have made it, and the answer was lost. */
		(void)remove_itself(network, addresses, 0);
		return error_set(error, ERROR_CREATE_FAILED, "cannot make bridge %s: %s", name,
				 strerror(-result));
	}
	return 0;
}

/* Whether machines answer what came from the host's loopback. */
static bool forwards_loopback(const struct network_config *config, int family)
{
	for (size_t i = 0; i < config->n_port_forwardings; i++) {
		const struct port_forwarding *forwarding = &config->port_forwardings[i];

		if (forwarding->family == family &&
		    (!forwarding->has_external_address || port_forwarding_is_private(forwarding)))
			return true;
	}
	return false;
}

/* The host finds machines that may be elsewhere by a link of its own: see vxlan.h. */
static uint32_t prefix_flags(const struct network_config *config)
{
	return config->vxlan.vni ? IFA_F_NOPREFIXROUTE : 0;
}

int bridge_add_ipv6(const struct network_config *config, const struct network_addresses *addresses,
		    int bridge, struct error *error)
{
	struct in6_addr link_local;
	int result;

	if (!addresses->ipv6_prefix.length)
		return 0;
	(void)inet_pton(AF_INET6, GATEWAY_LINK_LOCAL, &link_local);
	result = link_add_ipv6(bridge, &link_local, addresses->ipv6_prefix.length, 0);
	if (result == 0)
		result = link_add_ipv6(bridge, &addresses->ipv6_gateway,
				       addresses->ipv6_prefix.length, prefix_flags(config));
	if (result == 0 && forwards_loopback(config, AF_INET6))
		result = link_route_ipv6_loopback(bridge);
	if (result == -EACCES)
		return error_set(error, ERROR_CREATE_FAILED,
				 "IPv6 is switched off for bridge %s; switch it on "
				 "(net.ipv6.conf.%s.disable_ipv6)",
				 addresses->bridge, addresses->bridge);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "cannot give bridge %s its IPv6 addresses: %s", addresses->bridge,
				 strerror(-result));
	return 0;
}

int bridge_route_loopback(const struct network_config *config, const char *name,
			  struct error *error)
{
	return forwards_loopback(config, AF_INET) ? link_route_loopback(name, error) : 0;
}

void bridge_leave_loopback(const struct network_config *config,
			   const struct network_addresses *addresses, const char *name, int link)
{
	if (!forwards_loopback(config, AF_INET))
		link_unroute_loopback(name);
	if (addresses->ipv6_prefix.length && !forwards_loopback(config, AF_INET6))
		(void)link_unroute_ipv6_loopback(link);
}

static int make_checksums(const char *name, struct bridge *bridge, struct error *error)
{
	char device[INTERFACE_NAME_SIZE];
	int result = ingress_make_checksums(name, &bridge->checksums);

	if (result == 0)
		return 0;
	checksums_name(name, device);
	if (result == -EEXIST)
		return error_set(error, ERROR_CREATE_FAILED,
				 "a device %s exists already, and is not the broker's; remove it "
				 "(\"ip link delete %s\") or choose another name for the network",
				 device, device);
	return error_set(error, ERROR_CREATE_FAILED, "cannot make device %s: %s%s", device,
			 strerror(-result),
			 result == -EOPNOTSUPP ? " (\"modprobe ifb\" brings it)" : "");
}

int bridge_route_subnet(const struct network_addresses *addresses, int link, struct in_addr own)
{
	struct route route = {
		.table = RT_TABLE_MAIN,
		.device = (uint32_t)link,
		.own = own,
		.family = AF_INET,
		.protocol = RTPROT_KERNEL,
		.destination_length = (uint8_t)addresses->ipv4_subnet.length,
		.scope = RT_SCOPE_LINK,
	};

	memcpy(&route.destination, &addresses->ipv4_subnet.address, sizeof(struct in_addr));
	return route_add(&route);
}

static int give_address(const struct network_config *config,
			const struct network_addresses *addresses, int bridge, struct error *error)
{
	int result = link_add_ipv4(bridge, addresses->ipv4_gateway, addresses->ipv4_subnet.length,
				   prefix_flags(config));

	if (result == 0)
		result = link_set_up(bridge, firewall_bridge_group((unsigned int)bridge));
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "cannot give bridge %s its address: %s", addresses->bridge,
				 strerror(-result));
	if (!config->vxlan.vni)
		result = bridge_route_subnet(addresses, bridge, addresses->ipv4_gateway);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED,
				 "cannot give bridge %s the route to its subnet: %s; have its "
				 "address made anew (\"ip address flush dev %s\")",
				 addresses->bridge, strerror(-result), addresses->bridge);
	return bridge_route_loopback(config, addresses->bridge, error);
}

int bridge_make(const struct network_config *config, const struct network_addresses *addresses,
		bool repair, struct bridge *bridge, struct error *error)
{
	const char *name = addresses->bridge;
	int result = 0;

	bridge->is_new = false;
	if (repair)
		result = find(config->name, addresses, &bridge->index);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up bridge %s: %s", name,
				 strerror(-result));
	if (!bridge->index) {
		if (create(config->name, addresses, &bridge->index, error) < 0)
			return -1;
		bridge->is_new = true;
	}
	if (link_refuse_router_advertisements(name, error) < 0 ||
	    make_checksums(name, bridge, error) < 0 ||
	    give_address(config, addresses, bridge->index, error) < 0) {
		if (bridge->is_new) {
			(void)bridge_remove(config->name, addresses, bridge->index);
			bridge->index = 0;
		}
		return -1;
	}
	if (config->dhcp)
		link_hear_announcements(name);
	if (repair && bridge->is_new)
		log_warning(config->name, "its bridge %s was gone, and was made again", name);
	return 0;
}

/* How the link of an interface is joined to a network. */
static struct port_setup port_setup(const struct network_config *config,
				    const struct network_addresses *addresses,
				    const struct bridge *bridge, const struct link *link)
{
	struct port_setup setup = {
		.index = link->index,
		.bridge = bridge->index,
		.mac = link->mac,
		.gateway = addresses->bridge_mac,
		.checksums = bridge->checksums,
		.mtu = addresses->mtu,
		.alias = link->alias,
		.group = config->mode == NETWORK_BRIDGED
				 ? 0
				 : firewall_port_group((unsigned int)bridge->index),
		.isolated = config->isolated,
		.fixed = config->vxlan.vni != 0,
		.movable = config->vxlan.vni && config->vxlan.control == VXLAN_EVPN,
	};
	struct alias alias;

	if (alias_parse(link->alias, &alias) < 0)
		return setup;
	setup.machine = alias.mac;
	if (alias.is_whole)
		setup.mac = alias.host_mac;
	return setup;
}

bool bridge_has_port(const struct network_config *config, const struct network_addresses *addresses,
		     int bridge, const struct link *link)
{
	const struct port_setup setup =
		port_setup(config, addresses, &(struct bridge){ .index = bridge }, link);

	return port_is_joined(link, &setup);
}

bool bridge_port_has_moved(const struct link *link)
{
	struct alias alias;

	return alias_parse(link->alias, &alias) == 0 && alias.is_whole &&
	       !mac_address_equal(&alias.host_mac, &link->mac);
}

/* One that is opened by name, or has several queues, has no filter of its own: see ingress.c. */
static bool has_unfiltered_port(const struct link *links, size_t n_links, const char *network)
{
	for (size_t i = 0; i < n_links; i++)
		if ((links[i].persistent || links[i].queues) && is_port_of(&links[i], network))
			return true;
	return false;
}

static void take_rates(struct port_setup *setup, const char *network)
{
	struct interface_options options;

	interface_record_load(linux_platform.options->runtime_dir, network, &setup->machine,
			      &options);
	setup->rate_in = options.rate_in;
	setup->rate_out = options.rate_out;
	free(options.port_forwardings);
}

/* Also one that is joined may redirect to where nothing is any more, or have lost its machine. */
static int join_port(const struct link *link, const struct port_setup *setup, bool *rejoined)
{
	int result;

	*rejoined = false;
	if (port_is_joined(link, setup))
		return port_keep_up(setup);
	result = port_join(setup);
	*rejoined = result == 0;
	return result;
}

int bridge_join_ports(const struct network_config *config,
		      const struct network_addresses *addresses, const struct bridge *bridge,
		      struct link **rejoined, size_t *n_rejoined, struct error *error)
{
	struct link *links = NULL;
	size_t n_links;
	int result = link_list_taps(&links, &n_links);
	bool completes_all;
	bool is_rejoined;

	*n_rejoined = 0;
	*rejoined = links;
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "cannot list the host's links: %s",
				 strerror(-result));
	completes_all = config->vxlan.vni || has_unfiltered_port(links, n_links, config->name);
	for (size_t i = 0; i < n_links && result == 0; i++) {
		const struct link *link = &links[i];
		struct port_setup setup = port_setup(config, addresses, bridge, link);

		setup.completes_all = completes_all;

		if (!is_port_of(link, config->name))
			continue;
		take_rates(&setup, config->name);
		result = join_port(link, &setup, &is_rejoined);
		if (is_rejoined)
			links[(*n_rejoined)++] = *link;
		if (result == -ENODEV)
			result = 0; /* its machine has ended just now */
		if (result < 0)
			result = error_set(error, ERROR_CREATE_FAILED,
					   "cannot join %s to bridge %s: %s", link->name,
					   addresses->bridge, strerror(-result));
	}
	return result;
}
