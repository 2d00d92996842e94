/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hears rtnetlink's notifications, and acts so:
 *
 *	an interface's link is gone		the interface has ended
 *	a bridge is gone, down, renamed, in	the network is repaired
 *	another group, or has lost an
 *	address, or its route
 *	the device of its checksums is gone,	the same
 *	or down
 *	the same of those that it has for	the same
 *	other hosts, or of their addresses,
 *	routes, filters and settings
 *	an interface is not joined to its	the same, if it is so for a moment
 *	bridge as it has to be
 *	nothing redirects its frames		the same
 *	its device has another address		the same, at once
 *	it has gone, or its filters have	its captures end
 *	routes over an uplink, or itself,	the networks that leave by it are
 *	change					repaired, once for many in a row
 *	rules that lead all packets, or ours,	all networks are, the same
 *	change
 *	anything else of links, of what is	forwarding and other packet filters
 *	forwarded, and of default routes	are looked at, once for many in a row
 *
 * When there were more than the socket holds, all is looked at instead.
 */
#include "monitor.h"

#include <errno.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <time.h>

#include "attach.h"
#include "base/log.h"
#include "broker/linux/firewall/firewall.h"
#include "broker/linux/firewall/foreign_firewalls.h"
#include "broker/linux/linux.h"
#include "broker/linux/routing/forwarding.h"
#include "broker/linux/routing/precedence.h"
#include "broker/linux/routing/uplink.h"
#include "broker/linux/timer.h"
#include "broker/linux/worker.h"
#include "capture.h"
#include "host/link.h"
#include "host/names.h"
#include "host/netlink_listener.h"
#include "host/netlink_socket.h"
#include "host/route.h"
#include "network.h"

/*
 * To attach an interface brings ten notifications, and to be woken up for each
 * would keep the worker waiting: when all were read, nothing is for a while.
 */
#define REST_USEC ((uint64_t)1000)

/* Links come and go in groups: a pause makes one look of many, and lets machines go first. */
#define REFRESH_USEC ((uint64_t)50 * 1000)

/* A device that ends leaves its bridge first, and one that is new joins it last. */
#define PORTS_USEC ((uint64_t)250 * 1000)

static struct {
	struct nl_sock *socket;
	sd_event_source *source;
	sd_event_source *rest; /* until the source is on again */
	struct job refresh;
	bool refreshing; /* the job is under way */
	bool refresh_wanted; /* the pause before it has begun, or it waits for the job's end */
	sd_event_source *pause;
	sd_event_source *ports; /* on while interfaces are to be looked at */
	sd_event_source *uplinks; /* the same for what networks leave by */
	sd_event_source *rules; /* the same for what leads their packets */
} monitor;

static void run_refresh(struct job *job)
{
	(void)job;
	forwarding_refresh(linux_platform.options->runtime_dir);
	foreign_firewalls_refresh();
}

static void refresh_done(struct job *job)
{
	(void)job;
	monitor.refreshing = false;
	if (!monitor.refresh_wanted)
		return;
	monitor.refresh_wanted = false;
	monitor_look_around();
}

static int on_refresh(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	monitor.refresh_wanted = false;
	monitor.refreshing = true;
	monitor.refresh = (struct job){ .run = run_refresh, .done = refresh_done };
	worker_submit(&network_worker, &monitor.refresh);
	return 0;
}

void monitor_look_around(void)
{
	if (!monitor.refresh_wanted && !monitor.refreshing)
		timer_set(monitor.pause, REFRESH_USEC);
	monitor.refresh_wanted = true;
}

static int on_ports(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	interfaces_join(linux_platform.broker);
	return 0;
}

static void repair_routing(bool of_all)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		if (of_all || uplink_of(network->config))
			network_repair(network, REPAIR_ROUTING);
}

static int on_uplinks(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	repair_routing(false);
	return 0;
}

static int on_rules(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	repair_routing(true);
	return 0;
}

