/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's table of nftables, of family inet: what machines may reach, and by which address.
 * Text alone, which firewall.c hands in. Packets of a bridge find their network's chain by its
 * group, others' by an address or a port. It hooks in where packets
 *
 *   come in                 spoofed: the network's addresses from its bridge, and
 *                           no others from there to the host, but those behind it
 *                           returning: by which way
 *   are for the host        input: its addresses on the network are for its machines
 *   pass through the host   forward: leaving and entering, by the network's mode
 *   are the host's own      advertised: routes to the network, to it alone
 *   begin a connection      prerouting, output (forwarded ports), postrouting (NAT)
 *   go out                  masqueraded: with NAT, never by a machine's own address
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/array.h"
#include "firewall.h"
#include "tables.h"

/*
 * Elements that lead to the network's chains, by the bridge, and by the host's own device if
 * there is one.
 */
static void write_bridge_map(struct rules *rules, const char *name, const char *how,
			     const char *kind, const char *own_kind)
{
	const struct group_element elements[] = {
		{ rules->place->bridge_group, kind },
		{ rules->place->own_group, rules->host ? own_kind : NULL },
	};

	write_group_map(rules, name, how, elements, ARRAY_SIZE(elements));
}

void write_for_bridges(const struct rules *rules, const char *side, const char *verdict)
{
	(void)fprintf(rules->file, "%sgroup & 0x%08x == 0x%08x %s\n", side, FIREWALL_GROUPS_MASK,
		      FIREWALL_BRIDGE_GROUPS, verdict);
}

/*
 * What comes by the host's loopback ("iif"), or goes there ("oif"): by its type, as for its
 * index libnftables lists all links. Whose a TUN device is can give it that type, too, but
 * not the name.
 */
static void write_accept_loopback(const struct rules *rules, const char *side)
{
	(void)fprintf(rules->file, "%stype loopback %sname \"lo\" accept\n", side, side);
}

/* Somebody has put it into another group. An older broker's is in none, and has its own rules. */
static void write_drop_without_group(const struct rules *rules, const char *side)
{
	if (!rules->place->is_shared)
		(void)fprintf(rules->file, "%sname \"" BRIDGE_PREFIX "*\" drop\n", side);
}

/* A prefix of three bytes, as most are, takes the kernel longer than four bytes and a mask. */
static void write_within_subnet(const struct rules *rules, const char *side, const char *verdict)
{
	const struct in_addr mask = ipv4_subnet_mask(&rules->ipv4_subnet);

	(void)fprintf(rules->file, "ip %s & 0x%08" PRIx32 " == 0x%08" PRIx32 " %s\n", side,
		      ntohl(mask.s_addr), ntohl(rules->ipv4_subnet.address.s_addr), verdict);
}

static const char *prefix_if(const struct rules *rules, bool wanted)
{
	return rules->has_ipv6 && wanted ? rules->prefix : NULL;
}

/*
 * Where br_netfilter is loaded, what machines send each other comes by as well, and
 * what is for everybody does. From where it is, and to whom, is the machines' own
 * business. But a connection does not say on which link it is: one of addresses
 * beyond the network could be the host's with somebody elsewhere, and would let him
 * in. So these are not tracked, in neither direction. The host gets none of them: see
 * bridge_table.c.
 */
static void write_bridged(const struct rules *rules)
{
	write_own_chain(rules, "bridged", NULL);
	write_within_network(rules);
	(void)fprintf(rules->file, "notrack\n"
				   "}\n");
}

/*
 * Nothing comes to the host from a machine with an address of somebody else, and
 * nothing from elsewhere with one of the network's, whatever the host's reverse path
 * filter is set to. What is behind a machine is right there: whatever the host has
 * its own route for by this bridge. Loopback addresses are refused as destinations
 * too: with forwarded ports the bridge routes them.
 *
 * What comes from another bridge of ours is that one's to look at.
 */
