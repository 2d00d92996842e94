/* SPDX-License-Identifier: Apache-2.0 */
/* dnsmasq's lease file: what it writes, and what machines could make of it. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "broker/interface.h"
#include "broker/linux/dnsmasq/leases.h"
#include "broker/platform.h"

/* The leases of a text; the caller frees them. */
static const struct network network; /* without interfaces */

static struct dhcp_lease *parse(const char *text, size_t expected)
{
	struct dhcp_lease *leases;
	size_t n_leases;

	assert_int_equal(leases_parse(text, strlen(text), &leases, &n_leases), 0);
	assert_int_equal(n_leases, expected);
	return leases;
}

static void test_as_dnsmasq_writes_it(void **state)
{
	struct dhcp_lease *leases =
		parse("1763821346 52:54:00:00:00:0a 192.168.105.10 db 01:52:54:00:00:00:0a\n"
		      "0 0a:98:e6:16:96:c7 192.168.105.77 * *\n"
		      "duid 00:01:00:01:30:b5:7a:11:02:42:ac:11:00:02\n"
		      "1763821346 1234567 fd12::77 six 00:01:00:01:30:b5:7a:11:52:54:00:00:00:0a\n",
		      2);
	char text[INET_ADDRSTRLEN];
	char mac[MAC_TEXT_SIZE];

	(void)state;
	assert_int_equal(leases[0].expires, 1763821346);
	assert_string_equal(mac_address_format(&leases[0].mac, mac), "52:54:00:00:00:0a");
	assert_string_equal(inet_ntop(AF_INET, &leases[0].address, text, sizeof(text)),
			    "192.168.105.10");
	assert_string_equal(leases[0].hostname, "db");
	assert_int_equal(leases[1].expires, 0);
	assert_string_equal(leases[1].hostname, "");
	free(leases);
}

/* Nor is there room for as many lines as it has. */
static void test_more_than_a_server_gives(void **state)
{
	static const char line[] = "1 52:54:00:00:00:0a 10.0.0.2 * *\n";
	size_t size = (LEASES_MAX + 10) * strlen(line);
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < size; i += strlen(line))
		strcpy(text + i, line);
	free(parse(text, LEASES_MAX));
	memset(text, '\n', size);
	free(parse(text, 0));
	free(text);
}

static void test_those_of_a_subnet(void **state)
{
	static const char text[] = "duid 00:01:00:01:30:b5:7a:11:02:42:ac:11:00:02\n"
				   "0 52:54:00:00:00:01 10.1.2.2 a *\n"
				   "0 52:54:00:00:00:02 10.1.2.10 b *\n"
				   "0 52:54:00:00:00:03 10.1.2.3 c *";
	struct ipv4_subnet subnet;
	char *prepared;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.1.2.0/29", &subnet), 0);
	prepared = leases_prepare(text, strlen(text), &subnet, 100);
	assert_string_equal(prepared, "duid 00:01:00:01:30:b5:7a:11:02:42:ac:11:00:02\n"
				      "0 52:54:00:00:00:01 10.1.2.2 a *\n"
				      "0 52:54:00:00:00:03 10.1.2.3 c *\n");
	free(prepared);
}

/* Whatever clock they were written by, they end as one after another as they did, and not soon. */
static void test_those_of_another_clock(void **state)
{
	static const char text[] = "1763821346 52:54:00:00:00:01 10.1.2.2 a *\n"
				   "1763821446 52:54:00:00:00:02 10.1.2.3 * *\n"
				   "7 06-52:54:00:00:00:03 10.1.2.4 * *\n"
				   "0 52:54:00:00:00:04 10.1.2.5 * *\n"
				   "9223372036854775808 52:54:00:00:00:05 10.1.2.6 * *\n";
	struct ipv4_subnet subnet;
	char *prepared;

	(void)state;
	assert_int_equal(ipv4_subnet_parse("10.1.2.0/29", &subnet), 0);
	prepared = leases_prepare(text, strlen(text), &subnet, 100);
	assert_string_equal(prepared, "3600 52:54:00:00:00:01 10.1.2.2 a *\n"
				      "3700 52:54:00:00:00:02 10.1.2.3 * *\n"
				      "1900 06-52:54:00:00:00:03 10.1.2.4 * *\n"
				      "0 52:54:00:00:00:04 10.1.2.5 * *\n"
				      "9223372036854775808 52:54:00:00:00:05 10.1.2.6 * *\n");
	free(prepared);
}

