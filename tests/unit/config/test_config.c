/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: what every good file means, and to the letter what is said
 * of every bad one. The files are in tests/config:
 *
 *	good/		right on every system
 *	linux/		right on Linux; the .txt beside is what macOS says
 *	bad/		wrong on every system; the .txt beside is what is said, the
 *			.macos.txt what macOS says where that is something else
 *
 * Built twice, for what Linux supports and for what macOS does.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

/* All of a file, terminated; to be freed. */
static char *read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(2 * 1024 * 1024);

	if (!file)
		fail_msg("cannot open %s", path);
	assert_non_null(text);
	*length = fread(text, 1, 2 * 1024 * 1024 - 1, file);
	text[*length] = '\0';
	assert_int_equal(fclose(file), 0);
	return text;
}

static void assert_good(const char *path)
{
	struct config_errors errors;
	struct config *config = config_load(path, false, &errors);

	if (!config) {
		fail_msg("%s: %s", path, errors.items[0].message);
		return;
	}
	assert_int_equal(errors.n_items, 0);
	for (size_t i = 0; i + 1 < config->n_networks; i++)
		assert_true(strcmp(config->networks[i]->name, config->networks[i + 1]->name) < 0);
	config_errors_clear(&errors);
	config_free(config);
}

/* path is PLACE/NAME.json, and what is said of it PLACE/NAME.txt. */
static char *read_expected(const char *path)
{
	int length = (int)(strrchr(path, '.') - path);
	char text[4096];
	size_t size;

	(void)snprintf(text, sizeof(text), "%.*s.macos.txt", length, path);
	if (!config_support.no_bridged || access(text, F_OK) < 0)
		(void)snprintf(text, sizeof(text), "%.*s.txt", length, path);
	return read_file(text, &size);
}

static void assert_bad(const char *path)
{
	struct config_errors errors;
	char *expected = read_expected(path);
	char *said;

	assert_null(config_load(path, false, &errors));
	assert_true(errors.n_items > 0);
	said = config_errors_format(&errors, strrchr(path, '/') + 1, true);
	assert_non_null(said);
	assert_string_equal(said, expected);
	free(said);
	free(expected);
	config_errors_clear(&errors);
}

static int is_json(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static void for_each_file(const char *folder, void (*check)(const char *path))
{
	struct dirent **entries;
	char path[4096];
	int n;

	(void)snprintf(path, sizeof(path), "%s/%s", TEST_CONFIG_DIR, folder);
	n = scandir(path, &entries, is_json, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s", TEST_CONFIG_DIR, folder,
			       entries[i]->d_name);
		check(path);
		free(entries[i]);
	}
	free(entries);
}

static void test_good(void **state)
{
	(void)state;
	for_each_file("good", assert_good);
}

static void test_bad(void **state)
{
	(void)state;
	for_each_file("bad", assert_bad);
}

static void test_linux(void **state)
{
	(void)state;
	for_each_file("linux", config_support.no_bridged ? assert_bad : assert_good);
}

/* Parses a text that has to be right. */
static struct config *parse(const char *text)
{
	struct config_errors errors;
	struct config *config = config_parse(text, strlen(text), &errors);

	if (!config)
		fail_msg("%s", errors.items[0].message);
	config_errors_clear(&errors);
	return config;
}

static void test_defaults_of_keys(void **state)
{
	struct config *config = parse("{ \"lab\": { \"mode\": \"shared\" } }");
	const struct network_config *lab = config->networks[0];

	(void)state;
	assert_int_equal(config->n_networks, 1);
	assert_string_equal(lab->name, "lab");
	assert_null(lab->description);
	assert_int_equal(lab->mode, NETWORK_SHARED);
	assert_int_equal(lab->n_aliases, 0);
	assert_int_equal(lab->subnet.length, 0);
	assert_int_equal(lab->ipv6_prefix.length, 0);
	assert_null(lab->external_interface);
	assert_int_equal(lab->mtu, 1500);
	assert_true(lab->nat44 && lab->nat66 && lab->dhcp && lab->dns_proxy);
	assert_true(lab->router_advertisement);
	assert_int_equal(lab->n_dhcp_reservations, 0);
	assert_int_equal(lab->n_port_forwardings, 0);
	assert_false(lab->isolated);
	assert_false(lab->link_local);
	assert_false(lab->bypass_kill_switch);
	assert_int_equal(lab->allow_port_forwarding.addresses, ALLOWED_ANY);
	assert_int_equal(lab->allow_port_forwarding.from_port, 1024);
	assert_false(lab->allow.restricted);
	assert_int_equal(lab->max_interfaces, 256);
	config_free(config);
}

