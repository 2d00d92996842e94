/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines' table of nftables, of family bridge: what machines may send. It sees every frame
 * of a machine before the bridge does, also those for other machines, and keeps machines from
 * acting as the network's gateway. Text alone, which firewall.c hands in.
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/linux/linux.h"
#include "tables.h"

/* A neighbour discovery message about an address: its target follows 8 bytes of header. */
static void write_discovery(const struct rules *rules, const char *match,
			    const struct in6_addr *target)
{
	(void)fprintf(rules->file, "%s @th,64,128 0x", match);
	write_address_bits(rules, target);
	(void)fprintf(rules->file, " goto rogue\n");
}

/* Claims to have an address of the host's, or to be about to take it: the host would give it up. */
static void write_icmpv6(const struct rules *rules, const struct in6_addr *addresses, size_t n)
{
	(void)fprintf(rules->file, "chain of_icmpv6 {\n"
				   "icmpv6 type 133-137 exthdr frag exists goto rogue\n");
	if (rules->config->router_advertisement)
		(void)fprintf(rules->file,
			      "icmpv6 type { nd-router-advert, nd-redirect } goto rogue\n");
	for (size_t i = 0; i < n; i++) {
		write_discovery(rules, "icmpv6 type nd-neighbor-advert", &addresses[i]);
		write_discovery(rules, "ip6 saddr :: icmpv6 type nd-neighbor-solicit",
				&addresses[i]);
	}
	(void)fprintf(rules->file, "}\n");
}

/*
 * Few clients look at the port that an answer comes from. Hardware addresses of
 * other kinds than Ethernet's are of nobody here but the broker: see taken.h in
 * broker/linux/dnsmasq/.
 */
static void write_udp(const struct rules *rules)
{
	(void)fprintf(rules->file, "chain of_udp {\n");
	if (rules->config->dhcp)
		(void)fprintf(rules->file, "ether type ip udp sport 67 goto rogue\n"
					   "ether type ip udp dport 68 goto rogue\n"
					   "ether type ip udp dport 67 @th,72,16 0x0106 accept\n"
					   "ether type ip udp dport 67 goto rogue\n");
	if (rules->config->router_advertisement)
		(void)fprintf(rules->file, "ether type ip6 udp sport 547 goto rogue\n"
					   "ether type ip6 udp dport 546 goto rogue\n");
	(void)fprintf(rules->file, "}\n");
}

/*
 * Packets without a whole header of TCP, UDP or ICMP are something to whoever
 * puts them together in another way, and so is what nftables cannot parse. Later
 * fragments have no such header; first ones have it right behind the fragment
 * header, or it could be in a later one (RFC 7113), with something else in its
 * place after the packet's end. Neighbour discovery is never so long that it has
 * to be in fragments (RFC 6980). What follows an authentication header of IPv6
 * nftables does not look for.
 */
static void write_ipv4(const struct rules *rules)
{
	(void)fprintf(rules->file,
		      "chain of_ipv4 {\n"
		      "ip saddr %s goto rogue\n"
		      "ip frag-off & 0x1fff != 0 meta l4proto >= 0 accept\n"
		      "meta l4proto tcp @th,56,8 >= 0 accept\n"
		      "meta l4proto udp @th,56,8 >= 0 goto of_udp\n",
		      rules->gateway);
	if (rules->config->dhcp)
		(void)fprintf(rules->file, "icmp type router-advertisement goto rogue\n");
	(void)fprintf(rules->file, "meta l4proto icmp @th,56,8 >= 0 accept\n"
				   "meta l4proto { icmp, tcp, udp } goto rogue\n"
				   "meta l4proto >= 0 accept\n"
				   "goto rogue\n"
				   "}\n");
}

