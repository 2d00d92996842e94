/* SPDX-License-Identifier: Apache-2.0 */
/* What dnsmasq is told for networks of each kind. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/linux/dnsmasq/config.h"

static const struct dnsmasq_files files = {
	.config = (char[]){ "/run/b/lab.dnsmasq.conf" },
	.pid = (char[]){ "/run/b/lab.dnsmasq.pid" },
	.leases = (char[]){ "/var/b/lab.leases" },
	.hosts = (char[]){ "/run/b/lab.hosts" },
	.names = (char[]){ "/run/b/lab.names" },
	.resolvers = (char[]){ "/run/b/lab.resolv.conf" },
};

static struct network_config config(enum network_mode mode)
{
	return (struct network_config){
		.name = "lab",
		.mode = mode,
		.dhcp = true,
		.dns_proxy = true,
		.router_advertisement = true,
	};
}

/* The text for a network at 192.168.105.0/24; the caller frees it. */
static char *text_of(const struct network_config *network, const char *prefix)
{
	struct network_addresses addresses = {
		.bridge = "vmb-lab",
		.mtu = 1400,
		.vxlan_host = network->vxlan.vni ? 2 : 0,
	};
	char *text;

	assert_int_equal(ipv4_subnet_parse("192.168.105.0/24", &addresses.ipv4_subnet), 0);
	addresses.ipv4_gateway = ipv4_subnet_host(&addresses.ipv4_subnet, 1);
	if (prefix)
		assert_int_equal(ipv6_prefix_parse(prefix, &addresses.ipv6_prefix), 0);
	addresses.ipv6_gateway = ipv6_prefix_host(&addresses.ipv6_prefix, 1);
	text = dnsmasq_config(network, &addresses, &files);
	assert_non_null(text);
	return text;
}

static bool has_line(const struct network_config *network, const char *line)
{
	char *text = text_of(network, "fd12:3456:789a:1::/64");
	bool result = false;

	for (char *rest = NULL, *next = strtok_r(text, "\n", &rest); next && !result;
	     next = strtok_r(NULL, "\n", &rest))
		result = strcmp(next, line) == 0;
	free(text);
	return result;
}

static void test_shared_network(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	char *text = text_of(&network, "fd12:3456:789a:1::/64");

	(void)state;
	assert_string_equal(
		text, "# Made by vmnet-broker for network \"lab\"; changes are overwritten.\n"
		      "keep-in-foreground\n"
		      "pid-file\n"
		      "dhcp-leasefile=/var/b/lab.leases\n"
		      "interface=vmb-lab\n"
		      "except-interface=lo\n"
		      "bind-interfaces\n"
		      "dhcp-hostsfile=/run/b/lab.hosts\n"
		      "no-hosts\n"
		      "expand-hosts\n"
		      "domain-needed\n"
		      "domain=lab.internal\n"
		      "local=/lab.internal/\n"
		      "rev-server=192.168.105.0/24\n"
		      "rev-server=fd12:3456:789a:1::/64\n"
		      "host-record=gateway,gateway.lab.internal,192.168.105.1,fd12:3456:789a:1::1\n"
		      "no-resolv\n"
		      "servers-file=/run/b/lab.resolv.conf\n"
		      "dns-loop-detect\n"
		      "dhcp-authoritative\n"
		      "dhcp-broadcast\n"
		      "dhcp-ignore-clid\n"
		      "no-ping\n"
		      "quiet-dhcp\n"
		      "dhcp-lease-max=256\n"
		      "dhcp-range=192.168.105.2,192.168.105.254,255.255.255.0,3600\n"
		      "dhcp-option=option:mtu,1400\n"
		      "dhcp-name-match=set:unnamed,data-server\n"
		      "dhcp-name-match=set:unnamed,data-server.*\n"
		      "dhcp-name-match=set:unnamed,gateway\n"
		      "dhcp-name-match=set:unnamed,gateway.*\n"
		      "dhcp-name-match=set:unnamed,instance-data\n"
		      "dhcp-name-match=set:unnamed,instance-data.*\n"
		      "dhcp-name-match=set:unnamed,isatap\n"
		      "dhcp-name-match=set:unnamed,isatap.*\n"
		      "dhcp-name-match=set:unnamed,localhost\n"
		      "dhcp-name-match=set:unnamed,localhost.*\n"
		      "dhcp-name-match=set:unnamed,wpad\n"
		      "dhcp-name-match=set:unnamed,wpad.*\n"
		      "dhcp-ignore-names=tag:unnamed\n"
		      "enable-ra\n"
		      "quiet-ra\n"
		      "quiet-dhcp6\n"
		      "dhcp-range=fd12:3456:789a:1::,ra-stateless,ra-names,64,3600\n"
		      "ra-param=vmb-lab,mtu:1400,60,1800\n"
		      "dhcp-option=option6:dns-server,[fd12:3456:789a:1::1]\n");
	free(text);
}

static void test_host_network(void **state)
{
	struct network_config network = config(NETWORK_HOST);

	(void)state;
	assert_true(has_line(&network, "no-resolv"));
	assert_false(has_line(&network, "servers-file=/run/b/lab.resolv.conf"));
	assert_true(has_line(&network, "dhcp-option=option:router"));
	assert_true(has_line(&network, "ra-param=vmb-lab,mtu:1400,60,0"));
}