static void assert_address(int family, const void *address, const char *expected)
{
	char text[INET6_ADDRSTRLEN];

	assert_string_equal(inet_ntop(family, address, text, sizeof(text)), expected);
}

static void assert_forwarding(const struct port_forwarding *forwarding, unsigned int protocols,
			      uint16_t external_port, const char *address, uint16_t internal_port)
{
	assert_int_equal(forwarding->protocols, protocols);
	assert_int_equal(forwarding->external_port, external_port);
	assert_int_equal(forwarding->family, strchr(address, ':') ? AF_INET6 : AF_INET);
	assert_address(forwarding->family, &forwarding->internal_address, address);
	assert_int_equal(forwarding->internal_port, internal_port);
	assert_false(forwarding->has_external_address);
}

static void assert_services(const struct network_config *lab)
{
	char text[MAC_TEXT_SIZE];

	assert_int_equal(lab->n_dhcp_reservations, 2);
	assert_string_equal(mac_address_format(&lab->dhcp_reservations[0].mac, text),
			    "52:54:00:00:00:0a");
	assert_address(AF_INET, &lab->dhcp_reservations[0].address, "10.0.0.2");
	assert_null(lab->dhcp_reservations[0].hostname);
	assert_address(AF_INET, &lab->dhcp_reservations[1].address, "10.0.255.254");
	assert_null(lab->dhcp_reservations[1].hostname);

	assert_int_equal(lab->n_port_forwardings, 6);
	assert_forwarding(&lab->port_forwardings[0], FORWARD_TCP, 80, "10.0.0.2", 8080);
	assert_forwarding(&lab->port_forwardings[1], FORWARD_UDP, 80, "10.0.0.2", 8080);
	assert_forwarding(&lab->port_forwardings[2], FORWARD_TCP, 80, "fd12:3456:789a:1::2", 8080);
	assert_forwarding(&lab->port_forwardings[3], FORWARD_TCP, 65535, "10.0.0.2", 1);
	assert_int_equal(lab->port_forwardings[3].n_ports, 1);
	assert_forwarding(&lab->port_forwardings[4], FORWARD_TCP | FORWARD_UDP, 8000, "10.0.0.2",
			  8000);
	assert_int_equal(lab->port_forwardings[4].n_ports, 11);
	assert_forwarding(&lab->port_forwardings[5], FORWARD_UDP, 5000, "10.0.0.2", 65534);
	assert_int_equal(lab->port_forwardings[5].n_ports, 2);
}

static void assert_allowed(const struct network_allow *allow)
{
	assert_true(allow->restricted);
	assert_int_equal(allow->n_users, 3);
	assert_int_equal(allow->users[0], 0);
	assert_int_equal(allow->users[1], 1000);
	assert_int_equal(allow->users[2], 1001);
	assert_string_equal(allow->users_text[0], "root");
	assert_string_equal(allow->users_text[1], "1000");
	assert_string_equal(allow->users_text[2], "1001");
	assert_int_equal(allow->n_groups, 2);
	assert_int_equal(allow->groups[0], 0);
	assert_int_equal(allow->groups[1], 1);
	assert_string_equal(allow->groups_text[1], "daemon");
}

static void test_every_key(void **state)
{
	struct config_errors errors;
	struct config *config = config_load(TEST_CONFIG_DIR "/good/every-key.json", false, &errors);
	const struct network_config *lab = config_find(config, "lab");
	char text[IPV6_PREFIX_TEXT_SIZE];

	(void)state;
	assert_non_null(lab);
	assert_string_equal(lab->description, "Labor für Übung – 実験室");
	assert_int_equal(lab->n_aliases, 2);
	assert_string_equal(lab->aliases[1], "Test.2_b-c");
	assert_string_equal(ipv4_subnet_format(&lab->subnet, text), "10.0.0.0/16");
	assert_string_equal(ipv6_prefix_format(&lab->ipv6_prefix, text), "fd12:3456:789a:1::/64");
	assert_string_equal(lab->external_interface, "eth0");
	assert_int_equal(lab->mtu, 9000);
	assert_true(lab->dhcp);
	assert_true(lab->nat44);
	assert_false(lab->isolated);
	assert_false(lab->nat66 || lab->dns_proxy || lab->router_advertisement);
	assert_services(lab);
	assert_allowed(&lab->allow);
	config_free(config);
	config_errors_clear(&errors);
}

