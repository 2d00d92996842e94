/* SPDX-License-Identifier: Apache-2.0 */
/* Records of active networks: what is written is read, and damage is survived. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/linux/network/record.h"

static char directory[] = "/tmp/vmnet-broker-record-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(unlink(path), 0);
}

static struct network_addresses some_addresses(void)
{
	struct network_addresses addresses = { .bridge = "vmb-lab", .mtu = 9000 };

	assert_int_equal(ipv4_subnet_parse("10.1.2.0/24", &addresses.ipv4_subnet), 0);
	assert_int_equal(ipv6_prefix_parse("fd00:1:2:3::/64", &addresses.ipv6_prefix), 0);
	assert_int_equal(mac_address_parse("02:00:00:00:00:01", &addresses.bridge_mac), 0);
	addresses.ipv4_gateway = ipv4_subnet_host(&addresses.ipv4_subnet, 1);
	return addresses;
}

static void save(const char *json, const struct network_addresses *addresses)
{
	struct network_config *config = network_config_parse("lab", json);

	assert_non_null(config);
	assert_int_equal(record_save(directory, config, addresses), 0);
	network_config_unref(config);
}

static void test_round_trip(void **state)
{
	const struct network_addresses addresses = some_addresses();
	struct network_addresses loaded;
	struct network_config *config;

	(void)state;
	save("{\"mode\":\"shared\",\"mtu\":9000,\"isolated\":true}", &addresses);
	record_load(directory, "lab", &config, &loaded);
	assert_non_null(config);
	assert_string_equal(config->name, "lab");
	assert_true(config->isolated);
	assert_string_equal(loaded.bridge, "vmb-lab");
	assert_int_equal(loaded.mtu, 9000);
	assert_true(mac_address_equal(&loaded.bridge_mac, &addresses.bridge_mac));
	assert_memory_equal(&loaded.ipv4_subnet, &addresses.ipv4_subnet,
			    sizeof(loaded.ipv4_subnet));
	assert_memory_equal(&loaded.ipv6_prefix, &addresses.ipv6_prefix,
			    sizeof(loaded.ipv6_prefix));
	assert_int_equal(loaded.ipv4_gateway.s_addr, addresses.ipv4_gateway.s_addr);
	network_config_unref(config);
	assert_int_equal(record_remove(directory, "lab"), 0);
	assert_int_equal(record_remove(directory, "lab"), 0);
}

static void test_without_addresses(void **state)
{
	const struct network_addresses addresses = { .bridge = "br0", .mtu = 1500 };
	struct network_addresses loaded;
	struct network_config *config;

	(void)state;
	save("{\"external_interface\":\"br0\",\"mode\":\"bridged\"}", &addresses);
	record_load(directory, "lab", &config, &loaded);
	assert_non_null(config);
	assert_string_equal(loaded.bridge, "br0");
	assert_int_equal(loaded.ipv4_subnet.length, 0);
	assert_int_equal(loaded.ipv6_prefix.length, 0);
	network_config_unref(config);
	assert_int_equal(record_remove(directory, "lab"), 0);
}

static const char of_two_hosts[] =
	"{\"ipv6_prefix\":\"fd00:1:2:3::/64\",\"mode\":\"shared\",\"subnet\":\"10.1.2.0/24\","
	"\"vxlan\":{\"control\":\"evpn\",\"hosts\":[{\"address\":\"192.0.2.1\",\"name\":\"a\","
	"\"pool\":\"10.1.2.64/26\"},{\"address\":\"192.0.2.2\",\"name\":\"b\","
	"\"pool\":\"10.1.2.128/26\"}],\"vni\":1}}";

/* Which host it is on is kept, and of which it is not is damage. */
static void test_several_hosts(void **state)
{
	struct network_addresses addresses = some_addresses();
	struct network_addresses loaded;
	struct network_config *config;
	char text[INET6_ADDRSTRLEN];

	(void)state;
	for (unsigned int host = 0; host <= 3; host++) {
		addresses.vxlan_host = host;
		save(of_two_hosts, &addresses);
		record_load(directory, "lab", &config, &loaded);
		assert_non_null(config);
		assert_string_equal(loaded.bridge, host == 1 || host == 2 ? "vmb-lab" : "");
		if (host == 2) {
			assert_int_equal(loaded.vxlan_host, 2);
			assert_string_equal(
				inet_ntop(AF_INET, &loaded.own_ipv4, text, sizeof(text)),
				"10.1.2.129");
			assert_string_equal(
				inet_ntop(AF_INET6, &loaded.own_ipv6, text, sizeof(text)),
				"fd00:1:2:3::a01:281");
			assert_string_equal(mac_address_format(&loaded.own_mac, text),
					    "76:6d:0a:01:02:81");
			assert_string_equal(mac_address_format(&loaded.bridge_mac, text),
					    "76:6d:0a:01:02:01");
		}
		network_config_unref(config);
	}
	assert_int_equal(record_remove(directory, "lab"), 0);
}

