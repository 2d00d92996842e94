/* SPDX-License-Identifier: Apache-2.0 */
/* What the program takes and refuses, by a socket's filter of the kernel's. */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/linux/network/gateway_filter.h"

#define OTHERS "ffffffffffff020000000099"
/* A packet from a machine; what follows is the fragment field, and the protocol. */
#define IPV4_HEADER "0800 45000024 0000"
#define IPV4_END "0000 c0a86909 c0a86902"
#define IPV6(next) "86dd 60000000 0020" next "ff" LINK_LOCAL ALL_NODES
#define LINK_LOCAL "fe800000000000000000000000000099"
#define UNSPECIFIED "00000000000000000000000000000000"
#define ALL_NODES "ff020000000000000000000000000001"
#define GATEWAY "fe800000000000000000000000000001"
#define GATEWAY_GLOBAL "fd123456789a00050000000000000001"
#define NEIGHBOUR "fd123456789a00050000000000000002"
#define ADVERT "8800 0000 20000000 "
#define SOLICIT "8700 0000 00000000 "
#define ROUTER "8600 0000 40000708 00000000 00000000"
#define DISCOVERY_FROM(source) "86dd 60000000 0018 3a ff" source ALL_NODES

static const struct mac_address gateway_mac = { { 0x02, 0, 0, 0, 0, 1 } };

static size_t from_hex(const char *text, unsigned char frame[512])
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned int byte;

		if (*text == ' ')
			continue;
		assert_int_equal(sscanf(text, "%2x", &byte), 1);
		frame[n++] = (unsigned char)byte;
		text++;
	}
	return n;
}

