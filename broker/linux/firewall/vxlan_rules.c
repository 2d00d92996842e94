/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tables have of a network on several hosts, besides. Each host has the gateway's
 * addresses, so that nothing about them passes between hosts, and one of its own on a device of
 * its own (vmh-NETWORK), which is no machine's. Text alone, as both tables.
 *
 * A host trusts the others of the list, and knows their VXLAN packets by two things: the address
 * that they come from, and a source port below 1024, which no user's socket has. So no machine may
 * send any to one of them, as it would seem to be this host's.
 *
 * By the host's own device come the machines' answers, here or elsewhere, to the host and to
 * whom it speaks for: a connection that it passes on to such a machine comes from its own
 * address there, or the answer would end at the gateway of the machine's host.
 */
#include <inttypes.h>
#include <stdio.h>

#include "broker/linux/linux.h"
#include "firewall.h"
#include "tables.h"

enum who {
	THIS_HOST,
	OTHER_HOSTS,
	ALL_HOSTS,
};

enum what {
	UNDERLAY, /* its address between hosts */
	IPV4, /* its own on the network, and so on */
	IPV4_NUMBER,
	IPV6,
	IPV6_NUMBER,
	LINK_LOCAL,
	LINK_LOCAL_NUMBER,
	MAC,
};

#define VERDICT_SIZE (sizeof("goto rogue-") + NETWORK_NAME_MAX)

static const struct vxlan *vxlan_of(const struct rules *rules)
{
	return &rules->config->vxlan;
}

static const char *format(const struct rules *rules, const struct vxlan_host *host, enum what what,
			  char text[INET6_ADDRSTRLEN])
{
	const struct in_addr ipv4 = vxlan_host_ipv4(host);
	const struct in6_addr ipv6 = what == LINK_LOCAL || what == LINK_LOCAL_NUMBER
					     ? vxlan_link_local(ipv4)
					     : vxlan_host_ipv6(rules->config, host);
	const struct mac_address mac = vxlan_mac(ipv4);

	switch (what) {
	case UNDERLAY:
		return inet_ntop(vxlan_of(rules)->family, &host->address, text, INET6_ADDRSTRLEN);
	case IPV4:
		return inet_ntop(AF_INET, &ipv4, text, INET6_ADDRSTRLEN);
	case IPV4_NUMBER:
		(void)sprintf(text, "0x%08" PRIx32, ntohl(ipv4.s_addr));
		return text;
	case IPV6:
	case LINK_LOCAL:
		return inet_ntop(AF_INET6, &ipv6, text, INET6_ADDRSTRLEN);
	case IPV6_NUMBER:
	case LINK_LOCAL_NUMBER:
		(void)sprintf(text, "0x");
		address_bits_format(&ipv6, text + 2);
		return text;
	case MAC:
		return mac_address_format(&mac, text);
	}
	return "";
}

/* IPv6 addresses are the prefix's and the link-local one. */
static void write_set(const struct rules *rules, enum who who, enum what what)
{
	const struct vxlan *vxlan = vxlan_of(rules);
	const char *separator = "{ ";
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		const struct vxlan_host *host = &vxlan->hosts[i];

		if (who != ALL_HOSTS && (who == THIS_HOST) != (host == rules->host))
			continue;
		(void)fprintf(rules->file, "%s%s", separator, format(rules, host, what, text));
		separator = ", ";
		if (what == IPV6 || what == IPV6_NUMBER)
			(void)fprintf(rules->file, ", %s",
				      format(rules, host,
					     what == IPV6 ? LINK_LOCAL : LINK_LOCAL_NUMBER, text));
	}
	(void)fprintf(rules->file, " }");
}

/* A rule about hosts' addresses: before, a set of them, and a verdict. */
static void write_about(const struct rules *rules, const char *before, enum who who, enum what what,
			const char *verdict)
{
	(void)fprintf(rules->file, "%s ", before);
	write_set(rules, who, what);
	(void)fprintf(rules->file, " %s\n", verdict);
}

