/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of machines' addresses, here and elsewhere. */
#include "tests/unit/test.h"

#include "broker/linux/vxlan/known.h"

#define MANY 5000U

static const struct ipv4_subnet subnet = { { 0x50 << 8 | 10 }, 16 }; /* 10.80.0.0/16 */

static struct neighbour neighbour(uint32_t offset, uint8_t mac)
{
	return (struct neighbour){
		.family = AF_INET,
		.address.ipv4 = ipv4_subnet_host(&subnet, offset),
		.mac = { { 2, 0, 0, 0, 0, mac } },
	};
}

static struct known *set(struct known_addresses *all, uint32_t offset, uint8_t mac,
			 enum known_place place)
{
	const struct neighbour of = neighbour(offset, mac);
	bool is_new;

	return known_set(all, &of, place, &is_new);
}

static struct known *find(const struct known_addresses *all, uint32_t offset)
{
	const struct neighbour of = neighbour(offset, 0);

	return known_find(all, &of);
}

/* The last part of the address that a MAC address has elsewhere, or 0. */
static uint32_t moved(const struct known_addresses *all, uint8_t mac)
{
	const struct mac_address wanted = { { 2, 0, 0, 0, 0, mac } };
	struct in_addr address;

	return known_ipv4(all, &subnet, &wanted, &address) ? ntohl(address.s_addr) & 0xffff : 0;
}

static void test_what_is_new(void **state)
{
	struct known_addresses all = { 0 };
	struct neighbour of = neighbour(5, 1);
	bool is_new;

	(void)state;
	assert_null(known_find(&all, &of));
	assert_non_null(known_set(&all, &of, KNOWN_HERE, &is_new));
	assert_true(is_new);
	(void)known_set(&all, &of, KNOWN_HERE, &is_new);
	assert_false(is_new);
	(void)known_set(&all, &of, KNOWN_ELSEWHERE, &is_new);
	assert_true(is_new);
	of.mac.bytes[5] = 2;
	(void)known_set(&all, &of, KNOWN_ELSEWHERE, &is_new);
	assert_true(is_new);
	assert_int_equal(moved(&all, 1), 0);
	assert_int_equal(moved(&all, 2), 5);
	assert_int_equal(all.n, 1);
	known_clear(&all);
}

static void test_what_was_elsewhere_is_kept_for_a_while(void **state)
{
	struct known_addresses all = { 0 };

	(void)state;
	known_unset(&all, set(&all, 5, 1, KNOWN_ELSEWHERE), 1000);
	assert_int_equal(find(&all, 5)->place, KNOWN_GONE);
	assert_int_equal(moved(&all, 1), 5);
	known_tidy(&all, 1000 + KNOWN_GONE_USEC);
	assert_int_equal(moved(&all, 1), 5);
	known_tidy(&all, 1001 + KNOWN_GONE_USEC);
	assert_null(find(&all, 5));
	known_unset(&all, set(&all, 6, 1, KNOWN_HERE), 1000);
	assert_null(find(&all, 6));
	set(&all, 7, 1, KNOWN_HERE)->is_kept = true;
	known_unset(&all, find(&all, 7), 1000);
	assert_int_equal(moved(&all, 1), 7);
	known_clear(&all);
}

static void test_where_a_machine_is_counts_more_than_where_it_was(void **state)
{
	struct known_addresses all = { 0 };

	(void)state;
	known_unset(&all, set(&all, 5, 1, KNOWN_ELSEWHERE), 2000);
	known_unset(&all, set(&all, 6, 1, KNOWN_ELSEWHERE), 3000);
	known_unset(&all, set(&all, 7, 1, KNOWN_ELSEWHERE), 1000);
	assert_int_equal(moved(&all, 1), 6);
	(void)set(&all, 8, 1, KNOWN_ELSEWHERE);
	assert_int_equal(moved(&all, 1), 8);
	(void)set(&all, 8, 1, KNOWN_HERE);
	assert_int_equal(moved(&all, 1), 6);
	known_clear(&all);
}

static void test_the_list_of_those_that_are_here(void **state)
{
	struct known_addresses all = { 0 };
	size_t n = 0;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		(void)set(&all, i, (uint8_t)i, KNOWN_HERE);
	(void)set(&all, 2, 2, KNOWN_ELSEWHERE);
	for (const struct known *known = all.here; known; known = known->next_here) {
		assert_int_not_equal(known->neighbour.mac.bytes[5], 2);
		n++;
	}
	assert_int_equal(n, 2);
	known_unset(&all, find(&all, 3), 0);
	known_unset(&all, find(&all, 1), 0);
	assert_null(all.here);
	known_clear(&all);
}

static void test_who_is_not_said_again_has_gone(void **state)
{
	struct known_addresses all = { 0 };

	(void)state;
	known_begin(&all);
	(void)set(&all, 1, 1, KNOWN_ELSEWHERE);
	(void)set(&all, 2, 2, KNOWN_ELSEWHERE);
	(void)set(&all, 3, 3, KNOWN_HERE);
	known_end(&all, 1000);
	known_begin(&all);
	(void)set(&all, 2, 2, KNOWN_ELSEWHERE);
	known_end(&all, 2000);
	assert_int_equal(find(&all, 1)->place, KNOWN_GONE);
	assert_int_equal(find(&all, 2)->place, KNOWN_ELSEWHERE);
	assert_null(find(&all, 3));
	known_clear(&all);
}

static void test_many(void **state)
{
	struct known_addresses all = { 0 };

	(void)state;
	for (uint32_t i = 1; i <= MANY; i++)
		assert_non_null(set(&all, i, (uint8_t)i, KNOWN_ELSEWHERE));
	for (uint32_t i = 1; i <= MANY; i++)
		assert_int_equal(find(&all, i)->neighbour.mac.bytes[5], (uint8_t)i);
	known_clear(&all);
}

/* There are no more than that, of which those that have gone make room for others. */
static void test_no_more_than_there_may_be(void **state)
{
	struct known_addresses all = { 0 };

	(void)state;
	for (uint32_t i = 0; i < KNOWN_MAX - 1; i++)
		assert_non_null(set(&all, i, 1, KNOWN_ELSEWHERE));
	known_unset(&all, set(&all, KNOWN_MAX - 1, 2, KNOWN_ELSEWHERE), 1000);
	assert_non_null(set(&all, KNOWN_MAX, 3, KNOWN_ELSEWHERE));
	assert_null(find(&all, KNOWN_MAX - 1));
	assert_null(set(&all, KNOWN_MAX + 1, 4, KNOWN_ELSEWHERE));
	assert_int_equal(all.n, KNOWN_MAX);
	known_clear(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_new),
		cmocka_unit_test(test_what_was_elsewhere_is_kept_for_a_while),
		cmocka_unit_test(test_where_a_machine_is_counts_more_than_where_it_was),
		cmocka_unit_test(test_the_list_of_those_that_are_here),
		cmocka_unit_test(test_who_is_not_said_again_has_gone),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_more_than_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