static void write_machine(const struct rules *rules)
{
	char mac[MAC_TEXT_SIZE];

	write_own_chain(rules, "machine", NULL);
	(void)fprintf(rules->file,
		      "ip daddr 127.0.0.0/8 drop\n"
		      "ether daddr != %s goto bridged-%s\n",
		      mac_address_format(&rules->bridge_mac, mac), rules->name);
	write_within_subnet(rules, "saddr", "accept");
	if (rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 saddr %s accept\n", rules->prefix);
	(void)fprintf(rules->file, "ip6 saddr fe80::/10 accept\n"
				   "ip saddr 0.0.0.0 accept\n"
				   "ip6 saddr :: accept\n"
				   "fib saddr . iif oif missing drop\n"
				   "}\n");
}

static void write_spoofed(struct rules *rules)
{
	write_bridged(rules);
	write_machine(rules);
	write_own_chain(rules, "outsider", NULL);
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
	write_bridge_map(rules, "machines_by_group", "goto", "machine", "vxlan_machine");
	write_map(rules, "outsiders4", KEY_SUBNET, rules->subnet, "goto", "outsider");
	write_map(rules, "outsiders6", KEY_PREFIX, prefix_if(rules, true), "goto", "outsider");
	write_way(rules, "machines", "iifgroup vmap @machines_by_group");
	write_chain(rules, "spoofed", "type filter hook prerouting priority raw");
	write_for_bridges(rules, "iif", "goto machines");
	write_accept_loopback(rules, "iif");
	write_drop_without_group(rules, "iif");
	(void)fprintf(rules->file, "ip saddr vmap @outsiders4\n"
				   "ip6 saddr vmap @outsiders6\n"
				   "}\n");
}

bool has_other_ways_in(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	return config->mode == NETWORK_SHARED && config->external_interface &&
	       config->n_port_forwardings;
}

/* What comes back of such a connection goes where it came from: see uplink.c. */
static void write_returning(const struct rules *rules)
{
	write_chain(rules, "returning", "type filter hook prerouting priority mangle");
	(void)fprintf(rules->file,
		      "iifname \"" BRIDGE_PREFIX "*\" ct direction reply ct label %u "
		      "meta mark set meta mark | 0x%08" PRIx32 "\n"
		      "}\n",
		      CAME_IN_ELSEWHERE, UPLINK_EXEMPT_MARK);
}

/*
 * Link-local addresses are a link's own. A machine that reached one by NAT would
 * speak as the host: to a cloud's metadata service, with the host's credentials.
 * They are known by what was asked for, as others' rules may have led it
 * elsewhere by then, and refused at once: machines look for such a service when
 * they start, and wait for it.
 */
static void write_link_local(const struct rules *rules)
{
	if (!rules->config->link_local)
		(void)fprintf(rules->file,
			      "ct direction original ct original ip daddr "
			      "169.254.0.0/16 reject with icmp type admin-prohibited\n");
}

/*
 * The host is reached at its address there by machines and itself; without NAT,
 * by others too, but for the name server, which looks at addresses only.
 */
static void write_gateway(const struct rules *rules, bool nat, const char *match)
{
	const struct network_config *config = rules->config;

	if (nat || config->mode != NETWORK_SHARED) {
		(void)fprintf(rules->file, "%s drop\n", match);
		return;
	}
	if (config->dns_proxy)
		(void)fprintf(rules->file, "%s meta l4proto { tcp, udp } th dport 53 drop\n",
			      match);
	if (config->external_interface)
		(void)fprintf(rules->file, "iifname != \"%s\" %s drop\n",
			      config->external_interface, match);
	else
		(void)fprintf(rules->file, "iifname \"" BRIDGE_PREFIX "*\" %s drop\n", match);
}

/* What its own machines say to the host, of which other networks have nothing to say. */
static void write_own_input(const struct rules *rules)
{
	write_own_chain(rules, "input", NULL);
	write_link_local(rules);
	write_within_subnet(rules, "daddr", "accept");
	if (rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 daddr %s accept\n", rules->prefix);
	(void)fprintf(rules->file, "}\n");
}

static void write_gateways(struct rules *rules)
{
	write_own_chain(rules, "gateway", NULL);
	write_gateway(rules, rules->config->nat44, "meta nfproto ipv4");
	if (rules->has_ipv6)
		write_gateway(rules, rules->config->nat66, "meta nfproto ipv6");
	(void)fprintf(rules->file, "}\n");
	write_map(rules, "gateways4", KEY_SUBNET, rules->subnet, "goto", "gateway");
	write_map(rules, "gateways6", KEY_PREFIX, prefix_if(rules, true), "goto", "gateway");
}

static void write_input(struct rules *rules)
{
	write_own_input(rules);
	write_gateways(rules);
	write_bridge_map(rules, "inputs_by_group", "goto", "input", "vxlan_input");
	write_way(rules, "inputs", "iifgroup vmap @inputs_by_group");
	write_chain(rules, "input", "type filter hook input priority filter");
	write_for_bridges(rules, "iif", "jump inputs");
	write_accept_loopback(rules, "iif");
	(void)fprintf(rules->file, "ct direction reply accept\n"
				   "ip daddr vmap @gateways4\n"
				   "ip6 daddr vmap @gateways6\n"
				   "}\n");
}

/*
 * A dnsmasq whose bridge goes sends its next router advertisement wherever
 * multicast goes, and would make the host a router of the network outside. It
 * is known by its first option, the prefix: 32 bytes from the start. One that was
 * taken over can send what it likes by that socket: to networks of the broker's
 * alone.
 */
static void write_advertised(struct rules *rules)
{
	char prefix[2 + 2 * sizeof(rules->ipv6_prefix) + 1] = "0x";

	write_own_chain(rules, "advertised", NULL);
	(void)fprintf(rules->file, "oifname != \"%s\" drop\n}\n", rules->bridge);
	address_bits_format(&rules->ipv6_prefix, prefix + 2);
	write_map(rules, "advertised", KEY_ADVERTISED, prefix, "goto", "advertised");
	write_chain(rules, "advertised", "type filter hook output priority filter");
	(void)fprintf(rules->file, "icmpv6 type nd-router-advert @th,256,128 vmap @advertised\n");
	if (rules->place->server)
		(void)fprintf(rules->file,
			      "meta l4proto icmpv6 oifname != \"" BRIDGE_PREFIX
			      "*\" meta skuid %u drop\n",
			      rules->place->server);
	(void)fprintf(rules->file, "}\n");
}

void write_segment_size(const struct rules *rules)
{
	(void)fprintf(rules->file, "tcp flags syn tcp option maxseg size set rt mtu\n");
}

/*
 * Refused, so that nobody waits for an answer. Not by a reset of TCP: connections
 * outlive an interface that is down for a while.
 */
static void write_external(const struct rules *rules)
{
	const char *interface = rules->config->external_interface;

	if (interface)
		(void)fprintf(rules->file,
			      "oifname != \"%s\" reject with icmpx type admin-prohibited\n",
			      interface);
}

/* From one machine to another: forwarded ports, and what write_leaving() says. */
static void write_between(const struct rules *rules)
{
	write_own_chain(rules, "between", NULL);
	if (!rules->config->isolated)
		(void)fprintf(rules->file, "oifname \"%s\" accept\n", rules->bridge);
	if (rules->host)
		write_vxlan_between(rules);
	if (rules->config->mode == NETWORK_SHARED)
		write_link_local(rules);
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
}

/*
 * By way of the host. Where br_netfilter is loaded, every frame that the bridge passes on
 * comes by, too.
 */
static void write_leaving(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	write_between(rules);
	write_own_chain(rules, "leaving", NULL);
	(void)fprintf(rules->file, "oifname \"" BRIDGE_PREFIX "*\" goto between-%s\n", rules->name);
	if (rules->host)
		(void)fprintf(rules->file, "oifname \"%s\" goto between-%s\n", rules->own,
			      rules->name);
	if (config->mode == NETWORK_SHARED) {
		write_link_local(rules);
		write_segment_size(rules);
		(void)fprintf(rules->file, "ct direction reply accept\n");
		write_external(rules);
		(void)fprintf(rules->file, "goto " FIREWALL_OTHERS_CHAIN "%s\n", rules->name);
	} else {
		(void)fprintf(rules->file, "drop\n");
	}
	(void)fprintf(rules->file, "}\n");
}

/* Without NAT the outside knows the machines' own addresses, and may begin. */
static void write_routed(const struct rules *rules, const char *protocol)
{
	const char *interface = rules->config->external_interface;

	(void)fprintf(rules->file, "meta nfproto %s ", protocol);
	if (interface)
		(void)fprintf(rules->file, "iifname \"%s\" ", interface);
	(void)fprintf(rules->file, "accept\n");
}

/* From elsewhere than a bridge of ours. */
static void write_entering(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	write_own_chain(rules, "entering", NULL);
	if (config->mode == NETWORK_SHARED) {
		write_segment_size(rules);
		(void)fprintf(rules->file, "ct state established,related accept\n");
		if (has_other_ways_in(rules))
			(void)fprintf(rules->file,
				      "iifname != \"%s\" ct status dnat ct label set %u\n",
				      config->external_interface, CAME_IN_ELSEWHERE);
		(void)fprintf(rules->file, "ct status dnat accept\n");
		if (!config->nat44)
			write_routed(rules, "ipv4");
		if (!config->nat66)
			write_routed(rules, "ipv6");
	}
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
}

static void write_forward(struct rules *rules)
{
	write_leaving(rules);
	/* foreign_firewalls.c fills it. */
	write_own_chain(rules, "others", NULL);
	(void)fprintf(rules->file, "}\n");
	write_entering(rules);
	write_bridge_map(rules, "leaving_by_group", "goto", "leaving", "vxlan_leaving");
	write_bridge_map(rules, "entering_by_group", "goto", "entering", "entering");
	write_way(rules, "leaving", "iifgroup vmap @leaving_by_group");
	write_way(rules, "entering", "oifgroup vmap @entering_by_group");
	write_chain(rules, "forward", "type filter hook forward priority filter");
	write_for_bridges(rules, "iif", "goto leaving");
	write_for_bridges(rules, "oif", "goto entering");
	write_drop_without_group(rules, "oif");
	(void)fprintf(rules->file, "}\n");
}

/* Ports that lead to as many others: NAT can lead to one of several, or to the same. */
static void write_port_map(const struct rules *rules, const struct port_forwarding *port)
{
	(void)fprintf(rules->file, ":th dport map {");
	for (unsigned int i = 0; i < port->n_ports; i++)
		(void)fprintf(rules->file, "%s %u : %u", i ? "," : "", port->external_port + i,
			      port->internal_port + i);
	(void)fprintf(rules->file, " }");
}

static void write_forwarded_port(const struct rules *rules, const struct port_forwarding *port)
{
	static const char *const protocols[] = {
		[FORWARD_TCP] = "tcp",
		[FORWARD_UDP] = "udp",
		[FORWARD_TCP | FORWARD_UDP] = "meta l4proto { tcp, udp } th",
	};
	const bool ipv6 = port->family == AF_INET6;
	char address[INET6_ADDRSTRLEN];

	(void)fprintf(rules->file, "meta nfproto %s ", ipv6 ? "ipv6" : "ipv4");
	if (port->has_external_address)
		(void)fprintf(
			rules->file, "%s daddr %s ", ipv6 ? "ip6" : "ip",
			inet_ntop(port->family, &port->external_address, address, sizeof(address)));
	(void)fprintf(rules->file, "%s dport %u", protocols[port->protocols], port->external_port);
	if (port->n_ports > 1)
		(void)fprintf(rules->file, "-%u", port->external_port + port->n_ports - 1U);
	inet_ntop(port->family, &port->internal_address, address, sizeof(address));
	(void)fprintf(rules->file, ipv6 ? " dnat ip6 to [%s]" : " dnat ip to %s", address);
	if (port->n_ports == 1)
		(void)fprintf(rules->file, ":%u", port->internal_port);
	else if (port->internal_port != port->external_port)
		write_port_map(rules, port);
	(void)fprintf(rules->file, "\n");
}

/* What machines ask of the DNS and DHCP server of their own network is for no other machine. */
static void write_own_services(const struct rules *rules)
{
	(void)fprintf(rules->file, "iifname \"" BRIDGE_PREFIX "*\" ");
	if (!rules->config->dns_proxy)
		(void)fprintf(rules->file, "iifname != \"%s\" ", rules->bridge);
	(void)fprintf(rules->file, "fib daddr . iif type local meta l4proto { tcp, udp } "
				   "th dport { 53, 67 } accept\n");
}

/*
 * Forwarded ports, reached at addresses of the host: from elsewhere, or from itself.
 * An exception is ::1 where bridges apply NAT themselves: the host would take their
 * answers for packets for ::1 from the wire, and drop them. Another is 127.0.0.0/8
 * from elsewhere: a neighbour outside can send such packets, and the host would drop
 * them only after NAT, when they are for a machine already.
 *
 * These chains are hooked in by each network: but for the first packet of a
 * connection nothing passes them.
 */
static void write_forwarded_ports(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	write_own_chain(rules, "forwarded", NULL);
	(void)fprintf(rules->file, "fib daddr type != local return\n");
	if (!rules->place->ipv6_loopback)
		(void)fprintf(rules->file, "ip6 daddr ::1 return\n");
	for (size_t i = 0; i < config->n_port_forwardings; i++)
		write_forwarded_port(rules, &config->port_forwardings[i]);
	(void)fprintf(rules->file, "}\n");
	write_own_chain(rules, "prerouting", "type nat hook prerouting priority dstnat");
	write_own_services(rules);
	(void)fprintf(rules->file,
		      "ip daddr 127.0.0.0/8 accept\n"
		      "jump forwarded-%s\n"
		      "}\n",
		      rules->name);
	write_own_chain(rules, "output", "type nat hook output priority -100");
	(void)fprintf(rules->file,
		      "jump forwarded-%s\n"
		      "}\n",
		      rules->name);
}

/*
 * Who uses a forwarded port and could not be answered at its own address, being
 * the host's loopback or a machine of the same network, comes from the
 * gateway's.
 */
static void write_returned(const struct rules *rules)
{
	static const char format[] = "ct status dnat %s saddr %s masquerade\n";

	write_own_chain(rules, "returned", NULL);
	(void)fprintf(rules->file, format, "ip", "127.0.0.0/8");
	(void)fprintf(rules->file, format, "ip", rules->subnet);
	if (rules->has_ipv6) {
		(void)fprintf(rules->file, format, "ip6", "::1");
		(void)fprintf(rules->file, format, "ip6", rules->prefix);
	}
	(void)fprintf(rules->file, "}\n");
}

/* What comes from the bridge, in the families that have NAT: from behind machines, too. */
static void write_for_nat(const struct rules *rules, const char *action)
{
	if (rules->config->nat44)
		(void)fprintf(rules->file, "meta nfproto ipv4 %s\n", action);
	if (rules->config->nat66)
		(void)fprintf(rules->file, "meta nfproto ipv6 %s\n", action);
}

/* Maps by addresses that NAT hides, and by the bridge: they lead to chains of these kinds. */
static void write_hidden(struct rules *rules, const char *kind, const char *how,
			 const char *from_bridge)
{
	const struct network_config *config = rules->config;
	char name[32];

	(void)snprintf(name, sizeof(name), "%s4", kind);
	write_map(rules, name, KEY_SUBNET, config->nat44 ? rules->subnet : NULL, "goto", kind);
	(void)snprintf(name, sizeof(name), "%s6", kind);
	write_map(rules, name, KEY_PREFIX, prefix_if(rules, config->nat66), "goto", kind);
	(void)snprintf(name, sizeof(name), "%s_by_group", from_bridge);
	write_bridge_map(rules, name, how, config->nat44 || config->nat66 ? from_bridge : NULL,
			 NULL);
}

/*
 * Ports that no user's socket can have are no machine's either, when it speaks with the host's
 * address: by these a network's hosts know each other, also those where it is not active.
 */
#define MASQUERADE_LOW "udp sport < 1024 masquerade to :1024-65535"

static void write_masquerade(const struct rules *rules)
{
	write_own_chain(rules, "masquerade", NULL);
	(void)fprintf(rules->file,
		      "oifname \"%s\" accept\n" MASQUERADE_LOW "\n"
		      "masquerade\n"
		      "}\n",
		      rules->bridge);
	write_own_chain(rules, "behind", NULL);
	(void)fprintf(rules->file, "oifname \"%s\" accept\n", rules->bridge);
	write_for_nat(rules, MASQUERADE_LOW);
	write_for_nat(rules, "masquerade");
	(void)fprintf(rules->file, "}\n");
}

static void write_postrouting(struct rules *rules)
{
	if (rules->config->n_port_forwardings)
		write_returned(rules);
	write_bridge_map(rules, "returned_by_group", "jump",
			 rules->config->n_port_forwardings ? "returned" : NULL, "vxlan_returned");
	write_masquerade(rules);
	write_hidden(rules, "masquerade", "goto", "behind");
	write_chain(rules, "postrouting", "type nat hook postrouting priority srcnat");
	write_accept_loopback(rules, "oif");
	(void)fprintf(rules->file, "oifgroup vmap @returned_by_group\n"
				   "ip saddr vmap @masquerade4\n"
				   "ip6 saddr vmap @masquerade6\n"
				   "iifgroup vmap @behind_by_group\n"
				   "}\n");
}

/*
 * Not everything is of a connection that NAT knows: a stray RST, an answer that
 * nobody asked for, what a connection goes on with that began without our rules.
 * To another bridge of ours nothing is passed on, but by that bridge itself. What
 * is from behind a machine has no address to know it by, but NAT has left its mark.
 * What comes by a bridge its own network is asked about first, which knows its subnet
 * without a look into a map.
 */
static void write_masqueraded(struct rules *rules)
{
	write_own_chain(rules, "unmasked", NULL);
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
	write_own_chain(rules, "unmarked", NULL);
	if (rules->config->nat44)
		write_within_subnet(rules, "saddr", "drop");
	if (rules->has_ipv6 && rules->config->nat66)
		(void)fprintf(rules->file, "ip6 saddr %s drop\n", rules->prefix);
	(void)fprintf(rules->file, "ct status snat,dnat accept\n");
	write_for_nat(rules, "drop");
	(void)fprintf(rules->file, "}\n");
	write_hidden(rules, "unmasked", "jump", "unmarked");
	write_chain(rules, "masqueraded", "type filter hook postrouting priority srcnat + 1");
	write_accept_loopback(rules, "oif");
	write_for_bridges(rules, "oif", "accept");
	(void)fprintf(rules->file, "iifgroup vmap @unmarked_by_group\n"
				   "ip saddr vmap @unmasked4\n"
				   "ip6 saddr vmap @unmasked6\n"
				   "}\n");
}

/*
 * The last of them has gone with its machine, or a broker that has lost the network's record has
 * left some of another configuration.
 */
static void write_no_ports(const struct rules *rules)
{
	static const char *const kinds[] = { "prerouting", "output", "forwarded" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		(void)fprintf(rules->emptied,
			      "add chain inet " FIREWALL_TABLE " %s-%s\n"
			      "flush chain inet " FIREWALL_TABLE " %s-%s\n"
			      "delete chain inet " FIREWALL_TABLE " %s-%s\n",
			      kinds[i], rules->name, kinds[i], rules->name, kinds[i], rules->name);
}

void write_inet_table(struct rules *rules)
{
	const struct network_config *config = rules->config;

	write_spoofed(rules);
	write_input(rules);
	write_forward(rules);
	if (rules->has_ipv6 && config->router_advertisement)
		write_advertised(rules);
	if (config->mode == NETWORK_SHARED && config->n_port_forwardings)
		write_forwarded_ports(rules);
	else
		write_no_ports(rules);
	if (rules->host)
		write_vxlan_in_inet(rules);
	if (config->mode == NETWORK_SHARED) {
		if (has_other_ways_in(rules))
			write_returning(rules);
		write_postrouting(rules);
		if (config->nat44 || config->nat66)
			write_masqueraded(rules);
	}
}