static void test_every_key_of_linux(void **state)
{
	struct config_errors errors;
	struct config *config =
		config_load(TEST_CONFIG_DIR "/linux/every-key.json", false, &errors);
	const struct network_config *lab;

	(void)state;
	config_errors_clear(&errors);
	if (config_support.no_bridged) {
		assert_null(config);
		return;
	}
	lab = config_find(config, "lab");
	assert_int_equal(lab->subnet.length, 8);
	assert_false(lab->nat44);
	assert_string_equal(lab->dhcp_reservations[1].hostname, "3com");
	assert_true(lab->port_forwardings[4].has_external_address);
	assert_address(AF_INET, &lab->port_forwardings[4].external_address, "127.0.0.1");
	assert_address(AF_INET6, &lab->port_forwardings[5].external_address, "::1");
	assert_int_equal(lab->port_forwardings[6].internal_port, 1050);
	assert_int_equal(lab->port_forwardings[6].n_ports, 11);
	assert_true(lab->isolated);
	assert_true(lab->bypass_kill_switch);
	assert_int_equal(lab->rate_limit_in.bits_per_second, 10000000000);
	assert_int_equal(lab->rate_limit_in.burst_bytes, 0);
	assert_int_equal(lab->rate_limit_out.bits_per_second, 1000000);
	assert_int_equal(lab->rate_limit_out.burst_bytes, 131072);
	assert_int_equal(lab->allow_port_forwarding.addresses, ALLOWED_LOOPBACK);
	assert_int_equal(lab->allow_port_forwarding.from_port, 80);
	assert_int_equal(lab->max_interfaces, 32);
	assert_int_equal(config_find(config, "office")->mode, NETWORK_BRIDGED);
	config_free(config);
}

static void assert_is_of(const struct network_config *network, const struct vxlan_host *host,
			 const char *ipv4_text, const char *ipv6_text, const char *mac_text)
{
	struct in_addr ipv4 = vxlan_host_ipv4(host);
	struct in6_addr ipv6 = vxlan_host_ipv6(network, host);
	struct mac_address mac = vxlan_mac(ipv4);
	char text[MAC_TEXT_SIZE];

	assert_address(AF_INET, &ipv4, ipv4_text);
	assert_address(AF_INET6, &ipv6, ipv6_text);
	assert_string_equal(mac_address_format(&mac, text), mac_text);
	assert_ptr_equal(vxlan_host_at(network, AF_INET, &ipv4), host);
	assert_ptr_equal(vxlan_host_at(network, AF_INET6, &ipv6), host);
	assert_true(vxlan_mac_is_hosts(network, &mac));
	ipv4.s_addr += htonl(1);
	ipv6.s6_addr[15]++;
	mac = vxlan_mac(ipv4);
	assert_ptr_equal(vxlan_host_of(&network->vxlan, ipv4), host);
	assert_null(vxlan_host_at(network, AF_INET, &ipv4));
	assert_null(vxlan_host_at(network, AF_INET6, &ipv6));
	assert_false(vxlan_mac_is_hosts(network, &mac));
}

