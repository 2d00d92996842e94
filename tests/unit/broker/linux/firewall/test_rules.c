/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one network of each kind, to the letter. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/linux/firewall/rules.h"

#define PORT_GROUP 0x766d0007
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
	char *text = firewall_rules(network, &at, PORT_GROUP, false, SERVER);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

/* How often the rules have this line. */
static int count_lines(const struct network_config *network, bool ipv6_loopback, const char *line)
{
	struct network_addresses at = addresses("192.168.105.0/24", "fd12:3456:789a:1::/64");
	char *text = firewall_rules(network, &at, PORT_GROUP, ipv6_loopback, SERVER);
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
		     "add table inet vmnet-broker-lab\n"
		     "delete table inet vmnet-broker-lab\n"
		     "table inet vmnet-broker-lab {\n"
		     "chain bridged {\n"
		     "ip saddr 192.168.105.0/24 ip daddr 192.168.105.0/24 accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr >= 224.0.0.0 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr fe80::/10 ip6 daddr ff00::/8 accept\n"
		     "ip6 saddr :: accept\n"
		     "notrack\n"
		     "}\n"
		     "chain machine {\n"
		     "ip daddr 127.0.0.0/8 drop\n"
		     "ether daddr != 02:00:00:00:00:01 goto bridged\n"
		     "ip saddr 192.168.105.0/24 accept\n"
		     "ip6 saddr fe80::/10 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr :: accept\n"
		     "fib saddr . iif oif missing drop\n"
		     "}\n"
		     "chain spoofed {\n"
		     "type filter hook prerouting priority raw; policy accept;\n"
		     "iifname \"vmb-lab\" goto machine\n"
		     "iifname \"lo\" accept\n"
		     "ip saddr 192.168.105.0/24 iifname != \"vmb-*\" drop\n"
		     "}\n"
		     "chain input {\n"
		     "type filter hook input priority filter; policy accept;\n"
		     "iifname \"vmb-lab\" ct direction original "
		     "ct original ip daddr 169.254.0.0/16 "
		     "reject with icmp type admin-prohibited\n"
		     "iifname \"lo\" accept\n"
		     "iifname \"vmb-lab\" accept\n"
		     "ct direction reply accept\n"
		     "ip daddr 192.168.105.0/24 drop\n"
		     "}\n"
		     "chain leaving {\n"
		     "oifname \"vmb-lab\" accept\n"
		     "drop\n"
		     "}\n"
		     "chain entering {\n"
		     "drop\n"
		     "}\n"
		     "chain forward {\n"
		     "type filter hook forward priority filter; policy accept;\n"
		     "iifname \"vmb-lab\" goto leaving\n"
		     "oifname \"vmb-lab\" goto entering\n"
		     "}\n"
		     "}\n"
		     "add table bridge vmnet-broker-lab\n"
		     "delete table bridge vmnet-broker-lab\n"
		     "table bridge vmnet-broker-lab {\n"
		     "counter rogue {\n"
		     "}\n"
		     "chain rogue {\n"
		     "counter name \"rogue\" drop\n"
		     "}\n"
		     "chain of_udp {\n"
		     "ether type ip udp sport 67 goto rogue\n"
		     "ether type ip udp dport 68 goto rogue\n"
		     "ether type ip udp dport 67 @th,72,16 0x0106 accept\n"
		     "ether type ip udp dport 67 goto rogue\n"
		     "ether type ip6 udp sport 547 goto rogue\n"
		     "ether type ip6 udp dport 546 goto rogue\n"
		     "}\n"
		     "chain of_ipv4 {\n"
		     "ip saddr 192.168.105.1 goto rogue\n"
		     "ip frag-off & 0x1fff != 0 meta l4proto >= 0 accept\n"
		     "meta l4proto tcp @th,56,8 >= 0 accept\n"
		     "meta l4proto udp @th,56,8 >= 0 goto of_udp\n"
		     "icmp type router-advertisement goto rogue\n"
		     "meta l4proto icmp @th,56,8 >= 0 accept\n"
		     "meta l4proto { icmp, tcp, udp } goto rogue\n"
		     "meta l4proto >= 0 accept\n"
		     "goto rogue\n"
		     "}\n"
		     "chain of_icmpv6 {\n"
		     "icmpv6 type 133-137 exthdr frag exists goto rogue\n"
		     "icmpv6 type { nd-router-advert, nd-redirect } goto rogue\n"
		     "icmpv6 type nd-neighbor-advert @th,64,128 "
		     "0xfe800000000000000000000000000001 goto rogue\n"
		     "ip6 saddr :: icmpv6 type nd-neighbor-solicit @th,64,128 "
		     "0xfe800000000000000000000000000001 goto rogue\n"
		     "}\n"
		     "chain of_ipv6 {\n"
		     "ip6 saddr fe80::1 goto rogue\n"
		     "frag nexthdr { 0, 43, 44, 51, 60 } goto rogue\n"
		     "meta l4proto tcp @th,56,8 >= 0 accept\n"
		     "meta l4proto udp @th,56,8 >= 0 goto of_udp\n"
		     "meta l4proto icmpv6 @th,56,8 >= 0 goto of_icmpv6\n"
		     "meta l4proto ah goto rogue\n"
		     "frag frag-off != 0 meta l4proto >= 0 accept\n"
		     "meta l4proto { tcp, udp, icmpv6 } goto rogue\n"
		     "meta l4proto >= 0 accept\n"
		     "goto rogue\n"
		     "}\n"
		     "chain of_arp {\n"
		     "@nh,32,16 != 0x0604 goto rogue\n"
		     "@nh,112,32 0xc0a86901 goto rogue\n"
		     "@nh,192,32 >= 0 accept\n"
		     "goto rogue\n"
		     "}\n"
		     "chain tagged {\n"
		     "vlan id 0 goto rogue\n"
		     "ether type 8021ad vlan id 0 goto rogue\n"
		     "}\n"
		     "chain prerouting {\n"
		     "type filter hook prerouting priority filter; policy accept;\n"
		     "iifgroup != 0x766d0007 accept\n"
		     "ether saddr 02:00:00:00:00:01 goto rogue\n"
		     "ether type ip goto of_ipv4\n"
		     "ether type ip6 goto of_ipv6\n"
		     "ether type arp goto of_arp\n"
		     "ether type 0x8035 @nh,48,16 3 accept\n"
		     "ether type 8021q goto tagged\n"
		     "ether type 8021ad goto tagged\n"
		     "goto rogue\n"
		     "}\n"
		     "chain for_all {\n"
		     "icmpv6 type nd-neighbor-solicit accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr 192.168.105.0/24 accept\n"
		     "ip saddr 192.168.105.0/24 ip daddr >= 224.0.0.0 accept\n"
		     "ip saddr 0.0.0.0 accept\n"
		     "ip6 saddr fe80::/10 ip6 daddr ff00::/8 accept\n"
		     "ip6 saddr :: accept\n"
		     "drop\n"
		     "}\n"
		     "chain input {\n"
		     "type filter hook input priority filter; policy accept;\n"
		     "iifgroup != 0x766d0007 accept\n"
		     "ether daddr 02:00:00:00:00:01 accept\n"
		     "ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 goto rogue\n"
		     "ether type ip goto for_all\n"
		     "ether type ip6 goto for_all\n"
		     "}\n"
		     "}\n");
}