static void write_ipv6(const struct rules *rules)
{
	struct in6_addr addresses[2];
	char text[INET6_ADDRSTRLEN];
	size_t n = 0;

	inet_pton(AF_INET6, GATEWAY_LINK_LOCAL, &addresses[n++]);
	if (rules->has_ipv6)
		addresses[n++] = rules->ipv6_gateway;
	write_icmpv6(rules, addresses, n);
	(void)fprintf(rules->file, "chain of_ipv6 {\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(rules->file, "ip6 saddr %s goto rogue\n",
			      inet_ntop(AF_INET6, &addresses[i], text, sizeof(text)));
	(void)fprintf(rules->file, "frag nexthdr { 0, 43, 44, 51, 60 } goto rogue\n"
				   "meta l4proto tcp @th,56,8 >= 0 accept\n"
				   "meta l4proto udp @th,56,8 >= 0 goto of_udp\n"
				   "meta l4proto icmpv6 @th,56,8 >= 0 goto of_icmpv6\n"
				   "meta l4proto ah goto rogue\n"
				   "frag frag-off != 0 meta l4proto >= 0 accept\n"
				   "meta l4proto { tcp, udp, icmpv6 } goto rogue\n"
				   "meta l4proto >= 0 accept\n"
				   "goto rogue\n"
				   "}\n");
}

/*
 * Frames for VLAN 0, of either kind, are taken by machines as if they had no
 * tag, and so are those that say with a SNAP header what they are. The address
 * that an ARP message claims is looked for in the message itself: machines
 * believe it for hardware types that "arp saddr" is not about. Frames from the
 * bridge's address are the host's: machines' devices trust them. RARP's requests
 * are how QEMU says where a machine is; its answers give addresses, as DHCP's do.
 */
static void write_prerouting(const struct rules *rules)
{
	char mac[MAC_TEXT_SIZE];

	(void)fprintf(rules->file,
		      "chain of_arp {\n"
		      "@nh,32,16 != 0x0604 goto rogue\n"
		      "@nh,112,32 0x%08" PRIx32 " goto rogue\n"
		      "@nh,192,32 >= 0 accept\n"
		      "goto rogue\n"
		      "}\n"
		      "chain tagged {\n"
		      "vlan id 0 goto rogue\n"
		      "ether type 8021ad vlan id 0 goto rogue\n"
		      "}\n"
		      "chain prerouting {\n"
		      "type filter hook prerouting priority filter; policy accept;\n"
		      "iifgroup != 0x%08" PRIx32 " accept\n"
		      "ether saddr %s goto rogue\n"
		      "ether type ip goto of_ipv4\n"
		      "ether type ip6 goto of_ipv6\n"
		      "ether type arp goto of_arp\n"
		      "ether type 0x8035%s accept\n"
		      "ether type 8021q goto tagged\n"
		      "ether type 8021ad goto tagged\n"
		      "goto rogue\n"
		      "}\n",
		      rules->gateway_value, rules->port_group,
		      mac_address_format(&rules->bridge_mac, mac),
		      rules->config->dhcp ? " @nh,48,16 3" : "");
}

/*
 * The bridge takes frames for the address of each of its ports as for itself.
 * Only those for its own have their checksums completed first: see ingress.c. Of
 * what is for everybody the host gets the network's own: sources of the rest were
 * looked at by nobody, and where br_netfilter is loaded it is not tracked.
 */
static void write_for_host(const struct rules *rules)
{
	char mac[MAC_TEXT_SIZE];

	/* What is behind a machine, or is its own beside, asks who the gateway is. */
	(void)fprintf(rules->file, "chain for_all {\n"
				   "icmpv6 type nd-neighbor-solicit accept\n");
	write_within_network(rules);
	(void)fprintf(rules->file,
		      "drop\n"
		      "}\n"
		      "chain input {\n"
		      "type filter hook input priority filter; policy accept;\n"
		      "iifgroup != 0x%08" PRIx32 " accept\n"
		      "ether daddr %s accept\n"
		      "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 goto rogue\n"
		      "ether type ip goto for_all\n"
		      "ether type ip6 goto for_all\n"
		      "}\n",
		      rules->port_group, mac_address_format(&rules->bridge_mac, mac));
}

void write_bridge_table(const struct rules *rules)
{
	write_table_start(rules, "bridge");
	(void)fprintf(rules->file, "counter " FIREWALL_ROGUE_COUNTER " {\n"
				   "}\n"
				   "chain rogue {\n"
				   "counter name \"" FIREWALL_ROGUE_COUNTER "\" drop\n"
				   "}\n");
	write_udp(rules);
	write_ipv4(rules);
	write_ipv6(rules);
	write_prerouting(rules);
	write_for_host(rules);
	(void)fprintf(rules->file, "}\n");
}
