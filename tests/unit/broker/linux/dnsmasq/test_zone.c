/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken of the answer of another host, and what is not. */
#include "tests/unit/test.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <resolv.h>
#include <string.h>

#include "broker/linux/dnsmasq/zone.h"

#define ZONE "b.lab.internal"
#define FIXED_SIZE 10 /* type, class, time, length */

static struct network_config config = { .name = "Lab", .json = (char[]){ "{}" } };

/* An answer that is being made. */
static struct {
	uint8_t bytes[4096];
	size_t length;
} message;

static int set_up(void **state)
{
	(void)state;
	(void)ipv4_subnet_parse("10.80.0.0/16", &config.subnet);
	(void)ipv6_prefix_parse("fd80:0:0:1::/64", &config.ipv6_prefix);
	message.length = NS_HFIXEDSZ;
	memset(message.bytes, 0, NS_HFIXEDSZ);
	message.bytes[2] = 0x84; /* an answer, of who knows */
	return 0;
}

static void add(const char *name, int type, const void *data, size_t size)
{
	uint8_t *fixed;

	message.length +=
		(size_t)dn_comp(name, message.bytes + message.length, NS_MAXCDNAME, NULL, NULL);
	fixed = message.bytes + message.length;
	memset(fixed, 0, FIXED_SIZE);
	ns_put16((unsigned int)type, fixed);
	ns_put16(ns_c_in, fixed + 2);
	ns_put16((unsigned int)size, fixed + 8);
	memcpy(fixed + FIXED_SIZE, data, size);
	message.length += FIXED_SIZE + size;
	message.bytes[7]++;
}

static void add_soa(const char *zone)
{
	static const uint8_t soa[22]; /* two names of the root, and five numbers */

	add(zone, ns_t_soa, soa, sizeof(soa));
}

static void add_ipv4(const char *name, const char *text)
{
	struct in_addr address;

	assert_int_equal(inet_pton(AF_INET, text, &address), 1);
	add(name, ns_t_a, &address, sizeof(address));
}

static void add_ipv6(const char *name, const char *text)
{
	struct in6_addr address;

	assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
	add(name, ns_t_aaaa, &address, sizeof(address));
}

static int parse(struct zone *zone)
{
	return zone_parse(message.bytes, message.length, ZONE, &config, zone);
}

static void test_names(void **state)
{
	const struct vxlan_host host = { .name = (char[]){ "B" } };
	char name[ZONE_NAME_SIZE];
	char text[ZONE_TEXT_SIZE];

	(void)state;
	assert_string_equal(zone_name(&config, &host, name), ZONE);
	assert_string_equal(zone_text(&config, text), "vmnet-broker 08f44b07b5901a25");
}

static void test_question(void **state)
{
	static const uint8_t expected[] = "\0\x20\0\0\0\0\0\1\0\0\0\0\0\0"
					  "\1b\3lab\10internal\0\0\xfc\0\1";
	uint8_t question[ZONE_QUESTION_SIZE];

	(void)state;
	assert_int_equal(zone_ask(ZONE, question), sizeof(expected) - 1);
	assert_memory_equal(question, expected, sizeof(expected) - 1);
}

static void test_machines(void **state)
{
	struct zone zone;

	(void)state;
	add_soa(ZONE);
	add(ZONE, ns_t_txt, "\xfvmnet-broker 01", 16);
	add_ipv4("Web." ZONE, "10.80.2.5");
	add_ipv6("web.B.lab.internal", "fd80:0:0:1::5");
	add_ipv4("moved_1." ZONE, "10.80.1.9");
	add_soa(ZONE);
	assert_int_equal(parse(&zone), 0);
	assert_true(zone.is_whole);
	assert_string_equal(zone.text, "vmnet-broker 01");
	assert_int_equal(zone.n_records, 3);
	assert_string_equal(zone.records[0].name, "web");
	assert_int_equal(zone.records[0].family, AF_INET);
	assert_int_equal(zone.records[0].address.ipv4.s_addr, inet_addr("10.80.2.5"));
	assert_string_equal(zone.records[1].name, "web");
	assert_int_equal(zone.records[1].family, AF_INET6);
	assert_int_equal(zone.records[1].address.ipv6.s6_addr[15], 5);
	assert_string_equal(zone.records[2].name, "moved_1");
	zone_clear(&zone);
	assert_null(zone.records);
}

static void test_what_is_no_machine(void **state)
{
	const uint8_t ipv4[] = { 10, 80, 2, 5 };
	const char long_text[] = "\x20this is no digest of vmnet-broker";
	struct zone zone;

	(void)state;
	add_soa(ZONE);
	add_ipv4(ZONE, "10.80.2.1");
	add_ipv4("deep.web." ZONE, "10.80.2.5");
	add_ipv4("web.c.lab.internal", "10.80.2.5");
	add_ipv4("webb.lab.internal", "10.80.2.5");
	add_ipv4("-web." ZONE, "10.80.2.5");
	add_ipv4("*." ZONE, "10.80.2.5");
	add_ipv4("we\\010b." ZONE, "10.80.2.5");
	add_ipv4("outside." ZONE, "192.0.2.1");
	add_ipv6("outside." ZONE, "fd80:0:0:2::5");
	add("short." ZONE, ns_t_a, ipv4, 3);
	add("long." ZONE, ns_t_aaaa, ipv4, 4);
	add("alias." ZONE, ns_t_cname, "\3web", 5);
	add(ZONE, ns_t_txt, long_text, sizeof(long_text) - 1);
	add(ZONE, ns_t_txt, "\x7text", 5);
	add("web." ZONE, ns_t_txt, "\4text", 5);
	assert_int_equal(parse(&zone), 0);
	assert_int_equal(zone.n_records, 0);
	assert_string_equal(zone.text, "");
	zone_clear(&zone);
}

static void test_other_answers(void **state)
{
	struct zone zone;

	(void)state;
	assert_int_equal(parse(&zone), -EBADMSG); /* nothing in it */
	add_ipv4("web." ZONE, "10.80.2.5");
	assert_int_equal(parse(&zone), -EBADMSG);
	(void)set_up(state);
	add_soa("c.lab.internal");
	assert_int_equal(parse(&zone), -EBADMSG);
	(void)set_up(state);
	add_soa(ZONE);
	message.bytes[2] = 0;
	assert_int_equal(parse(&zone), -EBADMSG); /* a question */
	message.bytes[2] = 0x84;
	message.bytes[3] = ns_r_refused;
	assert_int_equal(parse(&zone), -EACCES);
	message.bytes[3] = 0;
	message.bytes[2] |= 2; /* truncated */
	assert_int_equal(parse(&zone), 0);
	assert_false(zone.is_whole);
	zone_clear(&zone);
	for (; message.length > 0; message.length--)
		assert_int_equal(
			zone_parse(message.bytes, message.length - 1, ZONE, &config, &zone),
			-EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_names, set_up),
		cmocka_unit_test_setup(test_question, set_up),
		cmocka_unit_test_setup(test_machines, set_up),
		cmocka_unit_test_setup(test_what_is_no_machine, set_up),
		cmocka_unit_test_setup(test_other_answers, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