static void test_services_switched_off(void **state)
{
	struct network_config network = config(NETWORK_SHARED);

	(void)state;
	network.dns_proxy = false;
	assert_true(has_line(&network, "port=0"));
	assert_false(has_line(&network, "domain=lab.internal"));
	network = config(NETWORK_SHARED);
	network.dhcp = false;
	assert_false(has_line(&network, "dhcp-authoritative"));
	assert_true(has_line(&network, "enable-ra"));
	network = config(NETWORK_SHARED);
	network.router_advertisement = false;
	assert_false(has_line(&network, "enable-ra"));
	assert_true(has_line(&network, "rev-server=fd12:3456:789a:1::/64"));
}

static void test_without_ipv6(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	char *text = text_of(&network, NULL);

	(void)state;
	assert_null(strstr(text, "enable-ra"));
	assert_non_null(strstr(text, "host-record=gateway,gateway.lab.internal,192.168.105.1\n"));
	free(text);
}

static void test_reservations(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	struct dhcp_reservation reservations[] = {
		{ .mac = { { 0x52, 0x54, 0, 0, 0, 10 } }, .hostname = (char[]){ "Db--x" } },
		{ .mac = { { 0x52, 0x54, 0, 0, 0, 11 } } },
	};

	(void)state;
	inet_pton(AF_INET, "192.168.105.10", &reservations[0].address);
	inet_pton(AF_INET, "192.168.105.11", &reservations[1].address);
	network.dhcp_reservations = reservations;
	network.n_dhcp_reservations = ARRAY_SIZE(reservations);
	assert_true(has_line(&network, "dhcp-host=52:54:00:00:00:0a,192.168.105.10,db--x"));
	assert_true(has_line(&network, "dhcp-host=52:54:00:00:00:0b,192.168.105.11"));
	assert_true(has_line(&network, "host-record=db--x,db--x.lab.internal,192.168.105.10"));
	assert_true(has_line(&network, "dhcp-name-match=set:unnamed,db--x"));
	assert_true(has_line(&network, "dhcp-name-match=set:unnamed,db--x.*"));
}

static void test_domains(void **state)
{
	static const struct {
		const char *name;
		const char *line;
	} names[] = {
		{ "a", "domain=a.internal" },	      { "a.b", "domain=a.b.internal" },
		{ "A_b-1", "domain=a_b-1.internal" }, { "a-", "domain=a.internal" },
		{ "a..b", "domain=ab.internal" },     { "a.", "domain=a.internal" },
		{ "a.-b", "domain=ab.internal" },     { "a-.b", "domain=ab.internal" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct network_config network = config(NETWORK_SHARED);

		strcpy(network.name, names[i].name);
		assert_true(has_line(&network, names[i].line));
	}
}

static void test_several_hosts(void **state)
{
	struct network_config network = config(NETWORK_SHARED);
	struct vxlan_host hosts[] = {
		{ .name = (char[]){ "north" } },
		{ .name = (char[]){ "South" } },
	};
	const char *const lines[] = {
		"interface=vmb-lab",
		"auth-server=south.lab.internal,vmh-lab",
		"interface=vmh-lab",
		"auth-zone=south.lab.internal,192.168.105.0/24,fd12:3456:789a:1::/64",
		"auth-ttl=0",
		"txt-record=south.lab.internal,\"vmnet-broker 08f44b07b5901a25\"",
		"addn-hosts=/run/b/lab.names",
		"auth-peer=192.168.105.33",
		"server=/north.lab.internal/192.168.105.33",
		"local=/lab.internal/",
		"host-record=north,north.lab.internal,192.168.105.33,"
		"fd12:3456:789a:1::c0a8:6921",
		"host-record=south,south.lab.internal,192.168.105.129,"
		"fd12:3456:789a:1::c0a8:6981",
		"dhcp-name-match=set:unnamed,north",
		"dhcp-name-match=set:unnamed,south.*",
		/* Addresses of the pool alone; but who comes from elsewhere has one, too. */
		"dhcp-lease-max=256",
		"dhcp-range=192.168.105.130,192.168.105.254,255.255.255.0,3600",
	};

	(void)state;
	assert_int_equal(ipv4_subnet_parse("192.168.105.32/27", &hosts[0].pool), 0);
	assert_int_equal(ipv4_subnet_parse("192.168.105.128/25", &hosts[1].pool), 0);
	assert_int_equal(ipv6_prefix_parse("fd12:3456:789a:1::/64", &network.ipv6_prefix), 0);
	network.json = (char[]){ "{}" };
	network.vxlan = (struct vxlan){ .vni = 7, .hosts = hosts, .n_hosts = ARRAY_SIZE(hosts) };
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!has_line(&network, lines[i]))
			fail_msg("no line %s", lines[i]);
	assert_false(has_line(&network, "server=/south.lab.internal/192.168.105.129"));
	assert_false(has_line(&network, "auth-peer=192.168.105.129"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_network),	      cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_services_switched_off), cmocka_unit_test(test_without_ipv6),
		cmocka_unit_test(test_reservations),	      cmocka_unit_test(test_domains),
		cmocka_unit_test(test_several_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
