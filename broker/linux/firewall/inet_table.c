/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's table of nftables, of family inet: what machines may reach, and by which address.
 * Text alone, which firewall.c hands in. It hooks in where packets
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

#include "tables.h"

/* The label of a connection to a forwarded port, one of 128 that connections can have. */
#define CAME_IN_ELSEWHERE 118U

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
	(void)fprintf(rules->file, "chain bridged {\n");
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
static void write_spoofed(const struct rules *rules)
{
	char mac[MAC_TEXT_SIZE];

	write_bridged(rules);
	(void)fprintf(rules->file,
		      "chain machine {\n"
		      "ip daddr 127.0.0.0/8 drop\n"
		      "ether daddr != %s goto bridged\n"
		      "ip saddr %s accept\n",
		      mac_address_format(&rules->bridge_mac, mac), rules->subnet);
	if (rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 saddr %s accept\n", rules->prefix);
	(void)fprintf(rules->file,
		      "ip6 saddr fe80::/10 accept\n"
		      "ip saddr 0.0.0.0 accept\n"
		      "ip6 saddr :: accept\n"
		      "fib saddr . iif oif missing drop\n"
		      "}\n"
		      "chain spoofed {\n"
		      "type filter hook prerouting priority raw; policy accept;\n"
		      "iifname \"%s\" goto machine\n"
		      "iifname \"lo\" accept\n"
		      "ip saddr %s iifname != \"" BRIDGE_PREFIX "*\" drop\n",
		      rules->bridge, rules->subnet);
	if (rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 saddr %s iifname != \"" BRIDGE_PREFIX "*\" drop\n",
			      rules->prefix);
	(void)fprintf(rules->file, "}\n");
}

/* Ports are forwarded, and connections to them may begin elsewhere than behind the uplink. */
static bool has_other_ways_in(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	return config->mode == NETWORK_SHARED && config->external_interface &&
	       config->n_port_forwardings;
}

/* What comes back of such a connection goes where it came from: see uplink.c. */
static void write_returning(const struct rules *rules)
{
	(void)fprintf(rules->file,
		      "chain returning {\n"
		      "type filter hook prerouting priority mangle; policy accept;\n"
		      "iifname \"%s\" ct direction reply ct label %u "
		      "meta mark set meta mark | 0x%08" PRIx32 "\n"
		      "}\n",
		      rules->bridge, CAME_IN_ELSEWHERE, UPLINK_EXEMPT_MARK);
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
			      "iifname \"%s\" ct direction original ct original ip daddr "
			      "169.254.0.0/16 reject with icmp type admin-prohibited\n",
			      rules->bridge);
}

/*
 * The host is reached at its address there by machines and itself; without NAT,
 * by others too, but for the name server, which looks at addresses only.
 */
static void write_gateway(const struct rules *rules, bool nat, const char *match,
			  const char *addresses)
{
	const struct network_config *config = rules->config;

	if (nat || config->mode != NETWORK_SHARED) {
		(void)fprintf(rules->file, "%s %s drop\n", match, addresses);
		return;
	}
	if (config->dns_proxy)
		(void)fprintf(rules->file, "%s %s meta l4proto { tcp, udp } th dport 53 drop\n",
			      match, addresses);
	if (config->external_interface)
		(void)fprintf(rules->file, "iifname != \"%s\" %s %s drop\n",
			      config->external_interface, match, addresses);
	else
		(void)fprintf(rules->file, "iifname \"" BRIDGE_PREFIX "*\" %s %s drop\n", match,
			      addresses);
}

static void write_input(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	(void)fprintf(rules->file, "chain input {\n"
				   "type filter hook input priority filter; policy accept;\n");
	write_link_local(rules);
	(void)fprintf(rules->file,
		      "iifname \"lo\" accept\n"
		      "iifname \"%s\" accept\n"
		      "ct direction reply accept\n",
		      rules->bridge);
	write_gateway(rules, config->nat44, "ip daddr", rules->subnet);
	if (rules->has_ipv6)
		write_gateway(rules, config->nat66, "ip6 daddr", rules->prefix);
	(void)fprintf(rules->file, "}\n");
}

/*
 * A dnsmasq whose bridge goes sends its next router advertisement wherever
 * multicast goes, and would make the host a router of the network outside. It
 * is known by its first option, the prefix: 32 bytes from the start. One that was
 * taken over can send what it likes by that socket: to networks of the broker's
 * alone.
 */
static void write_advertised(const struct rules *rules)
{
	(void)fprintf(rules->file,
		      "chain advertised {\n"
		      "type filter hook output priority filter; policy accept;\n"
		      "oifname != \"%s\" icmpv6 type nd-router-advert @th,256,128 0x",
		      rules->bridge);
	write_address_bits(rules, &rules->ipv6_prefix);
	(void)fprintf(rules->file, " drop\n");
	if (rules->server)
		(void)fprintf(rules->file,
			      "oifname != \"" BRIDGE_PREFIX "*\" meta skuid %u "
			      "meta l4proto ipv6-icmp drop\n",
			      rules->server);
	(void)fprintf(rules->file, "}\n");
}

/*
 * A way out may be narrower than the network, and what says so may be lost on its
 * way: both ends are told, when a connection begins, what fits through the routes
 * to either.
 */
static void write_segment_size(const struct rules *rules)
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

