/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of the kernel's lists of sockets, as it writes them. */
#include "tests/unit/test.h"

#include "host/ports.h"

#define REST " 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0\n"

static const struct sent_to tcp = { IPPROTO_TCP, AF_INET, NULL, 2222, 2222 };
static const struct sent_to tcp6 = { IPPROTO_TCP, AF_INET6, NULL, 2222, 2222 };
static const struct sent_to udp = { IPPROTO_UDP, AF_INET, NULL, 2222, 2222 };

static bool matches(const char *line, const struct sent_to *port)
{
	struct listed_socket socket = { 0 };
	bool result = ports_parse(line, port->protocol, &socket) && ports_gets(&socket, port);

	if (result) {
		assert_int_equal(socket.inode, 4711);
		assert_int_equal(socket.uid, 1000);
	}
	return result;
}

static void test_ipv4(void **state)
{
	(void)state;
	assert_true(matches("   0: 00000000:08AE 00000000:0000 0A" REST, &tcp));
	assert_true(matches("  10: 0100007F:08AE 00000000:0000 0A" REST, &tcp));
	assert_false(matches("   0: 00000000:08AF 00000000:0000 0A" REST, &tcp));
	/* A connection from that port, and UDP's state. */
	assert_false(matches("   0: 0100007F:08AE 0100007F:1234 01" REST, &tcp));
	assert_false(matches("   0: 00000000:08AE 00000000:0000 07" REST, &tcp));
	assert_true(matches("1234: 00000000:08AE 00000000:0000 07" REST, &udp));
}

static void test_the_other_protocol(void **state)
{
	struct listed_socket socket;

	(void)state;
	assert_true(ports_parse("   0: 00000000:08AE 00000000:0000 07" REST, IPPROTO_UDP, &socket));
	assert_true(ports_gets(&socket, &udp));
	assert_false(ports_gets(&socket, &tcp));
}

static void test_ipv6(void **state)
{
	static const char any[] = "   0: 00000000000000000000000000000000:08AE "
				  "00000000000000000000000000000000:0000 0A" REST;
	static const char one[] = "   0: B80D0120000000000000000001000000:08AE "
				  "00000000000000000000000000000000:0000 0A" REST;
	static const char mapped[] = "   0: 0000000000000000FFFF00000100007F:08AE "
				     "00000000000000000000000000000000:0000 0A" REST;

	(void)state;
	assert_true(matches(any, &tcp));
	assert_true(matches(any, &tcp6));
	assert_false(matches(one, &tcp));
	assert_true(matches(one, &tcp6));
	assert_true(matches(mapped, &tcp));
	assert_false(matches(mapped, &tcp6));
}

static void test_addresses(void **state)
{
	static const char loopback[] = "   0: 0100007F:08AE 00000000:0000 0A" REST;
	static const char mapped[] = "   0: 0000000000000000FFFF00000100007F:08AE "
				     "00000000000000000000000000000000:0000 0A" REST;
	static const char any[] = "   0: 00000000000000000000000000000000:08AE "
				  "00000000000000000000000000000000:0000 0A" REST;
	static const char one[] = "   0: 00000000000000000000000001000000:08AE "
				  "00000000000000000000000000000000:0000 0A" REST;
	const struct in_addr ipv4 = { htonl(INADDR_LOOPBACK) };
	const struct in_addr other = { htonl(INADDR_LOOPBACK + 1) };
	struct sent_to sent = tcp;

	(void)state;
	sent.address = &ipv4;
	assert_true(matches(loopback, &sent));
	assert_true(matches(mapped, &sent));
	assert_true(matches("   0: 00000000:08AE 00000000:0000 0A" REST, &sent));
	assert_true(matches(any, &sent));
	sent.address = &other;
	assert_false(matches(loopback, &sent));
	assert_false(matches(mapped, &sent));
	assert_true(matches(any, &sent));
	sent = tcp6;
	sent.address = &in6addr_loopback;
	assert_true(matches(one, &sent));
	assert_true(matches(any, &sent));
	sent.address = &in6addr_any;
	assert_false(matches(one, &sent));
}

static void test_ranges(void **state)
{
	static const char line[] = "   0: 00000000:08AE 00000000:0000 0A" REST;
	struct sent_to sent = tcp;

	(void)state;
	sent.first = 2000;
	assert_true(matches(line, &sent));
	sent.last = 2221;
	assert_false(matches(line, &sent));
	sent.last = 3000;
	sent.first = 2223;
	assert_false(matches(line, &sent));
}

static void test_other_lines(void **state)
{
	(void)state;
	assert_false(matches("", &tcp));
	assert_false(matches("  sl  local_address rem_address   st tx_queue rx_queue\n", &tcp));
	assert_false(matches("   0: 00000000:08AE 00000000:0000 0A\n", &tcp));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),   cmocka_unit_test(test_the_other_protocol),
		cmocka_unit_test(test_ipv6),   cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ranges), cmocka_unit_test(test_other_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