static bool takes(const struct gateway_filter *filter, const char *frame)
{
	struct sock_fprog program = { filter->n, (struct sock_filter *)filter->code };
	unsigned char bytes[512];
	size_t n = from_hex(frame, bytes);
	unsigned char received[512];
	int ends[2];
	bool result;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	assert_int_equal(
		setsockopt(ends[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
	(void)send(ends[0], bytes, n, MSG_DONTWAIT);
	result = recv(ends[1], received, sizeof(received), MSG_DONTWAIT) == (ssize_t)n;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return result;
}

static void make(bool dhcp, bool router_advertisement, struct gateway_filter *filter)
{
	const struct network_config config = {
		.dhcp = dhcp,
		.router_advertisement = router_advertisement,
	};
	struct network_addresses addresses = { .bridge_mac = gateway_mac };

	assert_int_equal(ipv4_subnet_parse("192.168.105.0/24", &addresses.ipv4_subnet), 0);
	addresses.ipv4_gateway = ipv4_subnet_host(&addresses.ipv4_subnet, 1);
	assert_int_equal(ipv6_prefix_parse("fd12:3456:789a:5::/64", &addresses.ipv6_prefix), 0);
	addresses.ipv6_gateway = ipv6_prefix_host(&addresses.ipv6_prefix, 1);
	gateway_filter_make(&config, &addresses, false, filter);
	assert_in_range(filter->n, 1, GATEWAY_FILTER_MAX);
}

#define ARP_OF(last) OTHERS "0806 0001080006040002 020000000099 c0a869" last "ffffffffffff c0a86902"
#define UDP(fragment, ports) \
	OTHERS IPV4_HEADER fragment "4011" IPV4_END ports "0008 0000 0000000000000000"

static const char *const refused[] = {
	ARP_OF("01"),
	OTHERS "0800 45000024 0000 0000 4006 0000 c0a86901 c0a86902 0000000000000000",
	UDP("0000", "00431000"),
	UDP("0000", "10000044"),
	UDP("2000", "00430044"),
	OTHERS "0800 46000028 0000 0000 4011 0000 c0a86909 c0a86902 01010101 1000 0044 0008 0000",
	OTHERS IPV4_HEADER "0000 4001" IPV4_END "0900 0000 01020708 c0a86909 00000000",
	OTHERS DISCOVERY_FROM(LINK_LOCAL) ADVERT GATEWAY,
	OTHERS DISCOVERY_FROM(LINK_LOCAL) ADVERT GATEWAY_GLOBAL,
	OTHERS DISCOVERY_FROM(UNSPECIFIED) SOLICIT GATEWAY,
	OTHERS DISCOVERY_FROM(UNSPECIFIED) SOLICIT GATEWAY_GLOBAL,
	OTHERS DISCOVERY_FROM(GATEWAY) "8000 0000 00000000",
	OTHERS DISCOVERY_FROM(GATEWAY_GLOBAL) "8000 0000 00000000",
	OTHERS IPV6("3a") ROUTER,
	OTHERS IPV6("3a") "8900 0000 00000000" LINK_LOCAL LINK_LOCAL,
	OTHERS IPV6("00") "3a00 050200000100" ROUTER,
	OTHERS IPV6("3c") "3a01 010c00000000 0000000000000000" ROUTER,
	OTHERS IPV6("00") "2b00 050200000100 3c00 010400000000 3a00 010400000000" ROUTER,
	OTHERS IPV6("2c") "3a00 0000 00000001" ROUTER,
	OTHERS IPV6("2c") "3a00 0001 00000001" ADVERT NEIGHBOUR,
	/* What is behind the end of a first fragment's header is not what the next one has. */
	OTHERS IPV6(
		"2c") "3c00 0001 00000001 3a01 010400000000 0000000000000000 8000 0000 00000000",
	/* options without an end */
	OTHERS IPV6("3c") "3c00 010400000000 3c00 010400000000 3c00 010400000000 "
			  "3c00 010400000000 3a00 010400000000" ROUTER,
	OTHERS IPV6("3c") "3aff 010400000000" ROUTER,
	OTHERS IPV6("33") "3a01 0000 00000005 00000001" ROUTER,
	OTHERS IPV6("11") "0223 1000 0008 0000",
	OTHERS IPV6("11") "1000 0222 0008 0000",
	OTHERS IPV6("3c") "1100 010400000000 1000 0222 0008 0000",
};

static const char *const taken[] = {
	ARP_OF("02"),
	UDP("0000", "00440043"),
	UDP("0000", "10000035"),
	UDP("0001", "00430044"),
	OTHERS IPV4_HEADER "0000 4001" IPV4_END "0800 0000 00000000",
	OTHERS IPV4_HEADER "0000 4006" IPV4_END "00430044 00000000 00000000 50100000 00000000",
	OTHERS DISCOVERY_FROM(LINK_LOCAL) ADVERT NEIGHBOUR,
	OTHERS DISCOVERY_FROM(LINK_LOCAL) SOLICIT GATEWAY,
	OTHERS DISCOVERY_FROM(UNSPECIFIED) SOLICIT NEIGHBOUR,
	OTHERS IPV6("3a") "8500 0000 00000000",
	OTHERS IPV6("2c") "3a00 0001 00000001 8000 0000 00000000",
	OTHERS IPV6("2c") "3a00 0009 00000001" ROUTER,
	OTHERS IPV6("11") "1000 0035 0008 0000",
	OTHERS IPV6("06") "10000016 00000000 00000000 50100000 00000000",
	OTHERS "8035 0001080006040003",
	"ffffffffffff020000000001 0800 45000024 0000 0000 4011 0000 c0a86901 c0a86902 00430044 "
	"0008 0000",
	"ffffffffffff020000000001" IPV6("3a") ROUTER,
};

static void test_claims(void **state)
{
	struct gateway_filter filter;

	(void)state;
	make(true, true, &filter);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (takes(&filter, refused[i]))
			fail_msg("takes what it has to refuse: %s", refused[i]);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (!takes(&filter, taken[i]))
			fail_msg("refuses what it has to take: %s", taken[i]);
}

/* Machines serve where the network does not. */
static void test_without_services(void **state)
{
	struct gateway_filter filter;

	(void)state;
	make(false, false, &filter);
	assert_true(takes(&filter, UDP("0000", "00430044")));
	assert_true(takes(&filter, OTHERS IPV6("3a") ROUTER));
	assert_true(takes(&filter, OTHERS IPV6("11") "0223 0222 0008 0000"));
	assert_false(takes(&filter, ARP_OF("01")));
	assert_false(takes(&filter, OTHERS DISCOVERY_FROM(LINK_LOCAL) ADVERT GATEWAY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_without_services),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