static void test_shared_network(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 accept"));
	assert_true(
		has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 iifname != \"vmb-*\" drop"));
	assert_int_equal(count_lines(&network, false,
				     "ip6 saddr fd12:3456:789a:1::/64 "
				     "ip6 daddr fd12:3456:789a:1::/64 accept"),
			 2); /* to each other, and to all */
	assert_int_equal(count_lines(&network, false,
				     "ip6 saddr fd12:3456:789a:1::/64 ip6 daddr ff00::/8 accept"),
			 2);
	assert_true(has_line(&network, "ip6 daddr fd12:3456:789a:1::/64 drop"));
	assert_true(has_line(&network, "oifname \"vmb-*\" drop"));
	assert_true(has_line(&network, "ct state established,related accept"));
	assert_true(has_line(&network, "ip saddr 192.168.105.0/24 masquerade"));
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 masquerade"));
	assert_true(has_line(&network, "ip saddr 192.168.105.0/24 drop"));
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 drop"));
	assert_true(has_line(&network, "chain masqueraded {"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv4 masquerade"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv6 masquerade"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv4 goto from_bridge"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv6 goto from_bridge"));
	assert_true(has_line(&network, "ip6 saddr fd12:3456:789a:1::1 goto rogue"));
	assert_int_equal(
		count_lines(&network, false, "tcp flags syn tcp option maxseg size set rt mtu"),
		2); /* to the outside, and from there */
	assert_false(has_line(&network, "jump forwarded"));
	assert_false(has_line(&network, "meta nfproto ipv4 accept"));
}