/* Frames that claim what a host has of its own. */
static void write_claims(const struct rules *rules, enum who who)
{
	char rogue[VERDICT_SIZE];

	(void)snprintf(rogue, sizeof(rogue), "goto rogue-%s", rules->name);
	write_about(rules, "ether saddr", who, MAC, rogue);
	write_about(rules, "ether type arp @nh,112,32", who, IPV4_NUMBER, rogue);
	write_about(rules, "ether type ip ip saddr", who, IPV4, rogue);
	if (!rules->has_ipv6)
		return;
	write_about(rules, "ether type ip6 ip6 saddr", who, IPV6, rogue);
	write_about(rules, "icmpv6 type nd-neighbor-advert @th,64,128", who, IPV6_NUMBER, rogue);
	write_about(rules, "ether type ip6 ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128",
		    who, IPV6_NUMBER, rogue);
}

void write_vxlan_claims(const struct rules *rules)
{
	write_claims(rules, ALL_HOSTS);
}

static void write_gateway_discovery(const struct rules *rules, const struct in6_addr *gateway,
				    const char *verdict)
{
	char bits[2 * sizeof(*gateway) + 1];

	address_bits_format(gateway, bits);
	(void)fprintf(rules->file,
		      "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } @th,64,128 0x%s "
		      "%s\n",
		      bits, verdict);
}

/*
 * What each host keeps to itself: who asks for the gateway, for an address or for a
 * router, asks his own host. Where the network gives no addresses, or advertises nothing, a
 * machine may do it for machines anywhere.
 */
static void write_kept(const struct rules *rules, const char *verdict)
{
	struct in6_addr link_local;

	(void)fprintf(rules->file,
		      "ether type arp @nh,112,32 0x%08" PRIx32 " %s\n"
		      "ether type arp @nh,192,32 0x%08" PRIx32 " %s\n",
		      rules->gateway_value, verdict, rules->gateway_value, verdict);
	if (rules->config->dhcp)
		(void)fprintf(rules->file,
			      "ether type ip ip frag-off & 0x1fff == 0 udp sport 67-68 %s\n"
			      "ether type ip ip frag-off & 0x1fff == 0 udp dport 67-68 %s\n",
			      verdict, verdict);
	if (rules->config->router_advertisement)
		(void)fprintf(rules->file,
			      "ether type ip6 udp sport 546-547 %s\n"
			      "ether type ip6 udp dport 546-547 %s\n"
			      "icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect } "
			      "%s\n",
			      verdict, verdict, verdict);
	(void)inet_pton(AF_INET6, GATEWAY_LINK_LOCAL, &link_local);
	write_gateway_discovery(rules, &link_local, verdict);
	if (rules->has_ipv6)
		write_gateway_discovery(rules, &rules->ipv6_gateway, verdict);
}

/* Of an isolated network: machines elsewhere speak to this host, and other hosts to machines. */
static void write_isolated(const struct rules *rules)
{
	write_own_chain(rules, "vxlan_isolated", NULL);
	write_about(rules, "ether saddr", OTHER_HOSTS, MAC, "return");
	write_about(rules, "ether daddr", THIS_HOST, MAC, "return");
	write_about(rules, "ether type arp @nh,192,32", THIS_HOST, IPV4_NUMBER, "return");
	if (rules->has_ipv6)
		write_about(rules, "icmpv6 type nd-neighbor-solicit @th,64,128", THIS_HOST,
			    IPV6_NUMBER, "return");
	(void)fprintf(rules->file, "drop\n"
				   "}\n");
}

/*
 * What comes from other hosts passes the same as what is of machines here, and goes to the host
 * by its own device alone: input of the bridge has no element for it. What each host keeps is
 * counted when it comes, as no other lets it go.
 */
