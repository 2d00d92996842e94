/* SPDX-License-Identifier: Apache-2.0 */
/* What a network keeps: written and read again, and every way in which it can be damaged. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/state.h"
#include "tests/unit/log_double.h"

static char folder[] = "/tmp/test_state.XXXXXX";

/* A file in the folder. */
static const char *in_folder(const char *name)
{
	static char path[sizeof(folder) + 128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int make_folder(void **state)
{
	(void)state;
	log_double_clear();
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "lab.json", "lab.json.new", "lab.json.damaged",
					     "elsewhere" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)unlink(in_folder(names[i]));
	return rmdir(folder);
}

static void write_record(const char *text, size_t length)
{
	FILE *out = fopen(in_folder("lab.json"), "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, length, out), length);
	assert_int_equal(fclose(out), 0);
}

static bool exists(const char *name)
{
	struct stat status;

	return lstat(in_folder(name), &status) == 0;
}

static const struct network_state_kept nothing;

static struct network_state_kept example(void)
{
	struct network_state_kept kept = nothing;

	assert_int_equal(ipv4_subnet_parse("192.168.64.0/24", &kept.ipv4_subnet), 0);
	assert_int_equal(ipv6_prefix_parse("fd00:1:2:3::/64", &kept.ipv6_prefix), 0);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &kept.bridge_mac), 0);
	return kept;
}

static void assert_kept(const struct network_state_kept *expected)
{
	struct network_state_kept kept;

	memset(&kept, 0xff, sizeof(kept));
	assert_int_equal(state_load(folder, "lab", &kept), 0);
	assert_memory_equal(&kept.ipv4_subnet, &expected->ipv4_subnet, sizeof(kept.ipv4_subnet));
	assert_memory_equal(&kept.ipv6_prefix, &expected->ipv6_prefix, sizeof(kept.ipv6_prefix));
	assert_memory_equal(&kept.ipv4_subnet_instead, &expected->ipv4_subnet_instead,
			    sizeof(kept.ipv4_subnet_instead));
	assert_memory_equal(&kept.ipv6_prefix_instead, &expected->ipv6_prefix_instead,
			    sizeof(kept.ipv6_prefix_instead));
	assert_true(mac_address_equal(&kept.bridge_mac, &expected->bridge_mac));
}

static void test_round_trip(void **state)
{
	struct network_state_kept kept = example();

	(void)state;
	assert_int_equal(state_save(folder, "lab", &kept), 0);
	assert_kept(&kept);
	assert_false(exists("lab.json.new"));

	assert_int_equal(ipv4_subnet_parse("192.168.65.0/24", &kept.ipv4_subnet_instead), 0);
	assert_int_equal(ipv6_prefix_parse("fd00:1:2:4::/64", &kept.ipv6_prefix_instead), 0);
	assert_int_equal(state_save(folder, "lab", &kept), 0);
	assert_kept(&kept);

	kept.ipv6_prefix.length = 0;
	memset(&kept.ipv6_prefix, 0, sizeof(kept.ipv6_prefix));
	assert_int_equal(state_save(folder, "lab", &kept), 0);
	assert_kept(&kept);

	assert_int_equal(state_save(folder, "lab", &nothing), 0);
	assert_kept(&nothing);
	assert_string_equal(log_double_text(), "");
}

static void test_nothing_kept(void **state)
{
	(void)state;
	assert_kept(&nothing);
	assert_string_equal(log_double_text(), "");
}

/* No directory is nothing kept, and an error only when something has to be kept. */
static void test_no_directory(void **state)
{
	struct network_state_kept kept = example();

	(void)state;
	assert_int_equal(state_load("/nowhere", "lab", &kept), 0);
	assert_int_equal(kept.ipv4_subnet.length, 0);
	assert_string_equal(log_double_text(), "");
	assert_int_equal(state_save("/nowhere", "lab", &kept), -ENOENT);
	assert_string_equal(log_double_text(), "");
}

static void test_later_version(void **state)
{
	static const char text[] = "{ \"ipv4_subnet\": \"192.168.64.0/24\","
				   "  \"ipv6_prefix\": \"fd00:1:2:3::/64\","
				   "  \"bridge_mac\": \"52:54:00:12:34:56\","
				   "  \"colour\": { \"of\": [\"the\", 5, \"sky\"] } }";
	struct network_state_kept expected = example();

	(void)state;
	write_record(text, sizeof(text) - 1);
	assert_kept(&expected);
	assert_string_equal(log_double_text(), "");
}

/* The record is set aside, with this reason, and costs nobody the network. */
static void assert_damaged(const char *text, size_t length, const char *reason)
{
	char expected[512];

	log_double_clear();
	write_record(text, length);
	assert_kept(&nothing);
	assert_false(exists("lab.json"));
	assert_true(exists("lab.json.damaged"));
	(void)snprintf(expected, sizeof(expected),
		       "warning [lab] %s/lab.json is damaged (%s), and was set "
		       "aside as lab.json.damaged; the network may get other addresses\n",
		       folder, reason);
	assert_string_equal(log_double_text(), expected);
}