static void test_without_nat(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	network.nat44 = false;
	network.nat66 = false;
	assert_false(has_line(&network, "ip saddr 192.168.105.0/24 masquerade"));
	assert_false(has_line(&network, "ip6 saddr fd12:3456:789a:1::/64 masquerade"));
	assert_true(has_line(&network, "meta nfproto ipv4 accept"));
	assert_true(has_line(&network, "meta nfproto ipv6 accept"));
	assert_false(has_line(&network, "chain masqueraded {"));
	assert_false(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv4 masquerade"));
	network.nat66 = true;
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv6 masquerade"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv6 goto from_bridge"));
	assert_false(has_line(&network, "iifname \"vmb-lab\" meta nfproto ipv4 goto from_bridge"));
	network.nat66 = false;
	assert_true(has_line(&network, "ip daddr 192.168.105.0/24 meta l4proto { tcp, udp } "
				       "th dport 53 drop"));
	assert_true(has_line(&network, "iifname \"vmb-*\" ip daddr 192.168.105.0/24 drop"));
	assert_true(has_line(&network, "iifname \"vmb-*\" ip6 daddr fd12:3456:789a:1::/64 drop"));
}

static void test_link_local(void **state)
{
	static const char refused[] =
		"iifname \"vmb-lab\" ct direction original ct original ip daddr 169.254.0.0/16 "
		"reject with icmp type admin-prohibited";
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	assert_int_equal(count_lines(&network, false, refused), 2); /* to the host, and by it */
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
	assert_true(has_line(&network, "iifname != \"wg0\" ip daddr 192.168.105.0/24 drop"));
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
	assert_true(has_line(&network,
			     "oifname \"vmb-lab\" ct status dnat ip saddr 127.0.0.0/8 masquerade"));
	assert_true(
		has_line(&network, "oifname \"vmb-lab\" ct status dnat ip6 saddr ::1 masquerade"));
	assert_true(count_lines(&network, false, "ip6 daddr ::1 return"));
	assert_false(count_lines(&network, true, "ip6 daddr ::1 return"));
	assert_false(has_line(&network, "chain returning {"));
	network.external_interface = (char[]){ "wg0" };
	assert_true(has_line(&network, "iifname != \"wg0\" ct status dnat ct label set 118"));
	assert_true(has_line(&network, "iifname \"vmb-lab\" ct direction reply ct label 118 "
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
		"oifname != \"vmb-lab\" icmpv6 type nd-router-advert @th,256,128 "
		"0xfd123456789a00010000000000000000 drop";
	static const char sent_by_server[] =
		"oifname != \"vmb-*\" meta skuid 29002 meta l4proto ipv6-icmp drop";
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	assert_true(has_line(&network, advertised));
	assert_true(has_line(&network, sent_by_server));
	network.dhcp = false;
	network.router_advertisement = false;
	assert_false(has_line(&network, advertised));
	assert_false(has_line(&network, sent_by_server));
	assert_false(has_line(&network, "ether type ip udp sport 67 goto rogue"));
	assert_false(has_line(&network, "ether type ip6 udp sport 547 goto rogue"));
	assert_false(
		has_line(&network, "icmpv6 type { nd-router-advert, nd-redirect } goto rogue"));
	assert_true(has_line(&network, "ip saddr 192.168.105.1 goto rogue"));
}

static void test_removal(void **state)
{
	char *text = firewall_rules_removal("lab");

	(void)state;
	assert_string_equal(text, "add table inet vmnet-broker-lab\n"
				  "delete table inet vmnet-broker-lab\n"
				  "add table bridge vmnet-broker-lab\n"
				  "delete table bridge vmnet-broker-lab\n");
	free(text);
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
		cmocka_unit_test(test_host_network),	     cmocka_unit_test(test_shared_network),
		cmocka_unit_test(test_without_nat),	     cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_external_interface),   cmocka_unit_test(test_forwarded_ports),
		cmocka_unit_test(test_forwarded_ranges),     cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_services_of_machines), cmocka_unit_test(test_removal),
		cmocka_unit_test(test_plain_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
