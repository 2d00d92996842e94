/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of forwarding: what was saved is loaded, and damage costs a line. */
#include "tests/unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/forwarding_state.h"

static char directory[] = "/tmp/vmnet-broker-test-XXXXXX";
static char path[sizeof(directory) + sizeof("/forwarding")];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/forwarding", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_nothing_kept(void **unused)
{
	struct forwarding_state state = { 0 };

	(void)unused;
	assert_int_equal(forwarding_state_load(directory, &state), 0);
	assert_null(state.bridges);
	assert_null(state.interfaces);
	assert_false(state.ipv6_all);
}

static void test_round_trip(void **unused)
{
	const struct routed_interface ipv4 = { .family = AF_INET, .index = 2 };
	const struct routed_interface ipv6 = {
		.family = AF_INET6, .index = 3, .forwarding = 1, .accept_ra = true
	};
	struct forwarding_state saved = { .ipv6_all = true };
	struct forwarding_state loaded = { 0 };
	const struct routed_interface *found;

	(void)unused;
	assert_int_equal(forwarding_state_add_bridge(&saved, "vmb-lab"), 0);
	assert_int_equal(forwarding_state_add_interface(&saved, &ipv4), 0);
	assert_int_equal(forwarding_state_add_interface(&saved, &ipv6), 0);
	assert_int_equal(forwarding_state_save(directory, &saved), 0);
	assert_int_equal(forwarding_state_load(directory, &loaded), 0);
	assert_string_equal(loaded.bridges->name, "vmb-lab");
	assert_null(loaded.bridges->next);
	assert_true(loaded.ipv6_all);
	found = forwarding_state_interface(&loaded, AF_INET, 2);
	assert_non_null(found);
	assert_int_equal(found->forwarding, 0);
	assert_false(found->accept_ra);
	found = forwarding_state_interface(&loaded, AF_INET6, 3);
	assert_non_null(found);
	assert_int_equal(found->forwarding, 1);
	assert_true(found->accept_ra);
	assert_null(forwarding_state_interface(&loaded, AF_INET6, 2));
	forwarding_state_clear(&loaded);
	forwarding_state_clear(&saved);
	assert_int_equal(forwarding_state_save(directory, &saved), 0);
	assert_int_equal(access(path, F_OK), -1);
}

static void test_damage(void **unused)
{
	struct forwarding_state state = { 0 };

	(void)unused;
	write_file(
		"ipv5 1 0 0\nipv4 x 0 0\nipv4 7\n\xff\xff\nbridge\nipv4 9 0 0\nipv4 9 0 0\nipv6");
	assert_int_equal(forwarding_state_load(directory, &state), 0);
	assert_null(state.bridges);
	assert_non_null(state.interfaces);
	assert_int_equal(state.interfaces->index, 9);
	assert_null(state.interfaces->next);
	forwarding_state_clear(&state);
}

static void test_known_already(void **unused)
{
	const struct routed_interface again = { .family = AF_INET6, .index = 2, .accept_ra = true };
	const struct routed_interface off = { .family = AF_INET6, .index = 2, .is_off = true };

	(void)unused;
	for (int forwarding = 0; forwarding < 2; forwarding++) {
		struct forwarding_state state = { 0 };
		const struct routed_interface first = { .family = AF_INET6,
							.index = 2,
							.forwarding = forwarding };

		assert_int_equal(forwarding_state_add_interface(&state, &first), 0);
		assert_int_equal(forwarding_state_add_interface(&state, &again), 0);
		assert_false(state.interfaces->is_off);
		assert_int_equal(state.interfaces->forwarding, forwarding);
		assert_int_equal(state.interfaces->accept_ra, !forwarding);
		assert_int_equal(forwarding_state_add_interface(&state, &off), 0);
		assert_null(state.interfaces->next);
		assert_true(state.interfaces->is_off);
		assert_int_equal(state.interfaces->forwarding, 0);
		assert_int_equal(state.interfaces->accept_ra, !forwarding);
		forwarding_state_clear(&state);
	}
}

static void test_forget_one_family(void **unused)
{
	struct forwarding_state state = { 0 };

	(void)unused;
	for (int index = 1; index < 6; index++) {
		struct routed_interface interface = { .family = index % 2 ? AF_INET : AF_INET6,
						      .index = index };

		assert_int_equal(forwarding_state_add_interface(&state, &interface), 0);
	}
	forwarding_state_forget(&state, AF_INET);
	for (int index = 1; index < 6; index++) {
		assert_null(forwarding_state_interface(&state, AF_INET, index));
		assert_int_equal(!!forwarding_state_interface(&state, AF_INET6, index),
				 index % 2 == 0);
	}
	forwarding_state_clear(&state);
	assert_null(state.interfaces);
}

static void test_forget_those_that_have_gone(void **unused)
{
	const struct link links[] = { { .index = 2 }, { .index = 5 } };
	struct forwarding_state state = { 0 };

	(void)unused;
	for (int index = 1; index < 6; index++)
		assert_int_equal(forwarding_state_add_interface(
					 &state, &(struct routed_interface){ .family = AF_INET,
									     .index = index }),
				 0);
	forwarding_state_forget_gone(&state, links, 2);
	for (int index = 1; index < 6; index++)
		assert_int_equal(!!forwarding_state_interface(&state, AF_INET, index),
				 index == 2 || index == 5);
	forwarding_state_forget_gone(&state, NULL, 0);
	assert_null(state.interfaces);
}

static void test_unusable_directory(void **unused)
{
	struct forwarding_state state = { .ipv6_all = true };

	(void)unused;
	assert_int_equal(forwarding_state_save("/nonexistent", &state), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_kept),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_known_already),
		cmocka_unit_test(test_forget_one_family),
		cmocka_unit_test(test_forget_those_that_have_gone),
		cmocka_unit_test(test_unusable_directory),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