static void write_leaving(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	(void)fprintf(rules->file, "chain leaving {\n");
	/*
	 * From one machine to another by way of the host: forwarded ports, and,
	 * where br_netfilter is loaded, every frame that the bridge passes on.
	 */
	if (!config->isolated)
		(void)fprintf(rules->file, "oifname \"%s\" accept\n", rules->bridge);
	if (config->mode == NETWORK_SHARED) {
		write_link_local(rules);
		(void)fprintf(rules->file, "oifname \"" BRIDGE_PREFIX "*\" drop\n");
		write_segment_size(rules);
		(void)fprintf(rules->file, "ct direction reply accept\n");
		write_external(rules);
		(void)fprintf(rules->file, "accept\n");
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

static void write_entering(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	(void)fprintf(rules->file, "chain entering {\n");
	if (config->mode == NETWORK_SHARED) {
		(void)fprintf(rules->file, "iifname \"" BRIDGE_PREFIX "*\" drop\n");
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

static void write_forward(const struct rules *rules)
{
	write_leaving(rules);
	write_entering(rules);
	(void)fprintf(rules->file,
		      "chain forward {\n"
		      "type filter hook forward priority filter; policy accept;\n"
		      "iifname \"%s\" goto leaving\n"
		      "oifname \"%s\" goto entering\n"
		      "}\n",
		      rules->bridge, rules->bridge);
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
 */
static void write_forwarded_ports(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	(void)fprintf(rules->file, "chain forwarded {\n"
				   "fib daddr type != local return\n");
	if (!rules->ipv6_loopback)
		(void)fprintf(rules->file, "ip6 daddr ::1 return\n");
	for (size_t i = 0; i < config->n_port_forwardings; i++)
		write_forwarded_port(rules, &config->port_forwardings[i]);
	(void)fprintf(rules->file, "}\n"
				   "chain prerouting {\n"
				   "type nat hook prerouting priority dstnat; policy accept;\n");
	write_own_services(rules);
	(void)fprintf(rules->file, "ip daddr 127.0.0.0/8 accept\n"
				   "jump forwarded\n"
				   "}\n"
				   "chain output {\n"
				   "type nat hook output priority -100; policy accept;\n"
				   "jump forwarded\n"
				   "}\n");
}

/*
 * Who uses a forwarded port and could not be answered at its own address, being
 * the host's loopback or a machine of the same network, comes from the
 * gateway's.
 */
static void write_returned(const struct rules *rules)
{
	static const char format[] = "oifname \"%s\" ct status dnat %s saddr %s masquerade\n";

	(void)fprintf(rules->file, format, rules->bridge, "ip", "127.0.0.0/8");
	(void)fprintf(rules->file, format, rules->bridge, "ip", rules->subnet);
	if (!rules->has_ipv6)
		return;
	(void)fprintf(rules->file, format, rules->bridge, "ip6", "::1");
	(void)fprintf(rules->file, format, rules->bridge, "ip6", rules->prefix);
}

/* What comes from the bridge, in the families that have NAT: from behind machines, too. */
static void write_for_nat(const struct rules *rules, const char *action)
{
	static const char format[] = "iifname \"%s\" meta nfproto %s %s\n";

	if (rules->config->nat44)
		(void)fprintf(rules->file, format, rules->bridge, "ipv4", action);
	if (rules->config->nat66)
		(void)fprintf(rules->file, format, rules->bridge, "ipv6", action);
}

static void write_postrouting(const struct rules *rules)
{
	(void)fprintf(rules->file, "chain postrouting {\n"
				   "type nat hook postrouting priority srcnat; policy accept;\n");
	if (rules->config->n_port_forwardings)
		write_returned(rules);
	(void)fprintf(rules->file,
		      "oifname \"lo\" accept\n"
		      "oifname \"%s\" accept\n",
		      rules->bridge);
	if (rules->config->nat44)
		(void)fprintf(rules->file, "ip saddr %s masquerade\n", rules->subnet);
	if (rules->config->nat66 && rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 saddr %s masquerade\n", rules->prefix);
	write_for_nat(rules, "masquerade");
	(void)fprintf(rules->file, "}\n");
}

/*
 * Not everything is of a connection that NAT knows: a stray RST, an answer that
 * nobody asked for, what a connection goes on with that began without our rules.
 * To another bridge of ours nothing is passed on, but by that bridge itself. What
 * is from behind a machine has no address to know it by, but NAT has left its mark.
 */
static void write_masqueraded(const struct rules *rules)
{
	(void)fprintf(rules->file,
		      "chain from_bridge {\n"
		      "ct status snat,dnat accept\n"
		      "drop\n"
		      "}\n"
		      "chain masqueraded {\n"
		      "type filter hook postrouting priority srcnat + 1; policy accept;\n"
		      "oifname \"lo\" accept\n"
		      "oifname \"" BRIDGE_PREFIX "*\" accept\n");
	if (rules->config->nat44)
		(void)fprintf(rules->file, "ip saddr %s drop\n", rules->subnet);
	if (rules->config->nat66 && rules->has_ipv6)
		(void)fprintf(rules->file, "ip6 saddr %s drop\n", rules->prefix);
	write_for_nat(rules, "goto from_bridge");
	(void)fprintf(rules->file, "}\n");
}

void write_inet_table(const struct rules *rules)
{
	const struct network_config *config = rules->config;

	write_table_start(rules, "inet");
	write_spoofed(rules);
	write_input(rules);
	write_forward(rules);
	if (rules->has_ipv6 && config->router_advertisement)
		write_advertised(rules);
	if (config->mode == NETWORK_SHARED) {
		if (config->n_port_forwardings)
			write_forwarded_ports(rules);
		if (has_other_ways_in(rules))
			write_returning(rules);
		write_postrouting(rules);
		if (config->nat44 || config->nat66)
			write_masqueraded(rules);
	}
	(void)fprintf(rules->file, "}\n");
}
