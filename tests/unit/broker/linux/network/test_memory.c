/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that runs short while records are read: none is taken for a damaged one. */
#include "tests/unit/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/linux/network/interface_record.h"
#include "broker/linux/network/record.h"
#include "tests/unit/alloc_double.h"

/* How a process ends that reads them, but for the end of a broker (broker/linux/shortage.h). */
enum {
	WHOLE = 10,
	OTHER,
	NONE_FAILED
};

static const struct mac_address mac = { { 0x02, 0, 0, 0, 0, 7 } };
static char directory[] = "/tmp/vmnet-broker-memory-XXXXXX";

static int write_records(void **state)
{
	struct network_addresses addresses = { .bridge = "vmb-lab", .mtu = 9000 };
	struct network_config *config = network_config_parse("lab", "{\"mode\":\"shared\"}");
	struct port_forwarding forwarding = {
		.protocols = FORWARD_TCP,
		.family = AF_INET,
		.external_port = 80,
		.internal_port = 8080,
		.n_ports = 1,
	};
	const struct interface_options options = {
		.name = "web",
		.rate_in = { 1000000, 20000 },
		.port_forwardings = &forwarding,
		.n_port_forwardings = 1,
	};
	char *text = interface_record_text(&options);

	(void)state;
	assert_non_null(mkdtemp(directory));
	assert_int_equal(ipv4_subnet_parse("10.1.2.0/24", &addresses.ipv4_subnet), 0);
	assert_int_equal(mac_address_parse("02:00:00:00:00:01", &addresses.bridge_mac), 0);
	assert_int_equal(record_save(directory, config, &addresses), 0);
	assert_int_equal(interface_record_save(directory, "lab", &mac, text), 0);
	network_config_unref(config);
	free(text);
	return 0;
}

static int remove_records(void **state)
{
	(void)state;
	assert_int_equal(record_remove(directory, "lab"), 0);
	assert_int_equal(interface_record_remove(directory, "lab", &mac), 0);
	return rmdir(directory);
}

static int read_records(unsigned int failing)
{
	struct network_addresses addresses;
	struct interface_options options;
	struct network_config *config;

	alloc_double_fail(failing);
	record_load(directory, "lab", &config, &addresses);
	interface_record_load(directory, "lab", &mac, &options);
	if (!alloc_double_failed())
		return NONE_FAILED;
	return config && strcmp(addresses.bridge, "vmb-lab") == 0 && addresses.mtu == 9000 &&
			       strcmp(options.name, "web") == 0 && options.n_port_forwardings == 1
		       ? WHOLE
		       : OTHER;
}

/* jansson may read beyond a string that could not grow, which is an end, too. */
static int read_in_a_process(unsigned int failing)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL);
		_exit(read_records(failing));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static void test_each_allocation(void **state)
{
	unsigned int n_ended = 0;
	unsigned int n = 0;
	int end;

	(void)state;
	while ((end = read_in_a_process(++n)) != NONE_FAILED) {
		if (end != EXIT_FAILURE && end != WHOLE)
			fail_msg("allocation %u: %d", n, end);
		n_ended += end == EXIT_FAILURE;
	}
	assert_in_range(n_ended, 20, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_each_allocation) };

	return cmocka_run_group_tests(tests, write_records, remove_records);
}