static void test_nothing(void **state)
{
	struct network_addresses addresses;
	struct network_config *config;

	(void)state;
	record_load(directory, "none", &config, &addresses);
	assert_null(config);
	assert_string_equal(addresses.bridge, "");
}

static void test_damage(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"config\": 1}",
		"{\"config\": \"{\\\"mode\\\":\\\"none\\\"}\"}",
		"{\"config\": \"{\\\"mode\\\":\\\"shared\\\"}\", \"bridge\": \"\", \"mtu\": 1500, "
		"\"bridge_mac\": \"02:00:00:00:00:01\", \"ipv4_subnet\": \"10.1.2.0/24\", "
		"\"ipv6_prefix\": \"\"}",
		"{\"config\": \"{\\\"mode\\\":\\\"shared\\\"}\", \"bridge\": \"vmb-much-too-long\", "
		"\"mtu\": 1500, \"bridge_mac\": \"02:00:00:00:00:01\", "
		"\"ipv4_subnet\": \"10.1.2.0/24\", \"ipv6_prefix\": \"\"}",
		"{\"config\": \"{\\\"mode\\\":\\\"shared\\\"}\", \"bridge\": \"eth0\", "
		"\"mtu\": 1500, \"bridge_mac\": \"02:00:00:00:00:01\", "
		"\"ipv4_subnet\": \"10.1.2.0/24\", \"ipv6_prefix\": \"::/0\"}",
		"{\"config\": \"{\\\"mode\\\":\\\"shared\\\"}\", \"bridge\": \"vmb-lab\", "
		"\"mtu\": 1500, \"bridge_mac\": \"02:00:00:00:00:01\", "
		"\"ipv4_subnet\": \"0.0.0.0/0\", \"ipv6_prefix\": \"::/0\"}",
	};
	struct network_addresses addresses;
	struct network_config *config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		write_file("lab.json", texts[i]);
		record_load(directory, "lab", &config, &addresses);
		assert_string_equal(addresses.bridge, "");
		network_config_unref(config);
	}
	assert_int_equal(record_remove(directory, "lab"), 0);
}

static int count(const char *network, void *userdata)
{
	assert_string_equal(network, "a.b");
	++*(int *)userdata;
	return 0;
}

static int refuse(const char *network, void *userdata)
{
	(void)network;
	(void)userdata;
	return -ECANCELED;
}

static void test_list(void **state)
{
	int n = 0;

	(void)state;
	write_file("a.b.json", "{}");
	write_file("a.b.json.new", "{}");
	write_file("a.b.dnsmasq.conf", "");
	write_file(".json", "{}");
	assert_int_equal(record_list(directory, count, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(record_list(directory, refuse, NULL), -ECANCELED);
	assert_int_equal(record_list("/nonexistent", refuse, NULL), -ENOENT);
	remove_file("a.b.json");
	remove_file("a.b.json.new");
	remove_file("a.b.dnsmasq.conf");
	remove_file(".json");
}

static void test_no_directory(void **state)
{
	const struct network_addresses addresses = some_addresses();
	struct network_config *config = network_config_parse("lab", "{\"mode\":\"shared\"}");

	(void)state;
	assert_non_null(config);
	assert_int_equal(record_save("/nonexistent", config, &addresses), -ENOENT);
	network_config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_without_addresses),
		cmocka_unit_test(test_several_hosts), cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_damage),	      cmocka_unit_test(test_list),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
