/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration and state when memory is short: every allocation fails once, in turn. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "broker/state.h"
#include "config/config.h"
#include "tests/unit/alloc_double.h"
#include "tests/unit/log_double.h"

/* More allocations than any of these needs. */
#define MANY 100000

static void assert_memory_short(const struct config_errors *errors)
{
	assert_int_equal(errors->n_items, 1);
	assert_string_equal(errors->items[0].message, "memory is short");
}

static void assert_config_good(const char *path, const char *last)
{
	struct config_errors errors;
	struct config *config = NULL;
	unsigned int n = 0;

	while (!config && ++n < MANY) {
		alloc_double_fail(n);
		config = config_load(path, false, &errors);
		assert_int_equal(!config, alloc_double_failed());
		if (!config)
			assert_memory_short(&errors);
		config_errors_clear(&errors);
	}
	alloc_double_fail(0);
	assert_true(n > 100);
	assert_string_equal(config->networks[config->n_networks - 1]->name, last);
	config_free(config);
}

static void test_config_good(void **state)
{
	(void)state;
	assert_config_good(TEST_CONFIG_DIR "/good/every-key.json", "lab");
	if (!config_support.no_vxlan)
		assert_config_good(TEST_CONFIG_DIR "/linux/vxlan.json", "lab");
}

/* Mistakes are told, or that memory is short; a config there is never. */
static void assert_config_bad(const char *path)
{
	bool failed = true;

	for (unsigned int n = 1; failed && n < MANY; n++) {
		struct config_errors errors;
		struct config *unusable;
		char *said;

		alloc_double_fail(n);
		assert_null(config_load(path, false, &errors));
		assert_true(errors.n_items >= 1);
		unusable = config_unusable(&errors, "FILE");
		said = config_errors_format(&errors, "FILE", true);
		failed = alloc_double_failed();
		if (said)
			assert_memory_equal(said, "FILE:", 5);
		/* A shortage is no mistake of the file's. */
		if (unusable)
			assert_null(strstr(unusable->fault, "memory"));
		assert_true(unusable || failed);
		config_free(unusable);
		free(said);
		config_errors_clear(&errors);
	}
	assert_false(failed);
	alloc_double_fail(0);
}

static void test_config_bad(void **state)
{
	static const char *const paths[] = {
		TEST_CONFIG_DIR "/bad/all-at-once.json",
		TEST_CONFIG_DIR "/bad/key-twice.json",
		TEST_CONFIG_DIR "/bad/forwarding-twice.json",
		TEST_CONFIG_DIR "/bad/network-twice.json",
		TEST_CONFIG_DIR "/bad/vxlan-hosts.json",
		TEST_CONFIG_DIR "/bad/syntax-escape-in-key.json",
		TEST_CONFIG_DIR "/bad/syntax-comma-missing.json",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_config_bad(paths[i]);
}

static void test_network_config(void **state)
{
	struct network_config *lab = NULL;
	unsigned int n = 0;

	(void)state;
	while (!lab && ++n < MANY) {
		alloc_double_fail(n);
		lab = network_config_parse("lab", "{\"mode\":\"shared\",\"mtu\":9000}");
		assert_int_equal(!lab, alloc_double_failed());
	}
	alloc_double_fail(0);
	assert_int_equal(lab->mtu, 9000);
	network_config_unref(lab);
}

static char folder[] = "/tmp/test_memory.XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char path[sizeof(folder) + 16];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/lab.json", folder);
	(void)unlink(path);
	return rmdir(folder);
}

/* A record that there was no memory to read is neither lost nor set aside. */
static void test_state(void **state)
{
	struct network_state_kept kept = { 0 };
	unsigned int n = 0;
	int r = -1;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("192.168.64.0/24", &kept.ipv4_subnet), 0);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &kept.bridge_mac), 0);
	while (r < 0 && ++n < MANY) {
		alloc_double_fail(n);
		r = state_save(folder, "lab", &kept);
		assert_int_equal(r < 0, alloc_double_failed());
	}
	for (n = 1, r = -1; r < 0 && n < MANY; n++) {
		alloc_double_fail(n);
		r = state_load(folder, "lab", &kept);
		assert_int_equal(r, alloc_double_failed() ? -ENOMEM : 0);
		assert_int_equal(kept.ipv4_subnet.length, r < 0 ? 0 : 24);
	}
	alloc_double_fail(0);
	assert_int_equal(r, 0);
}

/* From the first text on, jansson's memory comes through json_text.c, and so from here. */
static int watch_jansson(void **state)
{
	(void)state;
	json_decref(json_text_load("{}", 2, 0, NULL));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_good),
		cmocka_unit_test(test_config_bad),
		cmocka_unit_test(test_network_config),
		cmocka_unit_test_setup_teardown(test_state, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("memory", tests, watch_jansson, NULL);
}