static void test_several_hosts(void **state)
{
	struct config_errors errors;
	struct config *config = config_load(TEST_CONFIG_DIR "/linux/vxlan.json", false, &errors);
	const struct network_config *lab, *ci;
	struct mac_address gateway;
	struct in6_addr other;
	struct in_addr none;

	(void)state;
	config_errors_clear(&errors);
	if (config_support.no_vxlan) {
		assert_null(config);
		return;
	}
	lab = config_find(config, "lab");
	ci = config_find(config, "ci");
	assert_int_equal(lab->vxlan.vni, 4711);
	assert_int_equal(lab->vxlan.control, VXLAN_EVPN);
	assert_int_equal(lab->vxlan.port, 4789);
	assert_int_equal(lab->vxlan.family, AF_INET);
	assert_int_equal(lab->vxlan.n_hosts, 2);
	assert_string_equal(lab->vxlan.hosts[1].name, "b");
	assert_address(AF_INET, &lab->vxlan.hosts[1].address, "192.0.2.2");
	assert_int_equal(lab->vxlan.hosts[1].pool.length, 24);
	assert_int_equal(lab->mtu, 0);
	assert_is_of(lab, &lab->vxlan.hosts[0], "10.80.1.1", "fd80::80:0:0:a50:101",
		     "76:6d:0a:50:01:01");

	assert_int_equal(ci->vxlan.control, VXLAN_STATIC);
	assert_int_equal(ci->vxlan.port, 8472);
	assert_int_equal(ci->vxlan.family, AF_INET6);
	assert_int_equal(ci->vxlan.n_hosts, 3);
	assert_address(AF_INET6, &ci->vxlan.hosts[2].address, "fd00::3");
	assert_int_equal(ci->mtu, 8950);
	assert_is_of(ci, &ci->vxlan.hosts[1], "10.81.128.1", "fd80::81:0:0:a51:8001",
		     "76:6d:0a:51:80:01");

	/* Those of all hosts, of another prefix, and of no host. */
	gateway = vxlan_mac(ipv4_subnet_host(&lab->subnet, 1));
	assert_true(vxlan_mac_is_hosts(lab, &gateway));
	assert_false(vxlan_mac_is_hosts(ci, &gateway));
	other = vxlan_host_ipv6(ci, &lab->vxlan.hosts[0]);
	assert_null(vxlan_host_at(lab, AF_INET6, &other));
	none = ipv4_subnet_host(&lab->subnet, 2);
	assert_null(vxlan_host_of(&lab->vxlan, none));
	assert_string_equal(vxlan_control_name(VXLAN_EVPN), "evpn");
	assert_string_equal(vxlan_control_name(VXLAN_STATIC), "static");
	config_free(config);
}

static void test_hosts_of_no_such_network(void **state)
{
	struct network_config network = { 0 };
	struct in6_addr ipv6 = { 0 };
	struct mac_address mac;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.80.0.0/16", &network.subnet), 0);
	mac = vxlan_mac(ipv4_subnet_host(&network.subnet, 1));
	assert_false(vxlan_mac_is_hosts(&network, &mac));
	assert_null(vxlan_host_at(&network, AF_INET6, &ipv6));
}

/* As many hosts as there may be, and one more. */
static void test_many_hosts(void **state)
{
	const size_t size = 65536;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	for (unsigned int n = VXLAN_HOSTS_MAX; n <= VXLAN_HOSTS_MAX + 1; n++) {
		struct network_config *network;
		char *at = text;

		at += snprintf(at, size,
			       "{\"mode\":\"shared\",\"subnet\":\"10.0.0.0/8\",\"ipv6_prefix\":"
			       "\"fd00::/64\",\"vxlan\":{\"vni\":1,\"control\":\"static\","
			       "\"hosts\":[");
		for (unsigned int i = 1; i <= n; i++)
			at += snprintf(at, size - (size_t)(at - text),
				       "%s{\"name\":\"h%u\",\"address\":\"192.0.%u.%u\","
				       "\"pool\":\"10.%u.%u.0/24\"}",
				       i > 1 ? "," : "", i, i / 256, i % 256, i / 256 + 1, i % 256);
		(void)snprintf(at, size - (size_t)(at - text), "]}}");
		network = network_config_parse("lab", text);
		assert_int_equal(!!network, n <= VXLAN_HOSTS_MAX && !config_support.no_vxlan);
		network_config_unref(network);
	}
	free(text);
}

/* 50 ms of it, but a frame at the least; what is given counts. */
static void test_bursts(void **state)
{
	struct rate_limit rate = { .bits_per_second = RATE_MIN };

	(void)state;
	assert_true(rate_limit_is_valid(&rate));
	assert_int_equal(rate_limit_burst(&rate), RATE_BURST_MIN);
	assert_int_equal(rate_limit_waiting(&rate), 2 * RATE_BURST_MIN);
	assert_int_equal(rate_limit_frames(&rate), 24);
	rate.bits_per_second = 100000000;
	assert_int_equal(rate_limit_burst(&rate), 625000);
	assert_int_equal(rate_limit_waiting(&rate), 524288);
	rate.bits_per_second = RATE_MAX;
	assert_true(rate_limit_is_valid(&rate));
	assert_int_equal(rate_limit_burst(&rate), RATE_BURST_MAX);
	assert_int_equal(rate_limit_frames(&rate), 96);
	rate.burst_bytes = RATE_BURST_MIN;
	assert_true(rate_limit_is_valid(&rate));
	assert_int_equal(rate_limit_burst(&rate), RATE_BURST_MIN);
	rate.burst_bytes--;
	assert_false(rate_limit_is_valid(&rate));
	assert_int_equal(rate_limit_frames(&(struct rate_limit){ 0 }), 0);
}