void monitor_look_at_ports(void)
{
	timer_set_unless_on(monitor.ports, PORTS_USEC);
}

static void look_at_uplinks(void)
{
	timer_set_unless_on(monitor.uplinks, REFRESH_USEC);
}

static struct network *network_of_bridge(int index)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		if (network_bridge(network) == index)
			return network;
	return NULL;
}

/* Of a bridge of ours, by the name that only they have. */
static struct network *network_of_checksums(const char *link)
{
	char name[INTERFACE_NAME_SIZE];

	if (strncmp(link, CHECKSUMS_PREFIX, strlen(CHECKSUMS_PREFIX)) != 0)
		return NULL;
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next) {
		if (network->config->mode == NETWORK_BRIDGED)
			continue;
		checksums_name(network->addresses.bridge, name);
		if (network_bridge(network) && strcmp(name, link) == 0)
			return network;
	}
	return NULL;
}

/* Of a device that it has for other hosts. */
static struct network *network_of_vxlan(int index)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next) {
		const struct vxlan_devices *devices = network_vxlan(network);

		if (index && (index == devices->vxlan || index == devices->own ||
			      index == devices->own_port))
			return network;
	}
	return NULL;
}

/* By which the host finds its machines, and has addresses. */
static struct network *network_of_host(int index)
{
	struct network *network = network_of_bridge(index);

	if (network)
		return network->config->mode == NETWORK_BRIDGED ? NULL : network;
	network = network_of_vxlan(index);
	return network && index == network_vxlan(network)->own ? network : NULL;
}

/* It is there, but not as it has to be. */
static bool is_broken(const struct network *network, const struct link *bridge)
{
	return !bridge->up || strcmp(bridge->name, network->addresses.bridge) != 0 ||
	       (network->config->mode != NETWORK_BRIDGED &&
		bridge->group != firewall_bridge_group((unsigned int)bridge->index));
}

static void on_link_gone(const struct link *link)
{
	interface_link_gone(link->index);
	if (limiter_port(link->name))
		interface_filters_gone(limiter_port(link->name));
}

/* Also what limits an interface by a device of its own. */
static void on_filters_gone(int index)
{
	struct network *network = network_of_vxlan(index);
	char name[INTERFACE_NAME_SIZE];

	if (network)
		network_repair(network, REPAIR_BRIDGE);
	interface_filters_gone(index);
	capture_filters_gone(index);
	if (link_name(index, name) && limiter_port(name))
		interface_filters_gone(limiter_port(name));
}

static void on_link(const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct network *network;
	struct link link;

	/* A bridge speaks of its ports in its own family: those stay links. */
	if (header->ifi_family == AF_BRIDGE && message->nlmsg_type == RTM_NEWLINK)
		interface_port_changed(message);
	network = network_of_vxlan(header->ifi_index);
	if (network &&
	    !vxlan_is_right(network, network_bridge(network), network_vxlan(network), message))
		network_repair(network, REPAIR_BRIDGE);
	if (header->ifi_family != AF_UNSPEC || link_parse(message, &link) < 0)
		return;
	network = network_of_bridge(link.index);
	if (network && (message->nlmsg_type == RTM_DELLINK || is_broken(network, &link)))
		network_repair(network, REPAIR_BRIDGE);
	network = network_of_checksums(link.name);
	if (network && (message->nlmsg_type == RTM_DELLINK || !link.up))
		network_repair(network, REPAIR_BRIDGE);
	if (message->nlmsg_type == RTM_DELLINK)
		on_link_gone(&link);
	else
		interface_link_changed(&link);
	if (message->nlmsg_type == RTM_DELLINK)
		capture_link_gone(link.index);
	else
		capture_link_changed(&link);
	if (!is_own_link_name(link.name))
		monitor_look_around();
	if (uplink_is_used(linux_platform.broker, link.name))
		look_at_uplinks();
}

