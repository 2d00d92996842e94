/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machines' table of nftables, of family bridge: what machines may send. It sees every frame
 * of a machine before the bridge does, also those for other machines, and keeps machines from
 * acting as the network's gateway. Text alone, which firewall.c hands in.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/array.h"
#include "broker/linux/linux.h"
#include "firewall.h"
#include "tables.h"

void write_goto(const struct rules *rules, const char *kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vfprintf(rules->file, format, arguments);
	va_end(arguments);
	(void)fprintf(rules->file, " goto %s-%s\n", kind, rules->name);
}

/* A neighbour discovery message about an address: its target follows 8 bytes of header. */
static void write_discovery(const struct rules *rules, const char *match,
			    const struct in6_addr *target)
{
	char bits[2 * sizeof(*target) + 1];

	address_bits_format(target, bits);
	write_goto(rules, "rogue", "%s @th,64,128 0x%s", match, bits);
}

/* Claims to have an address of the host's, or to be about to take it: the host would give it up. */
static void write_icmpv6(const struct rules *rules, const struct in6_addr *addresses, size_t n)
{
	write_own_chain(rules, "icmpv6", NULL);
	write_goto(rules, "rogue", "icmpv6 type 133-137 exthdr frag exists");
	if (rules->config->router_advertisement)
		write_goto(rules, "rogue", "icmpv6 type { nd-router-advert, nd-redirect }");
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
 * broker/linux/dnsmasq/. What comes here is UDP, and not asked again whether it is.
 * Not every kernel knows that a later fragment has no ports.
 */
static void write_udp(const struct rules *rules)
{
	if (rules->config->dhcp) {
		write_own_chain(rules, "dhcp4", NULL);
		(void)fprintf(rules->file, "ip frag-off & 0x1fff != 0 accept\n");
		write_goto(rules, "rogue", "th sport 67");
		write_goto(rules, "rogue", "th dport 68");
		(void)fprintf(rules->file,
			      "@th,72,16 0x0106 accept\n"
			      "goto rogue-%s\n}\n",
			      rules->name);
	}
	write_own_chain(rules, "udp4", NULL);
	if (rules->config->dhcp) {
		write_goto(rules, "dhcp4", "th sport 67");
		write_goto(rules, "dhcp4", "th dport 67-68");
	}
	(void)fprintf(rules->file, "}\n");
	write_own_chain(rules, "udp6", NULL);
	if (rules->config->router_advertisement) {
		write_goto(rules, "rogue", "th sport 547");
		write_goto(rules, "rogue", "th dport 546");
	}
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
	write_own_chain(rules, "ipv4", NULL);
	write_goto(rules, "rogue", "ip saddr %s", rules->gateway);
	(void)fprintf(rules->file, "meta l4proto tcp @th,56,8 >= 0 accept\n");
	write_goto(rules, "udp4", "meta l4proto udp @th,56,8 >= 0");
	(void)fprintf(rules->file, "ip frag-off & 0x1fff != 0 meta l4proto >= 0 accept\n");
	if (rules->config->dhcp)
		write_goto(rules, "rogue", "icmp type router-advertisement");
	(void)fprintf(rules->file, "meta l4proto icmp @th,56,8 >= 0 accept\n");
	write_goto(rules, "rogue", "meta l4proto { icmp, tcp, udp }");
	(void)fprintf(rules->file, "meta l4proto >= 0 accept\n");
	(void)fprintf(rules->file, "goto rogue-%s\n", rules->name);
	(void)fprintf(rules->file, "}\n");
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
	write_own_chain(rules, "ipv6", NULL);
	for (size_t i = 0; i < n; i++)
		write_goto(rules, "rogue", "ip6 saddr %s",
			   inet_ntop(AF_INET6, &addresses[i], text, sizeof(text)));
	write_goto(rules, "rogue", "frag nexthdr { 0, 43, 44, 51, 60 }");
	(void)fprintf(rules->file, "meta l4proto tcp @th,56,8 >= 0 accept\n");
	write_goto(rules, "udp6", "meta l4proto udp @th,56,8 >= 0");
	write_goto(rules, "icmpv6", "meta l4proto icmpv6 @th,56,8 >= 0");
	write_goto(rules, "rogue", "meta l4proto ah");
	(void)fprintf(rules->file, "frag frag-off != 0 meta l4proto >= 0 accept\n");
	write_goto(rules, "rogue", "meta l4proto { tcp, udp, icmpv6 }");
	(void)fprintf(rules->file, "meta l4proto >= 0 accept\n");
	(void)fprintf(rules->file, "goto rogue-%s\n", rules->name);
	(void)fprintf(rules->file, "}\n");
}

/*
 * Frames for VLAN 0, of either kind, are taken by machines as if they had no
 * tag, and so are those that say with a SNAP header what they are. The address
 * that an ARP message claims is looked for in the message itself: machines
 * believe it for hardware types that "arp saddr" is not about. Frames from the
 * bridge's address are the host's: machines' devices trust them. RARP's requests
 * are how QEMU says where a machine is; its answers give addresses, as DHCP's do.
 */
void write_protocols(const struct rules *rules)
{
	char mac[MAC_TEXT_SIZE];

	write_goto(rules, "rogue", "ether saddr %s", mac_address_format(&rules->bridge_mac, mac));
	write_goto(rules, "ipv4", "ether type ip");
	write_goto(rules, "ipv6", "ether type ip6");
	write_goto(rules, "arp", "ether type arp");
	(void)fprintf(rules->file, "ether type 0x8035%s accept\n",
		      rules->config->dhcp ? " @nh,48,16 3" : "");
	write_goto(rules, "tagged", "ether type 8021q");
	write_goto(rules, "tagged", "ether type 8021ad");
	(void)fprintf(rules->file, "goto rogue-%s\n", rules->name);
}

static void write_frames(const struct rules *rules)
{
	write_own_chain(rules, "arp", NULL);
	write_goto(rules, "rogue", "@nh,32,16 != 0x0604");
	write_goto(rules, "rogue", "@nh,112,32 0x%08" PRIx32, rules->gateway_value);
	(void)fprintf(rules->file, "@nh,192,32 >= 0 accept\n");
	(void)fprintf(rules->file, "goto rogue-%s\n", rules->name);
	(void)fprintf(rules->file, "}\n");
	write_own_chain(rules, "tagged", NULL);
	write_goto(rules, "rogue", "vlan id 0");
	write_goto(rules, "rogue", "ether type 8021ad vlan id 0");
	(void)fprintf(rules->file, "}\n");
	write_own_chain(rules, "frames", NULL);
	if (rules->host)
		write_vxlan_claims(rules);
	write_protocols(rules);
	(void)fprintf(rules->file, "}\n");
	if (rules->host)
		write_vxlan_in_bridge(rules);
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

	write_own_chain(rules, "all", NULL);
	/* What is behind a machine, or is its own beside, asks who the gateway is. */
	(void)fprintf(rules->file, "icmpv6 type nd-neighbor-solicit accept\n");
	write_within_network(rules);
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
	write_own_chain(rules, "host", NULL);
	(void)fprintf(rules->file, "ether daddr %s accept\n",
		      mac_address_format(&rules->bridge_mac, mac));
	write_goto(rules, "rogue", "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00");
	write_goto(rules, "all", "ether type ip");
	write_goto(rules, "all", "ether type ip6");
	(void)fprintf(rules->file, "}\n");
}

/* The base chain of a hook, where frames of ports of ours find their network's chain. */
static void write_hook(struct rules *rules, const char *name, const char *way, const char *kind,
		       const char *vxlan_kind)
{
	const struct group_element elements[] = {
		{ rules->place->port_group, kind },
		{ rules->place->vxlan_group, rules->host ? vxlan_kind : NULL },
	};
	char hook[64];
	char match[64];

	(void)snprintf(match, sizeof(match), "iifgroup vmap @%s", way);
	(void)snprintf(hook, sizeof(hook), "type filter hook %s priority filter", name);
	write_group_map(rules, way, "goto", elements, ARRAY_SIZE(elements));
	write_way(rules, way, match);
	write_chain(rules, name, hook);
	(void)fprintf(rules->file, "iifgroup & 0x%08x == 0x%08x goto %s\n}\n", FIREWALL_GROUPS_MASK,
		      FIREWALL_PORT_GROUPS, way);
}

void write_bridge_table(struct rules *rules)
{
	(void)fprintf(rules->file, "counter " FIREWALL_ROGUE_COUNTER "%s {\n}\n", rules->name);
	write_own_chain(rules, "rogue", NULL);
	(void)fprintf(rules->file, "counter name \"" FIREWALL_ROGUE_COUNTER "%s\" drop\n}\n",
		      rules->name);
	write_udp(rules);
	write_ipv4(rules);
	write_ipv6(rules);
	write_frames(rules);
	write_for_host(rules);
	write_hook(rules, "prerouting", "ports", "frames", "vxlan_frames");
	/* From other hosts nothing is for this one by its bridge: see vxlan_rules.c. */
	write_hook(rules, "input", "hosts", "host", NULL);
}