static void test_nothing(void **state)
{
	(void)state;
	free(parse("", 0));
	free(parse("\n\n", 0));
	free(parse("  \n", 0));
}

static void test_no_leases(void **state)
{
	(void)state;
	free(parse("x 52:54:00:00:00:0a 192.168.105.10 db *\n", 0));
	free(parse("-1 52:54:00:00:00:0a 192.168.105.10 db *\n", 0));
	free(parse("99999999999999999999 52:54:00:00:00:0a 192.168.105.10 db *\n", 0));
	free(parse("1 07-52:54:00:00:00:0a 192.168.105.10 db *\n", 0));
	free(parse("1 52:54:00:00:00:0a 192.168.105.256 db *\n", 0));
	free(parse("1 52:54:00:00:00:0a 192.168.105.10 db\n", 0));
	free(parse("1 52:54:00:00:00", 0));
}

/* They are in no list: the machine has not asked for them. */
static void test_what_machines_have_taken(void **state)
{
	struct dhcp_lease *leases =
		parse("7 06-52:54:00:00:00:0a:c0:a8:69:0b 192.168.105.11 * *\n"
		      "7 52:54:00:00:00:0a 192.168.105.10 db *\n"
		      "7 06-52:54:00:00:00:0a:c0:a8:69:0b 192.168.105.12 * *\n"
		      "7 07-52:54:00:00:00:0a:c0:a8:69:0b 192.168.105.11 * *\n"
		      "7 06-52:54:00:00:00:0a:c0:a8:69:0b:00 192.168.105.11 * *\n"
		      "7 06 192.168.105.11 * *\n",
		      2);
	struct lease *list;

	(void)state;
	assert_true(leases[0].is_taken);
	assert_true(mac_address_equal(&leases[0].mac, &leases[1].mac));
	assert_false(leases[1].is_taken);
	assert_int_equal(leases_list(&network, leases, 2, 0, 0, &list), 0);
	assert_string_equal(list->address, "192.168.105.10");
	assert_null(list->next);
	leases_free(list);
	free(leases);
}

static void test_a_line_that_is_cut(void **state)
{
	struct dhcp_lease *leases = parse("1 52:54:00:00:00:0a 192.168.105.10 db *\n"
					  "1 52:54:00:00:00:0b 192.168.105.1",
					  1);

	(void)state;
	free(leases);
}

static void test_host_names(void **state)
{
	char line[1024];
	char name[HOSTNAME_TEXT_MAX + 2];
	struct dhcp_lease *leases;

	(void)state;
	leases = parse("1 52:54:00:00:00:0a 192.168.105.10 a_b-c.d9 *\n"
		       "1 52:54:00:00:00:0a 192.168.105.10 \x1b[31m *\n"
		       "1 52:54:00:00:00:0a 192.168.105.10 \xc3\xa9 *\n"
		       "1 52:54:00:00:00:0a 192.168.105.10 a;b *\n",
		       4);
	assert_string_equal(leases[0].hostname, "a_b-c.d9");
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(leases[i].hostname, "");
	free(leases);
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(line, sizeof(line), "1 52:54:00:00:00:0a 192.168.105.10 %s *\n", name);
	leases = parse(line, 1);
	assert_string_equal(leases[0].hostname, "");
	free(leases);
	name[HOSTNAME_TEXT_MAX] = '\0';
	(void)snprintf(line, sizeof(line), "1 52:54:00:00:00:0a 192.168.105.10 %s *\n", name);
	leases = parse(line, 1);
	assert_string_equal(leases[0].hostname, name);
	free(leases);
}