static void on_address_gone(const struct nlmsghdr *message)
{
	const struct ifaddrmsg *header = nlmsg_data(message);
	struct network *network = network_of_host((int)header->ifa_index);
	char name[INTERFACE_NAME_SIZE];

	if (network)
		network_repair(network, REPAIR_BRIDGE);
	/* Routes from this address go with it in silence. */
	if (link_name((int)header->ifa_index, name) && uplink_is_used(linux_platform.broker, name))
		look_at_uplinks();
}

static bool is_of_network(const struct network *network, const struct route *route)
{
	const struct ipv4_subnet *subnet = &network->addresses.ipv4_subnet;
	const struct ipv6_prefix *prefix = &network->addresses.ipv6_prefix;

	if (route->family == AF_INET)
		return route->destination_length == subnet->length &&
		       memcmp(&route->destination, &subnet->address, sizeof(subnet->address)) == 0;
	return route->destination_length == prefix->length &&
	       memcmp(&route->destination, &prefix->address, sizeof(prefix->address)) == 0;
}

static int on_taken_place(const struct route *route, void *userdata)
{
	(void)userdata;
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		if (network->config->mode != NETWORK_BRIDGED && is_of_network(network, route))
			network_repair(network, REPAIR_BRIDGE);
	return 0;
}

/*
 * The routes to a network's machines are the kernel's and ours, as few are that
 * come and go: a router's are not looked into. Of one that takes its place it is not
 * told whose that was.
 */
static void on_subnet_route(const struct nlmsghdr *message)
{
	const struct rtmsg *header = nlmsg_data(message);
	struct nlattr *device;
	struct network *network;

	if ((message->nlmsg_flags & NLM_F_REPLACE) != 0 && header->rtm_table == RT_TABLE_MAIN &&
	    header->rtm_dst_len)
		(void)route_parse(message, on_taken_place, NULL);
	if (message->nlmsg_type != RTM_DELROUTE ||
	    (header->rtm_protocol != RTPROT_KERNEL && header->rtm_protocol != ROUTING_PROTOCOL))
		return;
	device = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(*header), RTA_OIF);
	if (!device || nla_len(device) < (int)sizeof(uint32_t))
		return;
	network = network_of_host((int)nla_get_u32(device));
	if (network)
		network_repair(network, REPAIR_BRIDGE);
}

/* What we do ourselves is right already. */
static void on_route(const struct nlmsghdr *message)
{
	if (netlink_is_own(message))
		return;
	on_subnet_route(message);
	if (((const struct rtmsg *)nlmsg_data(message))->rtm_dst_len == 0)
		monitor_look_around();
	if (uplink_route_is_concerned(linux_platform.broker, message))
		look_at_uplinks();
}

/*
 * All settings at once are told of a link that is new, which on_link() hears
 * of. A single one was changed: by ourselves, when it is of our own link, or by
 * somebody who has switched forwarding off for our bridge. Older headers do not
 * know the attribute that tells of IPv6's.
 */
static void on_settings(const struct nlmsghdr *message)
{
	static const struct nla_policy policy[NETCONFA_MAX + 1] = {
		[NETCONFA_IFINDEX] = { .type = NLA_U32 },
		[NETCONFA_FORWARDING] = { .type = NLA_U32 },
		[NETCONFA_RP_FILTER] = { .type = NLA_U32 },
	};
	struct nlattr *attributes[NETCONFA_MAX + 1];
	char name[INTERFACE_NAME_SIZE];
	struct network *network;
	int index;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(struct netconfmsg), attributes,
			NETCONFA_MAX, policy) < 0 ||
	    !attributes[NETCONFA_IFINDEX] || attributes[NETCONFA_PROXY_NEIGH])
		return;
	index = (int)nla_get_u32(attributes[NETCONFA_IFINDEX]);
	network = network_of_host(index);
	if (network && network->config->vxlan.vni && attributes[NETCONFA_RP_FILTER] &&
	    nla_get_u32(attributes[NETCONFA_RP_FILTER]) != 2)
		network_repair(network, REPAIR_BRIDGE);
	if (index > 0 && link_name(index, name) && is_own_link_name(name) &&
	    (!network_of_host(index) ||
	     (attributes[NETCONFA_FORWARDING] && nla_get_u32(attributes[NETCONFA_FORWARDING]))))
		return;
	monitor_look_around();
}

