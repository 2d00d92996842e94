/* SPDX-License-Identifier: Apache-2.0 */
/* Which links are ports of a network as they have to be. */
#include "tests/unit/test.h"

#include "broker/linux/network/port.h"

static const struct mac_address mac = { { 0xfe, 1, 2, 3, 4, 5 } };

/* Each of what makes an interface a member of its network counts. */
static void test_is_joined(void **state)
{
	struct port_setup setup = { .bridge = 3, .mac = mac, .group = 9, .isolated = true };
	struct link link = {
		.up = true, .master = 3, .group = 9, .mac = mac, .port.isolated = true
	};

	(void)state;
	assert_true(port_is_joined(&link, &setup));
	link.up = false;
	assert_false(port_is_joined(&link, &setup));
	link.up = true;
	link.master = 4;
	assert_false(port_is_joined(&link, &setup));
	link.master = 3;
	link.group = 0;
	assert_false(port_is_joined(&link, &setup));
	assert_true(port_is_joined(&link, &(struct port_setup){ .bridge = 3, .mac = mac }));
	link.group = 9;
	link.mac.bytes[5]++;
	assert_false(port_is_joined(&link, &setup));
	link.mac = mac;
	link.port.isolated = false;
	assert_false(port_is_joined(&link, &setup));
	link.port.isolated = true;
	assert_true(port_is_joined(&link, &setup));
	setup.fixed = true;
	assert_true(port_is_joined(&link, &setup));
	link.port.learning = true;
	assert_false(port_is_joined(&link, &setup));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