static void test_the_longest_client_id(void **state)
{
	char line[2048] = "1 52:54:00:00:00:0a 192.168.105.10 db ff";

	(void)state;
	for (size_t i = 1; i < 255; i++)
		strcat(line, ":ff");
	free(parse(line, 1));
}

static void test_for_the_policy(void **state)
{
	struct dhcp_lease *leases = parse("0 52:54:00:00:00:0b 192.168.105.11 * *\n"
					  "7 52:54:00:00:00:0a 192.168.105.10 db *\n",
					  2);
	struct lease *list;

	(void)state;
	assert_int_equal(leases_list(&network, leases, 2, 0, 10, &list), 0);
	assert_string_equal(list->address, "192.168.105.10");
	assert_string_equal(list->hostname, "db");
	assert_int_equal(list->expires, 17);
	assert_string_equal(list->next->address, "192.168.105.11");
	assert_true(mac_address_equal(&list->next->mac, &leases[0].mac));
	assert_int_equal(list->next->expires, 0);
	assert_null(list->next->next);
	leases_free(list);
	assert_int_equal(leases_list(&network, NULL, 0, 0, 0, &list), 0);
	assert_null(list);
	free(leases);
}

static void test_what_a_machine_has_not_asked_for(void **state)
{
	struct interface interface = {
		.mac = { { 0x52, 0x54, 0, 0, 0, 10 } },
		.attached = platform_now(),
	};
	struct network with = { .interfaces = &interface };
	struct dhcp_lease lease = { .mac = interface.mac, .expires = RESERVED_SECONDS };

	(void)state;
	lease.address.s_addr = htonl(0xc0a8690a);
	assert_false(lease_is_reserved(&with, &lease, 0));
	interface.may_have_former = true;
	assert_true(lease_is_reserved(&with, &lease, 0));
	/* What machines ask for: RFC 2131 leaves it to them. */
	lease.expires = 600;
	assert_false(lease_is_reserved(&with, &lease, 0));
	lease.expires = 120;
	assert_false(lease_is_reserved(&with, &lease, 0));
	lease.expires = RESERVED_SECONDS;
	/* It was not when the interface was attached that it was given for so long. */
	interface.attached -= INT64_C(120) * 1000000;
	assert_false(lease_is_reserved(&with, &lease, 0));
	assert_true(lease_is_reserved(&with, &lease, 120));
	interface.options.has_ipv4 = true;
	assert_false(lease_is_asked_for(&with, &lease));
	interface.options.ipv4 = lease.address;
	assert_true(lease_is_asked_for(&with, &lease));
	assert_false(lease_is_reserved(&with, &lease, 0));
	lease.is_taken = true;
	assert_false(lease_is_reserved(&with, &lease, 120));
	lease.is_taken = false;
	assert_false(lease_is_reserved(&network, &lease, 120));
	lease.is_reserved = true;
	assert_true(lease_is_reserved(&network, &lease, 0));
}

static void test_what_is_reserved(void **state)
{
	struct dhcp_lease *leases = parse("7 06-52:54:00:00:00:0a 192.168.105.10 db *\n"
					  "7 52:54:00:00:00:0a 192.168.105.11 db *\n",
					  2);
	struct lease *list;

	(void)state;
	assert_true(leases[0].is_reserved && !leases[0].is_taken);
	assert_true(mac_address_equal(&leases[0].mac, &leases[1].mac));
	assert_false(leases[1].is_reserved);
	assert_int_equal(leases_list(&network, leases, 2, 0, 0, &list), 0);
	assert_string_equal(list->address, "192.168.105.11");
	assert_null(list->next);
	leases_free(list);
	free(leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_dnsmasq_writes_it),
		cmocka_unit_test(test_more_than_a_server_gives),
		cmocka_unit_test(test_those_of_a_subnet),
		cmocka_unit_test(test_those_of_another_clock),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_no_leases),
		cmocka_unit_test(test_what_machines_have_taken),
		cmocka_unit_test(test_what_is_reserved),
		cmocka_unit_test(test_a_line_that_is_cut),
		cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_the_longest_client_id),
		cmocka_unit_test(test_for_the_policy),
		cmocka_unit_test(test_what_a_machine_has_not_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
