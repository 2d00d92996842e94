/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the addresses that machines say they have become leases. */
#include "tests/unit/test.h"

#include <string.h>

#include "broker/interface.h"
#include "broker/linux/dnsmasq/taken.h"

static const struct mac_address machine = { { 0x52, 0x54, 0, 0, 0, 0x0a } };
static const struct mac_address other = { { 0x52, 0x54, 0, 0, 0, 0x0b } };
static const struct mac_address stranger = { { 0x52, 0x54, 0, 0, 0, 0x0c } };

static struct interface second = { .state = INTERFACE_ATTACHED };
static struct interface first = { .state = INTERFACE_ATTACHED, .next = &second };
static struct network network = { .interfaces = &first };
static struct neighbours neighbours;
static struct dhcp_lease chosen[TAKEN_AT_ONCE];

static int set_up(void **state)
{
	(void)state;
	first.mac = machine;
	second.mac = other;
	neighbours.n = 0;
	return ipv4_subnet_parse("10.1.2.0/24", &network.addresses.ipv4_subnet);
}

static struct in_addr address_of(uint8_t number)
{
	return (struct in_addr){ htonl(0x0a010200U + number) };
}

static void hear(const struct mac_address *mac, uint8_t number)
{
	neighbours.items[neighbours.n].mac = *mac;
	neighbours.items[neighbours.n++].address = address_of(number);
}

static void test_the_first_is_an_ordinary_one(void **state)
{
	(void)state;
	hear(&machine, 10);
	hear(&machine, 11);
	hear(&other, 12);
	assert_int_equal(taken_choose(&network, NULL, 0, &neighbours, chosen), 3);
	assert_int_equal(chosen[0].address.s_addr, address_of(10).s_addr);
	assert_true(mac_address_equal(&chosen[0].mac, &machine));
	assert_false(chosen[0].is_taken);
	assert_int_equal(chosen[1].address.s_addr, address_of(11).s_addr);
	assert_true(chosen[1].is_taken);
	assert_false(chosen[2].is_taken);
}

static void test_what_is_leased_is_nobody_elses(void **state)
{
	const struct dhcp_lease leases[] = {
		{ .mac = machine, .address = address_of(10) },
		{ .mac = machine, .address = address_of(11), .is_taken = true },
	};

	(void)state;
	hear(&machine, 10);
	hear(&machine, 11);
	hear(&other, 10);
	hear(&other, 11);
	assert_int_equal(taken_choose(&network, leases, 2, &neighbours, chosen), 0);
	hear(&machine, 12);
	assert_int_equal(taken_choose(&network, leases, 2, &neighbours, chosen), 1);
	assert_true(chosen[0].is_taken);
}

static void test_neighbours_that_are_no_machines_of_the_network(void **state)
{
	(void)state;
	hear(&stranger, 10);
	neighbours.items[neighbours.n].mac = machine;
	neighbours.items[neighbours.n++].address.s_addr = htonl(0x0a010301U);
	second.state = INTERFACE_DETACHING;
	hear(&other, 11);
	assert_int_equal(taken_choose(&network, NULL, 0, &neighbours, chosen), 0);
	second.state = INTERFACE_ATTACHED;
}

/* Over and over: the leases of those that were chosen are there the next time. */
static size_t count_all(void)
{
	struct dhcp_lease leases[254] = { 0 };
	size_t n_leases = 0;
	size_t n;

	do {
		n = taken_choose(&network, leases, n_leases, &neighbours, chosen);
		memcpy(leases + n_leases, chosen, n * sizeof(*chosen));
		n_leases += n;
	} while (n > 0);
	return n_leases;
}

static void test_a_machine_that_says_it_has_all(void **state)
{
	(void)state;
	for (uint8_t i = 2; i < 255; i++)
		hear(&machine, i);
	assert_int_equal(count_all(), 1 + 8);
	network.addresses.ipv4_subnet.length = 29;
	assert_int_equal(count_all(), 1 + (8 - 3) / 2);
}

static void test_a_machine_that_says_it_has_all_of_a_pool(void **state)
{
	struct vxlan_host host = { .name = (char *)"a" };
	struct network_config config = { .vxlan = { .hosts = &host, .n_hosts = 1 } };

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.1.2.0/29", &host.pool), 0);
	network.config = &config;
	network.addresses.vxlan_host = 1;
	for (uint8_t i = 2; i < 255; i++)
		hear(&machine, i);
	assert_int_equal(count_all(), 1 + (8 - 3) / 2);
	network.addresses.vxlan_host = 0;
	network.config = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_first_is_an_ordinary_one, set_up),
		cmocka_unit_test_setup(test_what_is_leased_is_nobody_elses, set_up),
		cmocka_unit_test_setup(test_neighbours_that_are_no_machines_of_the_network, set_up),
		cmocka_unit_test_setup(test_a_machine_that_says_it_has_all, set_up),
		cmocka_unit_test_setup(test_a_machine_that_says_it_has_all_of_a_pool, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