static void test_escapes(void **state)
{
	struct config_errors errors;
	struct config *config = config_load(TEST_CONFIG_DIR "/good/escapes.json", false, &errors);

	(void)state;
	assert_string_equal(config_find(config, "lab")->description, "a \"b\" \\ \U0001f600");
	config_free(config);
	config_errors_clear(&errors);
}

static void test_modes(void **state)
{
	struct config *config = parse("{ \"b\": { \"mode\": \"host\" },"
				      "  \"a\": { \"mode\": \"shared\" } }");

	(void)state;
	assert_int_equal(config_find(config, "a")->mode, NETWORK_SHARED);
	assert_int_equal(config_find(config, "b")->mode, NETWORK_HOST);
	assert_string_equal(network_mode_name(NETWORK_SHARED), "shared");
	assert_string_equal(network_mode_name(NETWORK_HOST), "host");
	assert_string_equal(network_mode_name(NETWORK_BRIDGED), "bridged");
	config_free(config);
}

static void test_find(void **state)
{
	struct config *config =
		parse("{ \"lab\": { \"mode\": \"shared\", \"aliases\": [\"x\"] } }");

	(void)state;
	assert_ptr_equal(config_find(config, "lab"), config->networks[0]);
	assert_ptr_equal(config_find(config, "x"), config->networks[0]);
	assert_null(config_find(config, "Lab"));
	assert_null(config_find(config, ""));
	assert_true(network_config_has_name(config->networks[0], "x"));
	assert_false(network_config_has_name(config->networks[0], "y"));
	config_free(config);
}

/* Without a file there is the same as with the file that is shipped. */
static void test_no_file(void **state)
{
	struct config_errors errors;
	struct config *none = config_load("/nowhere/networks.json", true, &errors);
	struct config *shipped;

	(void)state;
	assert_non_null(none);
	config_errors_clear(&errors);
	shipped = config_load(SHIPPED_CONFIG, false, &errors);
	assert_non_null(shipped);
	config_errors_clear(&errors);
	assert_int_equal(none->n_networks, 2);
	assert_int_equal(shipped->n_networks, 2);
	assert_string_equal(none->networks[0]->name, "default");
	assert_string_equal(none->networks[1]->name, "host");
	assert_ptr_equal(config_find(none, "shared"), none->networks[0]);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(none->networks[i]->json, shipped->networks[i]->json);
	config_free(none);
	config_free(shipped);
}

static void test_json(void **state)
{
	struct config *config = parse("{ \"lab\": { \"mtu\": 9000,\n \"mode\": \"shared\" } }");

	(void)state;
	assert_string_equal(config->networks[0]->json, "{\"mode\":\"shared\",\"mtu\":9000}");
	config_free(config);
}

static void test_network_survives_config(void **state)
{
	struct config *config = parse("{ \"lab\": { \"mode\": \"host\" } }");
	struct network_config *lab = network_config_ref(config->networks[0]);

	(void)state;
	config_free(config);
	assert_string_equal(lab->name, "lab");
	network_config_unref(lab);
	network_config_unref(NULL);
	config_free(NULL);
}

static void test_network_config_parse(void **state)
{
	struct network_config *lab = network_config_parse(
		"lab", "{\"allow\":{\"users\":[\"root\",\"gone-since\"]},\"mode\":\"shared\"}");

	(void)state;
	assert_non_null(lab);
	assert_string_equal(lab->name, "lab");
	assert_true(lab->allow.restricted);
	assert_int_equal(lab->allow.users[0], 0);
	assert_int_equal(lab->allow.users[1], (uid_t)-1);
	network_config_unref(lab);

	assert_null(network_config_parse("lab", ""));
	assert_null(network_config_parse("lab", "{\"mode\":\"shared\""));
	assert_null(network_config_parse("lab", "{\"mode\":\"sha\"}"));
	assert_null(network_config_parse("lab", "{\"mode\":\"shared\"},\"a\":{\"mode\":\"host\"}"));
	assert_null(network_config_parse("../lab", "{\"mode\":\"shared\"}"));
}

