/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of rates, as options have them. */
#include "tests/unit/test.h"

#include "vmnetctl/linux/rate.h"

static void assert_rate(const char *text, uint64_t bits_per_second, uint32_t burst_bytes)
{
	struct vmnet_broker_rate_limit rate;

	assert_int_equal(rate_parse(text, &rate), 0);
	assert_int_equal(rate.bits_per_second, bits_per_second);
	assert_int_equal(rate.burst_bytes, burst_bytes);
}

static void test_rates(void **state)
{
	(void)state;
	assert_rate("64000", 64000, 0);
	assert_rate("64k", 64000, 0);
	assert_rate("64K", 64000, 0);
	assert_rate("10M", 10000000, 0);
	assert_rate("1G", 1000000000, 0);
	assert_rate("1T", 1000000000000, 0);
	assert_rate("10M:100000", 10000000, 100000);
	assert_rate("10M:128k", 10000000, 131072);
	assert_rate("10M:2M", 10000000, 2097152);
	assert_rate("9223372036854775807:4294967295", INT64_MAX, UINT32_MAX);
}

static void test_no_rates(void **state)
{
	static const char *const texts[] = {
		"",	    "0",
		"k",	    "-1",
		"+1",	    " 1",
		"1 ",	    "1.5G",
		"10MM",	    "10m",
		"10M:",	    "10M:0",
		":1k",	    "1:1:1",
		"10M:1G",   "10M:4096M",
		"10Mbit",   "1x",
		"0x10",	    "10M:1kB",
		"10M:",	    "9223372036854775808",
		"9223373T", "18446744073709551616",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(rate_parse(texts[i], &(struct vmnet_broker_rate_limit){ 0 }), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_no_rates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