void write_vxlan_in_bridge(const struct rules *rules)
{
	char name[INTERFACE_NAME_SIZE];
	char rogue[VERDICT_SIZE];
	char mac[MAC_TEXT_SIZE];

	if (rules->config->isolated)
		write_isolated(rules);
	(void)snprintf(rogue, sizeof(rogue), "goto rogue-%s", rules->name);
	write_own_chain(rules, "vxlan_frames", NULL);
	write_claims(rules, THIS_HOST);
	write_kept(rules, rogue);
	if (rules->config->isolated)
		(void)fprintf(rules->file, "jump vxlan_isolated-%s\n", rules->name);
	write_protocols(rules);
	(void)fprintf(rules->file, "}\n");

	vxlan_name(rules->bridge, name);
	write_own_chain(rules, "vxlan_kept", "type filter hook postrouting priority filter");
	(void)fprintf(rules->file,
		      "oifname != \"%s\" accept\n"
		      "ether saddr %s drop\n",
		      name, mac_address_format(&rules->bridge_mac, mac));
	write_kept(rules, "drop");
	(void)fprintf(rules->file, "}\n");
}

/*
 * The kernel takes a VXLAN packet from anybody, at any of the host's addresses, and by any link:
 * what comes from a host comes by one that leads there, or WireGuard between the two would keep
 * nobody out. Others may have a VXLAN of theirs at the same port.
 */
static void write_underlay(const struct rules *rules)
{
	const struct vxlan *vxlan = vxlan_of(rules);
	const char *family = vxlan->family == AF_INET ? "ip" : "ip6";
	char before[2 * sizeof("udp sport < 1024 ip6 saddr") + INET6_ADDRSTRLEN];
	char address[INET6_ADDRSTRLEN];

	write_own_chain(rules, "underlay", NULL);
	write_for_bridges(rules, "iif", "drop");
	(void)fprintf(rules->file,
		      "@th,96,24 != %u accept\n"
		      "fib saddr . iif oif missing drop\n",
		      vxlan->vni);
	(void)snprintf(before, sizeof(before), "%s daddr %s udp sport < 1024 %s saddr", family,
		       format(rules, rules->host, UNDERLAY, address), family);
	write_about(rules, before, OTHER_HOSTS, UNDERLAY, "accept");
	(void)fprintf(rules->file, "drop\n"
				   "}\n");

	write_own_chain(rules, "underlay_input", "type filter hook input priority filter");
	(void)fprintf(rules->file, "udp dport %u goto underlay-%s\n}\n", vxlan->port, rules->name);

	/*
	 * Whose VNI it is does not matter: one packet that is to be cut into several shows
	 * that of the first. Hosts of the list may have this one for a router.
	 */
	write_own_chain(rules, "underlay_forward", "type filter hook forward priority filter");
	/* And somebody may have put the host's own device into another group. */
	(void)fprintf(rules->file, "oifname \"%s\" oifgroup != 0x%08" PRIx32 " drop\n", rules->own,
		      rules->place->own_group);
	(void)fprintf(rules->file,
		      "oifname \"%s\" iifgroup & 0x%08x == 0x%08x "
		      "iifgroup != { 0x%08" PRIx32 ", 0x%08" PRIx32 " } drop\n",
		      rules->own, FIREWALL_GROUPS_MASK, FIREWALL_BRIDGE_GROUPS,
		      rules->place->bridge_group, rules->place->own_group);
	(void)fprintf(rules->file, "udp dport %u %s daddr ", vxlan->port, family);
	write_set(rules, ALL_HOSTS, UNDERLAY);
	(void)fprintf(rules->file, " %s", family);
	write_about(rules, " saddr !=", ALL_HOSTS, UNDERLAY, "drop\n}");
}

/*
 * From the host's own device come packets for its own address alone: what is for everybody the
 * host gets by its bridge, but for who asks where this address is.
 */