static void test_format_without_source(void **state)
{
	static const char text[] =
		"{ \"lab\": { \"mode\": \"shared\",\n\"mtu\": 5, \"dhcp\": 6 } }";
	struct config_errors errors;
	char *said;

	(void)state;
	assert_null(config_parse(text, sizeof(text) - 1, &errors));
	said = config_errors_format(&errors, "/etc/x.json", false);
	assert_string_equal(
		said, "/etc/x.json:2:8: network \"lab\": \"mtu\" must be a whole number from 1280 "
		      "to 65535, not 5\n"
		      "/etc/x.json:2:19: network \"lab\": \"dhcp\" must be true or false, not 6\n");
	free(said);
	config_errors_clear(&errors);
}

/* A folder for files of a test, removed after it. */
static char folder[] = "/tmp/test_config.XXXXXX";
static char file[sizeof(folder) + 16];

static int make_folder(void **state)
{
	(void)state;
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(file, sizeof(file), "%s/file", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(file);
	return rmdir(folder);
}

static void write_file(const char *text, size_t length)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, length, out), length);
	assert_int_equal(fclose(out), 0);
}

/* The file is refused with this as the only error. */
static void assert_refused(bool trusted, const char *expected)
{
	struct config_errors errors;
	char *said;

	assert_null(config_load(file, trusted, &errors));
	said = config_errors_format(&errors, "FILE", true);
	assert_string_equal(said, expected);
	free(said);
	config_errors_clear(&errors);
}

static void test_file_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(file, 0600), 0);
	assert_refused(false, "FILE: is not a regular file\n");
}

static void test_file_folder(void **state)
{
	(void)state;
	assert_int_equal(mkdir(file, 0700), 0);
	assert_refused(false, "FILE: is not a regular file\n");
	assert_int_equal(rmdir(file), 0);
}

static void test_file_loop(void **state)
{
	(void)state;
	assert_int_equal(symlink("file", file), 0);
	assert_refused(false, "FILE: cannot be opened: Too many levels of symbolic links\n");
}

static void test_file_large(void **state)
{
	static char text[1024 * 1024 + 1];
	struct config_errors errors;
	struct config *config;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "{}", 2);
	write_file(text, sizeof(text));
	assert_refused(false, "FILE: the file is larger than 1 MiB\n");
	assert_null(config_parse(text, sizeof(text), &errors));
	config_errors_clear(&errors);

	write_file(text, sizeof(text) - 1);
	config = config_load(file, false, &errors);
	assert_non_null(config);
	config_free(config);
}

/* The trust in a file is told from its owner and mode; only root can try all of it. */
static void test_file_trust(void **state)
{
	struct config_errors errors;
	struct config *config;

	(void)state;
	if (geteuid() != 0)
		return;
	write_file("{}", 2);
	assert_int_equal(chmod(file, 0644), 0);
	config = config_load(file, true, &errors);
	assert_non_null(config);
	config_free(config);

	assert_int_equal(chmod(file, 0664), 0);
	assert_refused(true, "FILE: can be written by others than root; chmod it to 0644\n");
	assert_int_equal(chmod(file, 0646), 0);
	assert_refused(true, "FILE: can be written by others than root; chmod it to 0644\n");
	config = config_load(file, false, &errors);
	assert_non_null(config);
	config_free(config);

	assert_int_equal(chmod(file, 0644), 0);
	assert_int_equal(chown(file, 65534, 0), 0);
	assert_refused(true, "FILE: is not owned by root; chown it to root\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_linux),
		cmocka_unit_test(test_defaults_of_keys),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_every_key_of_linux),
		cmocka_unit_test(test_several_hosts),
		cmocka_unit_test(test_hosts_of_no_such_network),
		cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_network_survives_config),
		cmocka_unit_test(test_network_config_parse),
		cmocka_unit_test(test_format_without_source),
		cmocka_unit_test_setup_teardown(test_file_fifo, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_file_folder, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_file_loop, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_file_large, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_file_trust, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
