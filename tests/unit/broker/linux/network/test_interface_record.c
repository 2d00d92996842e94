/* SPDX-License-Identifier: Apache-2.0 */
/* Records of interfaces: what is written is read, damage survived, and what has gone swept. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/linux/network/interface_record.h"

#define NETWORK "lab.525400123456"

static char directory[] = "/tmp/vmnet-broker-interface-XXXXXX";
static const struct mac_address mac = { { 0x52, 0x54, 0x00, 0x12, 0x34, 0x5f } };
static const char *const record = NETWORK ".52540012345f.interface";

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

static bool is_there(const char *name)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return access(path, F_OK) == 0;
}

static void save(const char *text)
{
	assert_int_equal(interface_record_save(directory, NETWORK, &mac, text), 0);
	assert_true(is_there(record));
}

static void test_round_trip(void **state)
{
	struct port_forwarding forwardings[] = {
		{
			.protocols = FORWARD_TCP | FORWARD_UDP,
			.family = AF_INET,
			.external_port = 8080,
			.internal_port = 80,
			.n_ports = 2,
		},
		{
			.protocols = FORWARD_TCP,
			.family = AF_INET6,
			.has_external_address = true,
			.external_address.ipv6 = IN6ADDR_LOOPBACK_INIT,
			.external_port = 65535,
			.internal_port = 65535,
			.n_ports = 1,
		},
	};
	struct interface_options options = {
		.name = "Web-1",
		.has_ipv4 = true,
		.has_ipv6 = true,
		.ipv4.s_addr = htonl(0xc0a84005),
		.port_forwardings = forwardings,
		.n_port_forwardings = 2,
		.rate_in = { UINT64_C(40000000000), 1500 },
		.rate_out = { 1, UINT32_MAX },
	};
	struct interface_options loaded;
	struct port_forwarding *read;
	char *text;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00::5", &options.ipv6), 1);
	text = interface_record_text(&options);
	assert_non_null(text);
	save(text);
	free(text);
	interface_record_load(directory, NETWORK, &mac, &loaded);
	read = loaded.port_forwardings;
	assert_memory_equal(read, forwardings, sizeof(forwardings));
	loaded.port_forwardings = forwardings;
	assert_memory_equal(&loaded, &options, sizeof(options));
	free(read);
	assert_int_equal(interface_record_remove(directory, NETWORK, &mac), 0);
	assert_false(is_there(record));
	assert_int_equal(interface_record_remove(directory, NETWORK, &mac), 0);
	interface_record_load(directory, NETWORK, &mac, &loaded);
	assert_false(interface_options_are_given(&loaded));
}

static void test_what_is_missing_was_not_asked_for(void **state)
{
	struct interface_options loaded;

	(void)state;
	save("{\"name\": \"web\", \"later\": 1}");
	interface_record_load(directory, NETWORK, &mac, &loaded);
	assert_string_equal(loaded.name, "web");
	assert_false(loaded.has_ipv4 || loaded.has_ipv6 || loaded.n_port_forwardings);
	assert_int_equal(interface_record_remove(directory, NETWORK, &mac), 0);
}

static void test_damage(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{\"name\": \"web\", ",
		"{\"name\": \"a web\"}",
		"{\"name\": \"a234567890123456789012345678901234567890123456789012345678901234\"}",
		"{\"name\": \"web\", \"ipv4_address\": \"10.0.0\"}",
		"{\"name\": \"web\", \"ipv6_address\": 1}",
		"{\"name\": \"web\", \"rate_limit_in\": {\"bits_per_second\": -1, "
		"\"burst_bytes\": 0}}",
		"{\"name\": \"web\", \"port_forwarding\": [{\"protocols\": 1}]}",
		"{\"name\": \"web\", \"port_forwarding\": [{\"protocols\": 1, \"ipv6\": false, "
		"\"external_port\": 65535, \"internal_port\": 1, \"ports\": 2}]}",
		"{\"name\": \"web\", \"port_forwarding\": [{\"protocols\": 1, \"ipv6\": false, "
		"\"external_port\": 1, \"internal_port\": 1, \"ports\": 1, "
		"\"external_address\": \"::1\"}]}",
	};
	struct interface_options loaded;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		save(texts[i]);
		interface_record_load(directory, NETWORK, &mac, &loaded);
		assert_false(interface_options_are_given(&loaded));
		assert_null(loaded.port_forwardings);
	}
	assert_int_equal(interface_record_remove(directory, NETWORK, &mac), 0);
}

static bool is_lab_alone(const char *network, const struct mac_address *other, const void *userdata)
{
	assert_ptr_equal(userdata, directory);
	assert_true(mac_address_equal(other, &mac));
	return strcmp(network, NETWORK) == 0;
}

static void test_sweep(void **state)
{
	char path[256];
	FILE *file;

	(void)state;
	save("{}");
	assert_int_equal(interface_record_save(directory, "gone", &mac, "{}"), 0);
	(void)snprintf(path, sizeof(path), "%s/other.interface", directory);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(interface_records_sweep(directory, is_lab_alone, directory), 0);
	assert_true(is_there(record));
	assert_true(is_there("other.interface"));
	assert_false(is_there("gone.52540012345f.interface"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(interface_record_remove(directory, NETWORK, &mac), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_what_is_missing_was_not_asked_for),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_sweep),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