static void write_own_device(const struct rules *rules)
{
	char ipv4[INET6_ADDRSTRLEN];
	char ipv6[INET6_ADDRSTRLEN];

	write_own_chain(rules, "vxlan_machine", NULL);
	(void)fprintf(rules->file,
		      "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n"
		      "ip daddr != %s drop\n"
		      "ip saddr %s accept\n",
		      format(rules, rules->host, IPV4, ipv4), rules->subnet);
	if (rules->has_ipv6)
		(void)fprintf(rules->file,
			      "ip6 daddr != %s drop\n"
			      "ip6 saddr %s accept\n",
			      format(rules, rules->host, IPV6, ipv6), rules->prefix);
	(void)fprintf(rules->file, "fib saddr . iif oif missing drop\n"
				   "}\n");

	/* It stays so: nobody's forwarded port, also of others than the broker, leads elsewhere. */
	write_own_chain(rules, "vxlan_prerouting", "type nat hook prerouting priority dstnat - 1");
	(void)format(rules, rules->host, IPV4, ipv4);
	(void)fprintf(rules->file, "ip daddr %s dnat ip to %s\n", ipv4, ipv4);
	if (rules->has_ipv6) {
		(void)format(rules, rules->host, IPV6, ipv6);
		(void)fprintf(rules->file, "ip6 daddr %s dnat ip6 to %s\n", ipv6, ipv6);
	}
	(void)fprintf(rules->file, "}\n");

	/* Other hosts' servers ask for names. */
	write_own_chain(rules, "vxlan_input", NULL);
	write_about(rules, "meta l4proto { tcp, udp } th dport 53 ip saddr", OTHER_HOSTS, IPV4,
		    "accept");
	(void)fprintf(rules->file, "meta l4proto { tcp, udp } th dport 53 drop\n"
				   "accept\n"
				   "}\n");

	write_own_chain(rules, "vxlan_leaving", NULL);
	write_segment_size(rules);
	(void)fprintf(rules->file, "ct direction reply accept\n"
				   "drop\n"
				   "}\n");
}

/* As the machines of other hosts answer this one, and whom it speaks for. */
static void write_speaking_for(const struct rules *rules)
{
	char text[INET6_ADDRSTRLEN];

	write_own_chain(rules, "vxlan_returned", NULL);
	(void)fprintf(rules->file, "meta nfproto ipv4 snat ip to %s\n",
		      format(rules, rules->host, IPV4, text));
	if (rules->has_ipv6)
		(void)fprintf(rules->file, "meta nfproto ipv6 snat ip6 to %s\n",
			      format(rules, rules->host, IPV6, text));
	(void)fprintf(rules->file, "}\n");
	if (!has_other_ways_in(rules))
		return;
	write_own_chain(rules, "vxlan_returning", "type filter hook prerouting priority mangle");
	(void)fprintf(rules->file,
		      "iifname \"%s\" ct direction reply ct label %u "
		      "meta mark set meta mark | 0x%08" PRIx32 "\n"
		      "}\n",
		      rules->own, CAME_IN_ELSEWHERE, UPLINK_EXEMPT_MARK);
}

/*
 * Where br_netfilter is loaded, what an isolated machine and hosts say to each other comes by as
 * from one machine to another: who may, the other table says.
 */
void write_vxlan_between(const struct rules *rules)
{
	char before[sizeof("oifname \"\" ip6 saddr") + INTERFACE_NAME_SIZE];

	if (!rules->config->isolated) {
		(void)fprintf(rules->file, "oifname \"%s\" ct status dnat accept\n", rules->own);
		return;
	}
	(void)snprintf(before, sizeof(before), "oifname \"%s\" ip saddr", rules->bridge);
	write_about(rules, before, ALL_HOSTS, IPV4, "accept");
	(void)snprintf(before, sizeof(before), "oifname \"%s\" ip daddr", rules->bridge);
	write_about(rules, before, ALL_HOSTS, IPV4, "accept");
	if (!rules->has_ipv6)
		return;
	(void)snprintf(before, sizeof(before), "oifname \"%s\" ip6 saddr", rules->bridge);
	write_about(rules, before, ALL_HOSTS, IPV6, "accept");
	(void)snprintf(before, sizeof(before), "oifname \"%s\" ip6 daddr", rules->bridge);
	write_about(rules, before, ALL_HOSTS, IPV6, "accept");
	(void)fprintf(rules->file,
		      "oifname \"%s\" icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } "
		      "accept\n",
		      rules->bridge);
}

void write_vxlan_in_inet(const struct rules *rules)
{
	write_underlay(rules);
	write_own_device(rules);
	if (rules->config->mode == NETWORK_SHARED)
		write_speaking_for(rules);
}