static void on_message(const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (nlmsg_datalen(message) >= (int)sizeof(struct ifinfomsg))
			on_link(message);
		break;
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
		if (nlmsg_datalen(message) >= (int)sizeof(struct tcmsg) && !netlink_is_own(message))
			on_filters_gone(((const struct tcmsg *)nlmsg_data(message))->tcm_ifindex);
		break;
	case RTM_DELADDR:
		if (nlmsg_datalen(message) >= (int)sizeof(struct ifaddrmsg))
			on_address_gone(message);
		break;
	case RTM_NEWNETCONF:
		on_settings(message);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (nlmsg_datalen(message) >= (int)sizeof(struct rtmsg))
			on_route(message);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		if (!netlink_is_own(message) && precedence_is_concerned(message))
			timer_set_unless_on(monitor.rules, REFRESH_USEC);
		break;
	default:
		break;
	}
}

static void look_at_all(void)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		network_repair(network, REPAIR_BRIDGE);
	interfaces_look(linux_platform.broker);
	monitor_look_around();
}

static int on_rested(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	return sd_event_source_set_enabled(monitor.source, SD_EVENT_ON);
}

static void rest(void)
{
	timer_set(monitor.rest, REST_USEC);
	(void)sd_event_source_set_enabled(monitor.source, SD_EVENT_OFF);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	bool lost;
	int result = netlink_listener_read(monitor.socket, on_message, &lost);

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	if (result == -EAGAIN)
		rest();
	else if (result < 0)
		log_warning(NULL, "a notification of the kernel cannot be read: %s",
			    strerror(-result));
	if (lost) {
		log_warning(NULL, "notifications of the kernel were lost; looking at everything");
		look_at_all();
	}
	return 0;
}

static int open_socket(void)
{
	int result = netlink_listener_open(&monitor.socket, NETLINK_ROUTE);

	if (result < 0)
		return result;
	return nl_socket_add_memberships(
		monitor.socket, RTNLGRP_LINK, RTNLGRP_TC, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
		RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE, 0);
}

int monitor_start(void)
{
	int result = open_socket();

	if (result < 0) {
		log_error(NULL, "the kernel's notifications cannot be had: %s",
			  nl_geterror(result));
		monitor_stop();
		return -EIO;
	}
	result = sd_event_add_io(linux_platform.event, &monitor.source,
				 nl_socket_get_fd(monitor.socket), EPOLLIN, on_readable, NULL);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.rest, on_rested, NULL);
	if (result >= 0)
		result = sd_event_source_set_time_accuracy(monitor.rest, 1);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.pause, on_refresh, NULL);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.ports, on_ports, NULL);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.uplinks, on_uplinks, NULL);
	if (result >= 0)
		result = timer_add(linux_platform.event, &monitor.rules, on_rules, NULL);
	if (result < 0)
		monitor_stop();
	return result;
}

void monitor_stop(void)
{
	monitor.source = sd_event_source_disable_unref(monitor.source);
	monitor.rest = sd_event_source_disable_unref(monitor.rest);
	monitor.pause = sd_event_source_disable_unref(monitor.pause);
	monitor.ports = sd_event_source_disable_unref(monitor.ports);
	monitor.uplinks = sd_event_source_disable_unref(monitor.uplinks);
	monitor.rules = sd_event_source_disable_unref(monitor.rules);
	nl_socket_free(monitor.socket);
	monitor.socket = NULL;
}