static void test_damaged(void **state)
{
	static const struct {
		const char *text;
		const char *reason;
	} records[] = {
		{ "[]", "it is no object" },
		{ "{\"ipv4_subnet\":5}", "\"ipv4_subnet\" is no subnet" },
		{ "{\"ipv4_subnet\":\"192.168.64.1/24\"}", "\"ipv4_subnet\" is no subnet" },
		{ "{\"ipv4_subnet\":\"192.168.64.0/30\"}", "\"ipv4_subnet\" is no subnet" },
		{ "{\"ipv4_subnet\":\"0.0.0.0/7\"}", "\"ipv4_subnet\" is no subnet" },
		{ "{\"ipv6_prefix\":null}", "\"ipv6_prefix\" is no prefix" },
		{ "{\"ipv6_prefix\":\"fd00::/48\"}", "\"ipv6_prefix\" is no prefix" },
		{ "{\"ipv6_prefix\":\"fd00::1/64\"}", "\"ipv6_prefix\" is no prefix" },
		{ "{\"ipv4_subnet_instead\":\"192.168.64.1/24\"}",
		  "\"ipv4_subnet_instead\" is no subnet" },
		{ "{\"ipv6_prefix_instead\":[]}", "\"ipv6_prefix_instead\" is no prefix" },
		{ "{\"bridge_mac\":[]}", "\"bridge_mac\" is no MAC address" },
		{ "{\"bridge_mac\":\"53:54:00:12:34:56\"}", "\"bridge_mac\" is no MAC address" },
		{ "{\"bridge_mac\":\"00:00:00:00:00:00\"}", "\"bridge_mac\" is no MAC address" },
		{ "{\"ipv4_subnet\":\"192.168.64.0/24\",\"bridge_mac\":\"\"}",
		  "\"bridge_mac\" is no MAC address" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		assert_damaged(records[i].text, strlen(records[i].text), records[i].reason);
}

/* Whatever is not JSON: half a record, bytes of a disk that failed, far too much. */
static void test_not_json(void **state)
{
	static char large[65536 + 1];
	static const char zeros[512];

	(void)state;
	memset(large, ' ', sizeof(large));
	memcpy(large, "{}", 2);
	assert_damaged(large, sizeof(large), "it is too large");
	assert_damaged(zeros, sizeof(zeros), "it is not JSON");
	assert_damaged("{\"ipv4_subnet\":\"192", 19, "it is not JSON");
	assert_damaged("", 0, "it is not JSON");
}

/* A link in the place of a file is not followed, and replaced. */
static void test_link(void **state)
{
	struct network_state_kept kept = example();

	(void)state;
	assert_int_equal(symlink("elsewhere", in_folder("lab.json")), 0);
	assert_int_equal(symlink("elsewhere", in_folder("lab.json.new")), 0);
	assert_kept(&nothing);
	assert_non_null(strstr(log_double_text(), "warning [lab] cannot read "));
	assert_int_equal(state_save(folder, "lab", &kept), 0);
	assert_false(exists("elsewhere"));
	assert_kept(&kept);
}

static void test_fifo(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(in_folder("lab.json"), 0600), 0);
	assert_kept(&nothing);
}

/* What stands in the way of writing leaves the old record, and nothing else. */
static void test_save_fails(void **state)
{
	struct network_state_kept kept = example();

	(void)state;
	assert_int_equal(state_save(folder, "lab", &kept), 0);
	assert_int_equal(mkdir(in_folder("lab.json.new"), 0700), 0);
	assert_int_equal(state_save(folder, "lab", &nothing), -EEXIST);
	assert_int_equal(rmdir(in_folder("lab.json.new")), 0);
	assert_kept(&kept);
}

/* Killed at a hundred points of writing: the old or the new record is there, whole. */
static void test_killed(void **state)
{
	struct network_state_kept old = example();
	struct network_state_kept new = nothing;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.0.0.0/8", &new.ipv4_subnet), 0);
	for (unsigned int i = 0; i < 100; i++) {
		struct network_state_kept kept;
		pid_t pid;

		assert_int_equal(state_save(folder, "lab", &old), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)ualarm(i * 20 + 1, 0);
			_exit(state_save(folder, "lab", &new) == 0 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		log_double_clear();
		assert_int_equal(state_load(folder, "lab", &kept), 0);
		assert_string_equal(log_double_text(), "");
		assert_true(kept.ipv4_subnet.length == 8 || kept.ipv4_subnet.length == 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_nothing_kept, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_no_directory, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_later_version, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_damaged, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_not_json, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_link, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_fifo, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_save_fails, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_killed, make_folder, remove_folder),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
