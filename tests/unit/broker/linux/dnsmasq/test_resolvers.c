/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken out of a resolv.conf, and what is not. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "broker/linux/dnsmasq/resolvers.h"

static void assert_servers(const char *text, const char *expected)
{
	char *servers = resolvers_parse(text);

	assert_non_null(servers);
	assert_string_equal(servers, expected);
	free(servers);
}

static void test_servers(void **state)
{
	(void)state;
	assert_servers("", "");
	assert_servers("# Made by somebody\n"
		       "nameserver 192.0.2.1\n"
		       "search example.com\n"
		       "  nameserver\t2001:db8::1   # the second\r\n"
		       "options edns0 trust-ad\n"
		       "nameserver 127.0.0.53",
		       "server=192.0.2.1\n"
		       "server=2001:db8::1\n"
		       "server=127.0.0.53\n");
	assert_servers("nameserver fe80::1%lo\n", "server=fe80::1%lo\n");
}

static void test_others(void **state)
{
	(void)state;
	assert_servers(
		"nameserver\n"
		"nameserver \n"
		"nameserver dns.example\n"
		"nameserver 192.0.2.256\n"
		"nameserver 192.0.2.1@eth0\n"
		"nameserver fe80::1%nosuchinterface\n"
		"nameserver fe80::1%lo%lo\n"
		"nameservers 192.0.2.1\n"
		"#nameserver 192.0.2.1\n"
		"nameserver 1111:2222:3333:4444:5555:6666:7777:8888:9999:0000:1111:2222:3333\n",
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
