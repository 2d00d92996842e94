/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one network of each kind, to the letter. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/linux/firewall/rules.h"

#define PORT_GROUP 0x766d0007 /* of bridge 7 */
#define BRIDGE_GROUP 0x76620007
#define SERVER 29002

static struct network_addresses addresses(const char *subnet, const char *prefix)
{
	struct network_addresses result = {
		.bridge = "vmb-lab",
		.bridge_mac = { { 0x02, 0, 0, 0, 0, 1 } },
		.mtu = 1500,
	};

	assert_int_equal(ipv4_subnet_parse(subnet, &result.ipv4_subnet), 0);
	result.ipv4_gateway = ipv4_subnet_host(&result.ipv4_subnet, 1);
	if (prefix)
		assert_int_equal(ipv6_prefix_parse(prefix, &result.ipv6_prefix), 0);
	result.ipv6_gateway = ipv6_prefix_host(&result.ipv6_prefix, 1);
	return result;
}

static struct network_config config(enum network_mode mode)
{
	return (struct network_config){
		.name = "lab",
		.mode = mode,
		.nat44 = true,
		.nat66 = true,
		.dhcp = true,
		.dns_proxy = true,
		.router_advertisement = true,
	};
}

static void assert_rules(const struct network_config *network, const char *prefix,
			 const char *expected)
{
	struct network_addresses at = addresses("192.168.105.0/24", prefix);
	const struct firewall_place place = {
		.port_group = PORT_GROUP,
		.bridge_group = BRIDGE_GROUP,
		.server = SERVER,
	};
	size_t n_elements;
	char *text = firewall_rules(network, &at, &place, &n_elements);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

/* How often the rules have this line. */
static int count_lines(const struct network_config *network, bool ipv6_loopback, const char *line)
{
	struct network_addresses at = addresses("192.168.105.0/24", "fd12:3456:789a:1::/64");
	const struct firewall_place place = {
		.port_group = PORT_GROUP,
		.bridge_group = BRIDGE_GROUP,
		.ipv6_loopback = ipv6_loopback,
		.server = SERVER,
	};
	size_t n_elements;
	char *text = firewall_rules(network, &at, &place, &n_elements);
	int n = 0;

	assert_non_null(text);
	for (char *rest = NULL, *next = strtok_r(text, "\n", &rest); next;
	     next = strtok_r(NULL, "\n", &rest))
		n += strcmp(next, line) == 0;
	free(text);
	return n;
}

static bool has_line(const struct network_config *network, const char *line)
{
	return count_lines(network, false, line) > 0;
}

static void test_host_network(void **state)
{
	struct network_config network = config(NETWORK_HOST);

	(void)state;
	assert_rules(&network, NULL,
		     "table inet vmnet-broker.networks {\n"
		     "chain bridged-lab {\n"
		     "}\n"
		     "chain machine-lab {\n"
		     "}\n"
		     "chain outsider-lab {\n"
		     "}\n"
		     "chain machines {\n"
		     "}\n"
		     "chain spoofed {\n"
		     "type filter hook prerouting priority raw; policy accept;\n"
		     "}\n"
		     "chain input-lab {\n"
		     "}\n"
		     "chain gateway-lab {\n"
		     "}\n"
		     "chain inputs {\n"
		     "}\n"
		     "chain input {\n"
		     "type filter hook input priority filter; policy accept;\n"
		     "}\n"
		     "chain between-lab {\n"
		     "}\n"
		     "chain leaving-lab {\n"
		     "}\n"
		     "chain others-lab {\n"
		     "}\n"
		     "chain entering-lab {\n"
		     "}\n"
		     "chain leaving {\n"
		     "}\n"
		     "chain entering {\n"
		     "}\n"
		     "chain forward {\n"
		     "type filter hook forward priority filter; policy accept;\n"
		     "}\n"
		     "}\n"
		     "table bridge vmnet-broker.networks {\n"
		     "chain rogue-lab {\n"
		     "}\n"
		     "chain dhcp4-lab {\n"
		     "}\n"
		     "chain udp4-lab {\n"
		     "}\n"
		     "chain udp6-lab {\n"
		     "}\n"
		     "chain ipv4-lab {\n"
		     "}\n"
		     "chain icmpv6-lab {\n"
		     "}\n"
		     "chain ipv6-lab {\n"
		     "}\n"
		     "chain arp-lab {\n"
		     "}\n"
		     "chain tagged-lab {\n"
		     "}\n"
		     "chain frames-lab {\n"
		     "}\n"
		     "chain all-lab {\n"
		     "}\n"
		     "chain host-lab {\n"
		     "}\n"
		     "chain ports {\n"
		     "}\n"
		     "chain prerouting {\n"
		     "type filter hook prerouting priority filter; policy accept;\n"
		     "}\n"
		     "chain hosts {\n"
		     "}\n"
		     "chain input {\n"
		     "type filter hook input priority filter; policy accept;\n"
		     "}\n"
		     "}\n"
		     "flush chain inet vmnet-broker.networks bridged-lab\n"
		     "flush chain inet vmnet-broker.networks machine-lab\n"
		     "flush chain inet vmnet-broker.networks outsider-lab\n"
		     "flush chain inet vmnet-broker.networks machines\n"
		     "flush chain inet vmnet-broker.networks spoofed\n"
		     "flush chain inet vmnet-broker.networks input-lab\n"
		     "flush chain inet vmnet-broker.networks gateway-lab\n"
		     "flush chain inet vmnet-broker.networks inputs\n"
		     "flush chain inet vmnet-broker.networks input\n"
		     "flush chain inet vmnet-broker.networks between-lab\n"
		     "flush chain inet vmnet-broker.networks leaving-lab\n"
		     "flush chain inet vmnet-broker.networks others-lab\n"
		     "flush chain inet vmnet-broker.networks entering-lab\n"
		     "flush chain inet vmnet-broker.networks leaving\n"
		     "flush chain inet vmnet-broker.networks entering\n"
		     "flush chain inet vmnet-broker.networks forward\n"
		     "add chain inet vmnet-broker.networks prerouting-lab\n"
		     "flush chain inet vmnet-broker.networks prerouting-lab\n"
		     "delete chain inet vmnet-broker.networks prerouting-lab\n"
		     "add chain inet vmnet-broker.networks output-lab\n"
		     "flush chain inet vmnet-broker.networks output-lab\n"
		     "delete chain inet vmnet-broker.networks output-lab\n"
		     "add chain inet vmnet-broker.networks forwarded-lab\n"
		     "flush chain inet vmnet-broker.networks forwarded-lab\n"
		     "delete chain inet vmnet-broker.networks forwarded-lab\n"
		     "flush chain bridge vmnet-broker.networks rogue-lab\n"
		     "flush chain bridge vmnet-broker.networks dhcp4-lab\n"
		     "flush chain bridge vmnet-broker.networks udp4-lab\n"
		     "flush chain bridge vmnet-broker.networks udp6-lab\n"
		     "flush chain bridge vmnet-broker.networks ipv4-lab\n"
		     "flush chain bridge vmnet-broker.networks icmpv6-lab\n"
		     "flush chain bridge vmnet-broker.networks ipv6-lab\n"
		     "flush chain bridge vmnet-broker.networks arp-lab\n"
		     "flush chain bridge vmnet-broker.networks tagged-lab\n"
		     "flush chain bridge vmnet-broker.networks frames-lab\n"
		     "flush chain bridge vmnet-broker.networks all-lab\n"
		     "flush chain bridge vmnet-broker.networks host-lab\n"
		     "flush chain bridge vmnet-broker.networks ports\n"
		     "flush chain bridge vmnet-broker.networks prerouting\n"
		     "flush chain bridge vmnet-broker.networks hosts\n"
		     "flush chain bridge vmnet-broker.networks input\n"
		     "table inet vmnet-broker.networks {\n"
		     "chain bridged-lab {\n"
		     "ip saddr 192.168.105.0/24 ip daddr 192.168.105.0/24 accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr >= 224.0.0.0 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr fe80::/10 ip6 daddr ff00::/8 accept\n"
		     "ip6 saddr :: accept\n"
		     "notrack\n"
		     "}\n"
		     "chain machine-lab {\n"
		     "ip daddr 127.0.0.0/8 drop\n"
		     "ether daddr != 02:00:00:00:00:01 goto bridged-lab\n"
		     "ip saddr & 0xffffff00 == 0xc0a86900 accept\n"
		     "ip6 saddr fe80::/10 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr :: accept\n"
		     "fib saddr . iif oif missing drop\n"
		     "}\n"
		     "chain outsider-lab {\n"
		     "drop\n"
		     "}\n"
		     "map machines_by_group {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x76620007 : goto machine-lab }\n"
		     "}\n"
		     "map outsiders4 {\n"
		     "type ipv4_addr : verdict\n"
		     "flags interval\n"
		     "elements = { 192.168.105.0/24 : goto outsider-lab }\n"
		     "}\n"
		     "map outsiders6 {\n"
		     "type ipv6_addr : verdict\n"
		     "flags interval\n"
		     "}\n"
		     "chain machines {\n"
		     "iifgroup vmap @machines_by_group\n"
		     "drop\n"
		     "}\n"
		     "chain spoofed {\n"
		     "iifgroup & 0xffff0000 == 0x76620000 goto machines\n"
		     "iiftype loopback iifname \"lo\" accept\n"
		     "iifname \"vmb-*\" drop\n"
		     "ip saddr vmap @outsiders4\n"
		     "ip6 saddr vmap @outsiders6\n"
		     "}\n"
		     "chain input-lab {\n"
		     "ct direction original ct original ip daddr 169.254.0.0/16 "
		     "reject with icmp type admin-prohibited\n"
		     "ip daddr & 0xffffff00 == 0xc0a86900 accept\n"
		     "}\n"
		     "chain gateway-lab {\n"
		     "meta nfproto ipv4 drop\n"
		     "}\n"
		     "map gateways4 {\n"
		     "type ipv4_addr : verdict\n"
		     "flags interval\n"
		     "elements = { 192.168.105.0/24 : goto gateway-lab }\n"
		     "}\n"
		     "map gateways6 {\n"
		     "type ipv6_addr : verdict\n"
		     "flags interval\n"
		     "}\n"
		     "map inputs_by_group {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x76620007 : goto input-lab }\n"
		     "}\n"
		     "chain inputs {\n"
		     "iifgroup vmap @inputs_by_group\n"
		     "drop\n"
		     "}\n"
		     "chain input {\n"
		     "iifgroup & 0xffff0000 == 0x76620000 jump inputs\n"
		     "iiftype loopback iifname \"lo\" accept\n"
		     "ct direction reply accept\n"
		     "ip daddr vmap @gateways4\n"
		     "ip6 daddr vmap @gateways6\n"
		     "}\n"
		     "chain between-lab {\n"
		     "oifname \"vmb-lab\" accept\n"
		     "drop\n"
		     "}\n"
		     "chain leaving-lab {\n"
		     "oifname \"vmb-*\" goto between-lab\n"
		     "drop\n"
		     "}\n"
		     "chain others-lab {\n"
		     "}\n"
		     "chain entering-lab {\n"
		     "drop\n"
		     "}\n"
		     "map leaving_by_group {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x76620007 : goto leaving-lab }\n"
		     "}\n"
		     "map entering_by_group {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x76620007 : goto entering-lab }\n"
		     "}\n"
		     "chain leaving {\n"
		     "iifgroup vmap @leaving_by_group\n"
		     "drop\n"
		     "}\n"
		     "chain entering {\n"
		     "oifgroup vmap @entering_by_group\n"
		     "drop\n"
		     "}\n"
		     "chain forward {\n"
		     "iifgroup & 0xffff0000 == 0x76620000 goto leaving\n"
		     "oifgroup & 0xffff0000 == 0x76620000 goto entering\n"
		     "oifname \"vmb-*\" drop\n"
		     "}\n"
		     "}\n"
		     "table bridge vmnet-broker.networks {\n"
		     "counter rogue-lab {\n"
		     "}\n"
		     "chain rogue-lab {\n"
		     "counter name \"rogue-lab\" drop\n"
		     "}\n"
		     "chain dhcp4-lab {\n"
		     "ip frag-off & 0x1fff != 0 accept\n"
		     "th sport 67 goto rogue-lab\n"
		     "th dport 68 goto rogue-lab\n"
		     "@th,72,16 0x0106 accept\n"
		     "goto rogue-lab\n"
		     "}\n"
		     "chain udp4-lab {\n"
		     "th sport 67 goto dhcp4-lab\n"
		     "th dport 67-68 goto dhcp4-lab\n"
		     "}\n"
		     "chain udp6-lab {\n"
		     "th sport 547 goto rogue-lab\n"
		     "th dport 546 goto rogue-lab\n"
		     "}\n"
		     "chain ipv4-lab {\n"
		     "ip saddr 192.168.105.1 goto rogue-lab\n"
		     "meta l4proto tcp @th,56,8 >= 0 accept\n"
		     "meta l4proto udp @th,56,8 >= 0 goto udp4-lab\n"
		     "ip frag-off & 0x1fff != 0 meta l4proto >= 0 accept\n"
		     "icmp type router-advertisement goto rogue-lab\n"
		     "meta l4proto icmp @th,56,8 >= 0 accept\n"
		     "meta l4proto { icmp, tcp, udp } goto rogue-lab\n"
		     "meta l4proto >= 0 accept\n"
		     "goto rogue-lab\n"
		     "}\n"
		     "chain icmpv6-lab {\n"
		     "icmpv6 type 133-137 exthdr frag exists goto rogue-lab\n"
		     "icmpv6 type { nd-router-advert, nd-redirect } goto rogue-lab\n"
		     "icmpv6 type nd-neighbor-advert @th,64,128 "
		     "0xfe800000000000000000000000000001 goto rogue-lab\n"
		     "ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 "
		     "0xfe800000000000000000000000000001 goto rogue-lab\n"
		     "}\n"
		     "chain ipv6-lab {\n"
		     "ip6 saddr fe80::1 goto rogue-lab\n"
		     "frag nexthdr { 0, 43, 44, 51, 60 } goto rogue-lab\n"
		     "meta l4proto tcp @th,56,8 >= 0 accept\n"
		     "meta l4proto udp @th,56,8 >= 0 goto udp6-lab\n"
		     "meta l4proto icmpv6 @th,56,8 >= 0 goto icmpv6-lab\n"
		     "meta l4proto ah goto rogue-lab\n"
		     "frag frag-off != 0 meta l4proto >= 0 accept\n"
		     "meta l4proto { tcp, udp, icmpv6 } goto rogue-lab\n"
		     "meta l4proto >= 0 accept\n"
		     "goto rogue-lab\n"
		     "}\n"
		     "chain arp-lab {\n"
		     "@nh,32,16 != 0x0604 goto rogue-lab\n"
		     "@nh,112,32 0xc0a86901 goto rogue-lab\n"
		     "@nh,192,32 >= 0 accept\n"
		     "goto rogue-lab\n"
		     "}\n"
		     "chain tagged-lab {\n"
		     "vlan id 0 goto rogue-lab\n"
		     "ether type 8021ad vlan id 0 goto rogue-lab\n"
		     "}\n"
		     "chain frames-lab {\n"
		     "ether saddr 02:00:00:00:00:01 goto rogue-lab\n"
		     "ether type ip goto ipv4-lab\n"
		     "ether type ip6 goto ipv6-lab\n"
		     "ether type arp goto arp-lab\n"
		     "ether type 0x8035 @nh,48,16 3 accept\n"
		     "ether type 8021q goto tagged-lab\n"
		     "ether type 8021ad goto tagged-lab\n"
		     "goto rogue-lab\n"
		     "}\n"
		     "chain all-lab {\n"
		     "icmpv6 type nd-neighbor-solicit accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr 192.168.105.0/24 accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr >= 224.0.0.0 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr fe80::/10 ip6 daddr ff00::/8 accept\n"
		     "ip6 saddr :: accept\n"
		     "drop\n"
		     "}\n"
		     "chain host-lab {\n"
		     "ether daddr 02:00:00:00:00:01 accept\n"
		     "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 goto rogue-lab\n"
		     "ether type ip goto all-lab\n"
		     "ether type ip6 goto all-lab\n"
		     "}\n"
		     "map ports {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x766d0007 : goto frames-lab }\n"
		     "}\n"
		     "chain ports {\n"
		     "iifgroup vmap @ports\n"
		     "drop\n"
		     "}\n"
		     "chain prerouting {\n"
		     "iifgroup & 0xffff0000 == 0x766d0000 goto ports\n"
		     "}\n"
		     "map hosts {\n"
		     "type devgroup : verdict\n"
		     "size 4096\n"
		     "elements = { 0x766d0007 : goto host-lab }\n"
		     "}\n"
		     "chain hosts {\n"
		     "iifgroup vmap @hosts\n"
		     "drop\n"
		     "}\n"
		     "chain input {\n"
		     "iifgroup & 0xffff0000 == 0x766d0000 goto hosts\n"
		     "}\n"
		     "}\n");
}

static const char outsiders6[] = "elements = { fd12:3456:789a:1::/64 : goto outsider-lab }";
static const char hidden4[] = "elements = { 192.168.105.0/24 : goto masquerade-lab }";
static const char hidden6[] = "elements = { fd12:3456:789a:1::/64 : goto masquerade-lab }";
static const char stray4[] = "elements = { 192.168.105.0/24 : goto unmasked-lab }";
static const char stray6[] = "elements = { fd12:3456:789a:1::/64 : goto unmasked-lab }";

static void test_shared_network(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 accept"));
	assert_true(has_line(&network, outsiders6));
	assert_int_equal(count_lines(&network, false,
				     "ip6 saddr fd12:3456:789a:1::/64 "
				     "ip6 daddr fd12:3456:789a:1::/64 accept"),
			 2); /* to each other, and to all */
	assert_int_equal(count_lines(&network, false,
				     "ip6 saddr fd12:3456:789a:1::/64 ip6 daddr ff00::/8 accept"),
			 2);
	assert_true(has_line(&network, "ip6 daddr fd12:3456:789a:1::/64 accept"));
	assert_true(has_line(&network, "meta nfproto ipv6 drop"));
	assert_true(has_line(&network, "oifname \"vmb-*\" goto between-lab"));
	assert_true(has_line(&network, "ct state established,related accept"));
	assert_true(has_line(&network, "goto others-lab"));
	assert_true(has_line(&network, hidden4));
	assert_true(has_line(&network, hidden6));
	assert_true(has_line(&network, stray4));
	assert_true(has_line(&network, stray6));
	assert_true(has_line(&network, "chain masqueraded {"));
	assert_true(has_line(&network, "elements = { 0x76620007 : goto behind-lab }"));
	assert_true(has_line(&network, "meta nfproto ipv4 masquerade"));
	assert_true(has_line(&network, "meta nfproto ipv6 masquerade"));
	assert_true(has_line(&network, "udp sport < 1024 masquerade to :1024-65535"));
	assert_true(has_line(&network, "elements = { 0x76620007 : jump unmarked-lab }"));
	assert_true(has_line(&network, "ip saddr & 0xffffff00 == 0xc0a86900 drop"));
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 drop"));
	assert_true(has_line(&network, "ct status snat,dnat accept"));
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::1 goto rogue-lab"));
	assert_int_equal(
		count_lines(&network, false, "tcp flags syn tcp option maxseg size set rt mtu"),
		2); /* to the outside, and from there */
	assert_false(has_line(&network, "chain forwarded-lab {"));
	assert_false(has_line(&network, "meta nfproto ipv4 accept"));
}

static void test_without_nat(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	network.nat44 = false;
	network.nat66 = false;
	assert_false(has_line(&network, hidden4));
	assert_false(has_line(&network, hidden6));
	assert_false(has_line(&network, stray4));
	assert_false(has_line(&network, stray6));
	assert_true(has_line(&network, "meta nfproto ipv4 accept"));
	assert_true(has_line(&network, "meta nfproto ipv6 accept"));
	assert_false(has_line(&network, "chain masqueraded {"));
	assert_false(has_line(&network, "elements = { 0x76620007 : goto behind-lab }"));
	network.nat66 = true;
	assert_true(has_line(&network, "elements = { 0x76620007 : goto behind-lab }"));
	assert_true(has_line(&network, "meta nfproto ipv6 masquerade"));
	assert_false(has_line(&network, "meta nfproto ipv4 masquerade"));
	assert_true(has_line(&network, "elements = { 0x76620007 : jump unmarked-lab }"));
	assert_false(has_line(&network, "meta nfproto ipv4 drop"));
	assert_false(has_line(&network, "ip saddr & 0xffffff00 == 0xc0a86900 drop"));
	network.nat66 = false;
	assert_true(has_line(&network, "meta nfproto ipv4 meta l4proto { tcp, udp } "
				       "th dport 53 drop"));
	assert_true(has_line(&network, "iifname \"vmb-*\" meta nfproto ipv4 drop"));
	assert_true(has_line(&network, "iifname \"vmb-*\" meta nfproto ipv6 drop"));
	assert_false(has_line(&network, "meta nfproto ipv4 drop"));
}

static void test_link_local(void **state)
{
	static const char refused[] = "ct direction original ct original ip daddr 169.254.0.0/16 "
				      "reject with icmp type admin-prohibited";
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	/* To the host, by it to others, and to machines. */
	assert_int_equal(count_lines(&network, false, refused), 3);
	network.link_local = true;
	assert_false(has_line(&network, refused));
}

static void test_external_interface(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	network.nat44 = false;
	network.external_interface = (char[]){ "wg0" };
	assert_true(
		has_line(&network, "oifname != \"wg0\" reject with icmpx type admin-prohibited"));
	assert_true(has_line(&network, "meta nfproto ipv4 iifname \"wg0\" accept"));
	assert_true(has_line(&network, "iifname != \"wg0\" meta nfproto ipv4 drop"));
}

static void test_forwarded_ports(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	struct port_forwarding ports[] = {
		{ .protocols = FORWARD_TCP,
		  .external_port = 2222,
		  .family = AF_INET,
		  .internal_port = 22,
		  .n_ports = 1 },
		{ .protocols = FORWARD_UDP,
		  .external_port = 53,
		  .family = AF_INET6,
		  .internal_port = 5353,
		  .n_ports = 1 },
	};

	(void)state;
	inet_pton(AF_INET, "192.168.105.10", &ports[0].internal_address.ipv4);
	inet_pton(AF_INET6, "fd12:3456:789a:1::5", &ports[1].internal_address.ipv6);
	network.port_forwardings = ports;
	network.n_port_forwardings = ARRAY_SIZE(ports);
	assert_true(has_line(&network, "fib daddr type != local return"));
	assert_true(has_line(&network, "ip daddr 127.0.0.0/8 accept")); /* from elsewhere */
	assert_true(has_line(&network,
			     "meta nfproto ipv4 tcp dport 2222 dnat ip to 192.168.105.10:22"));
	assert_true(has_line(&network, "meta nfproto ipv6 udp dport 53 "
				       "dnat ip6 to [fd12:3456:789a:1::5]:5353"));
	assert_int_equal(count_lines(&network, false, "jump forwarded-lab"), 2);
	assert_true(has_line(&network, "elements = { 0x76620007 : jump returned-lab }"));
	assert_true(has_line(&network, "ct status dnat ip saddr 127.0.0.0/8 masquerade"));
	assert_true(has_line(&network, "ct status dnat ip6 saddr ::1 masquerade"));
	assert_true(count_lines(&network, false, "ip6 daddr ::1 return"));
	assert_false(count_lines(&network, true, "ip6 daddr ::1 return"));
	assert_false(has_line(&network, "chain returning {"));
	network.external_interface = (char[]){ "wg0" };
	assert_true(has_line(&network, "iifname != \"wg0\" ct status dnat ct label set 118"));
	assert_true(has_line(&network, "iifname \"vmb-*\" ct direction reply ct label 118 "
				       "meta mark set meta mark | 0x10000000"));
}

/* Several in a row, of both protocols, at one address of the host. */
static void test_forwarded_ranges(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	struct port_forwarding port = {
		.protocols = FORWARD_TCP | FORWARD_UDP,
		.external_port = 8000,
		.family = AF_INET,
		.internal_port = 8000,
		.n_ports = 3,
	};

	(void)state;
	inet_pton(AF_INET, "192.168.105.10", &port.internal_address.ipv4);
	network.port_forwardings = &port;
	network.n_port_forwardings = 1;
	assert_true(has_line(&network, "meta nfproto ipv4 meta l4proto { tcp, udp } "
				       "th dport 8000-8002 dnat ip to 192.168.105.10"));
	port.has_external_address = true;
	inet_pton(AF_INET, "127.0.0.1", &port.external_address.ipv4);
	port.internal_port = 80;
	assert_true(has_line(&network, "meta nfproto ipv4 ip daddr 127.0.0.1 "
				       "meta l4proto { tcp, udp } th dport 8000-8002 "
				       "dnat ip to 192.168.105.10:th dport map "
				       "{ 8000 : 80, 8001 : 81, 8002 : 82 }"));
	port.family = AF_INET6;
	port.protocols = FORWARD_UDP;
	port.n_ports = 1;
	inet_pton(AF_INET6, "::1", &port.external_address.ipv6);
	inet_pton(AF_INET6, "fd12:3456:789a:1::5", &port.internal_address.ipv6);
	assert_true(has_line(&network, "meta nfproto ipv6 ip6 daddr ::1 udp dport 8000 "
				       "dnat ip6 to [fd12:3456:789a:1::5]:80"));
}

static void test_isolated(void **state)
{
	struct network_config network = config(NETWORK_HOST);

	(void)state;
	assert_true(has_line(&network, "oifname \"vmb-lab\" accept"));
	network.isolated = true;
	assert_false(has_line(&network, "oifname \"vmb-lab\" accept"));
}

/* Where the machines' own servers give the addresses, they may. */
static void test_services_of_machines(void **state)
{
	static const char advertised[] =
		"elements = { 0xfd123456789a00010000000000000000 : goto advertised-lab }";
	static const char sent_by_server[] =
		"meta l4proto icmpv6 oifname != \"vmb-*\" meta skuid 29002 drop";
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	assert_true(has_line(&network, advertised));
	assert_true(has_line(&network, sent_by_server));
	network.dhcp = false;
	network.router_advertisement = false;
	assert_false(has_line(&network, advertised));
	assert_false(has_line(&network, sent_by_server));
	assert_false(has_line(&network, "th sport 67 goto dhcp4-lab"));
	assert_false(has_line(&network, "th sport 547 goto rogue-lab"));
	assert_false(
		has_line(&network, "icmpv6 type { nd-router-advert, nd-redirect } goto rogue-lab"));
	assert_true(has_line(&network, "ip saddr 192.168.105.1 goto rogue-lab"));
}

/* What a network with all there is has of its own. */
static char *rules_of_everything(const struct firewall_place *place, size_t *n_elements)
{
	struct network_config network = config(NETWORK_SHARED);
	struct network_addresses at = addresses("192.168.105.0/24", "fd12:3456:789a:1::/64");
	struct port_forwarding ports[] = {
		{ .protocols = FORWARD_TCP, .external_port = 80, .family = AF_INET, .n_ports = 1 },
	};

	network.port_forwardings = ports;
	network.n_port_forwardings = ARRAY_SIZE(ports);
	return firewall_rules(&network, &at, place, n_elements);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

static void test_elements(void **state)
{
	const struct firewall_place place = { .port_group = PORT_GROUP };
	size_t n_elements;
	char *text = rules_of_everything(&place, &n_elements);

	(void)state;
	assert_int_equal(count(text, " : goto ") + count(text, " : jump "), n_elements);
	free(text);
}

/* What is in no map is dropped, unless it is in an older broker's tables. */
static void test_beside_older_tables(void **state)
{
	struct firewall_place place = { .port_group = PORT_GROUP };
	size_t n_elements;
	char *text = rules_of_everything(&place, &n_elements);

	(void)state;
	assert_int_equal(count(text, "iifgroup vmap @leaving_by_group\ndrop\n"), 1);
	assert_int_equal(count(text, "iifgroup vmap @ports\ndrop\n"), 1);
	assert_int_equal(count(text, "name \"vmb-*\" drop\n"), 2);
	assert_null(strstr(text, "vmnet-broker-lab"));
	free(text);
	place.replaces = true;
	place.is_shared = true;
	text = rules_of_everything(&place, &n_elements);
	assert_int_equal(count(text, "iifgroup vmap @leaving_by_group\n}\n"), 1);
	assert_int_equal(count(text, "iifgroup vmap @ports\n}\n"), 1);
	assert_int_equal(count(text, "name \"vmb-*\" drop\n"), 0);
	assert_int_equal(count(text, "delete table inet vmnet-broker-lab\n"), 1);
	assert_int_equal(count(text, "delete table bridge vmnet-broker-lab\n"), 1);
	free(text);
}

/* What a network on three hosts has on the second of them. */
static char *text_on_several_hosts(enum network_mode mode, bool isolated, int family)
{
	struct network_addresses at = addresses("10.80.0.0/16", "fd80::/64");
	struct network_config network = config(mode);
	const struct firewall_place place = {
		.port_group = PORT_GROUP,
		.bridge_group = BRIDGE_GROUP,
		.vxlan_group = 0x766d0008,
		.own_group = 0x76620009,
	};
	struct vxlan_host hosts[3] = { 0 };
	size_t n_elements;
	char text[32];

	for (int i = 0; i < 3; i++) {
		(void)snprintf(text, sizeof(text), "10.80.%d.0/24", i + 1);
		assert_int_equal(ipv4_subnet_parse(text, &hosts[i].pool), 0);
		(void)snprintf(text, sizeof(text),
			       family == AF_INET ? "192.0.2.%d" : "2001:db8::%d", i + 1);
		assert_int_equal(inet_pton(family, text, &hosts[i].address), 1);
	}
	network.isolated = isolated;
	network.subnet = at.ipv4_subnet;
	network.ipv6_prefix = at.ipv6_prefix;
	network.vxlan = (struct vxlan){
		.vni = 4711, .port = 4789, .family = family, .hosts = hosts, .n_hosts = 3
	};
	at.vxlan_host = 2;
	return firewall_rules(&network, &at, &place, &n_elements);
}

static void assert_has(const char *text, const char *lines)
{
	if (!strstr(text, lines))
		fail_msg("none of these rules is\n%s", lines);
}

static void test_on_several_hosts(void **state)
{
	char *text = text_on_several_hosts(NETWORK_SHARED, false, AF_INET);

	(void)state;
	assert_has(text, "elements = { 0x76620007 : goto machine-lab, "
			 "0x76620009 : goto vxlan_machine-lab }\n");
	assert_has(text, "elements = { 0x76620009 : jump vxlan_returned-lab }\n");
	assert_has(text, "elements = { 0x766d0007 : goto frames-lab, "
			 "0x766d0008 : goto vxlan_frames-lab }\n");
	assert_has(text, "map hosts {\ntype devgroup : verdict\nsize 4096\n"
			 "elements = { 0x766d0007 : goto host-lab }\n");
	assert_has(text, "chain underlay-lab {\n"
			 "iifgroup & 0xffff0000 == 0x76620000 drop\n"
			 "@th,96,24 != 4711 accept\n"
			 "fib saddr . iif oif missing drop\n"
			 "ip daddr 192.0.2.2 udp sport < 1024 "
			 "ip saddr { 192.0.2.1, 192.0.2.3 } accept\n"
			 "drop\n"
			 "}\n");
	assert_has(text, "udp dport 4789 ip daddr { 192.0.2.1, 192.0.2.2, 192.0.2.3 } "
			 "ip saddr != { 192.0.2.1, 192.0.2.2, 192.0.2.3 } drop\n");
	assert_has(text, "oifname \"vmh-lab\" iifgroup & 0xffff0000 == 0x76620000 "
			 "iifgroup != { 0x76620007, 0x76620009 } drop\n");
	assert_has(text, "oifname \"vmh-lab\" ct status dnat accept\n");
	assert_has(text, "snat ip to 10.80.2.1\nmeta nfproto ipv6 snat ip6 to fd80::a50:201\n");
	assert_has(text, "chain frames-lab {\nether saddr { 76:6d:0a:50:01:01, "
			 "76:6d:0a:50:02:01, 76:6d:0a:50:03:01 } goto rogue-lab\n");
	assert_has(text, "chain vxlan_frames-lab {\n"
			 "ether saddr { 76:6d:0a:50:02:01 } goto rogue-lab\n");
	assert_has(text, "oifname != \"vmx-lab\" accept\n");
	assert_null(strstr(text, "vxlan_isolated"));
	free(text);
}

static void test_isolated_on_several_hosts(void **state)
{
	char *text = text_on_several_hosts(NETWORK_HOST, true, AF_INET6);

	(void)state;
	assert_has(text, "jump vxlan_isolated-lab\n");
	assert_has(text, "chain vxlan_isolated-lab {\n"
			 "ether saddr { 76:6d:0a:50:01:01, 76:6d:0a:50:03:01 } return\n"
			 "ether daddr { 76:6d:0a:50:02:01 } return\n"
			 "ether type arp @nh,192,32 { 0x0a500201 } return\n"
			 "icmpv6 type nd-neighbor-solicit @th,64,128 "
			 "{ 0xfd80000000000000000000000a500201, "
			 "0xfe80000000000000000000000a500201 } return\n"
			 "drop\n"
			 "}\n");
	assert_has(text, "ip6 daddr 2001:db8::2 udp sport < 1024 "
			 "ip6 saddr { 2001:db8::1, 2001:db8::3 } accept\n");
	assert_null(strstr(text, "oifname \"vmh-lab\" ct status dnat accept"));
	assert_null(strstr(text, "snat"));
	free(text);
}

static void test_networks_of_chains(void **state)
{
	(void)state;
	assert_string_equal(firewall_chain_network("leaving-a-b"), "a-b");
	assert_string_equal(firewall_chain_network("leaving"), "");
}

static void test_plain_names(void **state)
{
	(void)state;
	assert_true(firewall_name_is_plain("eth0"));
	assert_true(firewall_name_is_plain("br-1a2b.100@x:1_"));
	assert_false(firewall_name_is_plain(""));
	assert_false(firewall_name_is_plain("eth*"));
	assert_false(firewall_name_is_plain("eth\"0"));
	assert_false(firewall_name_is_plain("eth+"));
	assert_false(firewall_name_is_plain("-i"));
	assert_false(firewall_name_is_plain("\xc3\xa9th0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_shared_network),
		cmocka_unit_test(test_without_nat),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_external_interface),
		cmocka_unit_test(test_forwarded_ports),
		cmocka_unit_test(test_forwarded_ranges),
		cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_services_of_machines),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_beside_older_tables),
		cmocka_unit_test(test_on_several_hosts),
		cmocka_unit_test(test_isolated_on_several_hosts),
		cmocka_unit_test(test_networks_of_chains),
		cmocka_unit_test(test_plain_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
