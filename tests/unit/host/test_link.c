/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of links, also when it is cut or damaged. */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "host/link.h"

static const struct mac_address mac = { { 0xfe, 1, 2, 3, 4, 5 } };

/* A TAP, as RTM_GETLINK answers. */
static struct nl_msg *tap_message(void)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct ifinfomsg header = { .ifi_index = 7, .ifi_flags = IFF_UP };
	struct nlattr *info;
	struct nlattr *data;

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_string(message, IFLA_IFNAME, "vmt0"), 0);
	assert_int_equal(nla_put_string(message, IFLA_IFALIAS, "an alias"), 0);
	assert_int_equal(nla_put_u32(message, IFLA_MTU, 1500), 0);
	assert_int_equal(nla_put_u32(message, IFLA_MASTER, 3), 0);
	assert_int_equal(nla_put_u32(message, IFLA_GROUP, 9), 0);
	assert_int_equal(nla_put_u8(message, IFLA_CARRIER, 1), 0);
	assert_int_equal(nla_put(message, IFLA_ADDRESS, sizeof(mac), &mac), 0);
	info = nla_nest_start(message, IFLA_LINKINFO);
	assert_int_equal(nla_put_string(message, IFLA_INFO_KIND, "tun"), 0);
	data = nla_nest_start(message, IFLA_INFO_DATA);
	assert_int_equal(nla_put_u32(message, IFLA_TUN_OWNER, 1000), 0);
	assert_int_equal(nla_put_u8(message, IFLA_TUN_PERSIST, 1), 0);
	assert_int_equal(nla_put_u32(message, IFLA_TUN_NUM_QUEUES, 2), 0);
	assert_int_equal(nla_put_u32(message, IFLA_TUN_NUM_DISABLED_QUEUES, 1), 0);
	nla_nest_end(message, data);
	data = nla_nest_start(message, IFLA_INFO_SLAVE_DATA);
	assert_int_equal(nla_put_u8(message, IFLA_BRPORT_ISOLATED, 1), 0);
	nla_nest_end(message, data);
	nla_nest_end(message, info);
	return message;
}

static void test_tap(void **state)
{
	struct nl_msg *message = tap_message();
	struct link link;

	(void)state;
	assert_int_equal(link_parse(nlmsg_hdr(message), &link), 0);
	assert_int_equal(link.index, 7);
	assert_int_equal(link.master, 3);
	assert_int_equal(link.group, 9);
	assert_true(link.port.isolated);
	assert_true(link.up);
	assert_true(link.carrier);
	assert_true(link.persistent);
	assert_int_equal(link.owner, 1000);
	assert_int_equal(link.queues, 3);
	assert_int_equal(link.mtu, 1500);
	assert_true(mac_address_equal(&link.mac, &mac));
	assert_string_equal(link.name, "vmt0");
	assert_string_equal(link.kind, "tun");
	assert_string_equal(link.alias, "an alias");
	nlmsg_free(message);
}

/* As a bridge says it of a port, in its own family. */
static void test_port_flags(void **state)
{
	for (uint8_t isolated = 0; isolated < 2; isolated++) {
		struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWLINK, 0);
		struct ifinfomsg header = { .ifi_family = AF_BRIDGE, .ifi_index = 7 };
		struct port_flags flags;
		struct nlattr *port;

		(void)state;
		assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
		assert_false(link_parse_port(nlmsg_hdr(message), &flags));
		port = nla_nest_start(message, IFLA_PROTINFO);
		assert_int_equal(nla_put_u8(message, IFLA_BRPORT_ISOLATED, isolated), 0);
		assert_int_equal(nla_put_u8(message, IFLA_BRPORT_LEARNING, !isolated), 0);
		nla_nest_end(message, port);
		assert_true(link_parse_port(nlmsg_hdr(message), &flags));
		assert_int_equal(flags.isolated, isolated);
		assert_int_equal(flags.learning, !isolated);
		assert_false(flags.neigh_suppress);
		nlmsg_free(message);
	}
}

static void test_little_is_said(void **state)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_DELLINK, 0);
	struct ifinfomsg header = { .ifi_index = 8 };
	struct link link;

	(void)state;
	assert_int_equal(nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO), 0);
	assert_int_equal(link_parse(nlmsg_hdr(message), &link), -EPROTO);
	assert_int_equal(nla_put_string(message, IFLA_IFNAME, "eth0"), 0);
	assert_int_equal(link_parse(nlmsg_hdr(message), &link), 0);
	assert_int_equal(link.index, 8);
	assert_false(link.up);
	assert_int_equal(link.master, 0);
	assert_string_equal(link.alias, "");
	assert_string_equal(link.kind, "");
	nlmsg_free(message);
}

/* In memory of just its size, so that a sanitizer sees what is read beyond. */
static int parse_copy(const struct nlmsghdr *message, size_t length)
{
	struct nlmsghdr *copy = malloc(length);
	struct link link;
	int result;

	assert_non_null(copy);
	memcpy(copy, message, length);
	copy->nlmsg_len = (uint32_t)length;
	result = link_parse(copy, &link);
	free(copy);
	return result;
}

static void test_cut_anywhere(void **state)
{
	struct nl_msg *message = tap_message();
	size_t length = nlmsg_hdr(message)->nlmsg_len;

	(void)state;
	for (size_t i = sizeof(struct nlmsghdr); i < sizeof(struct nlmsghdr) + 16; i++)
		assert_int_equal(parse_copy(nlmsg_hdr(message), i), -EPROTO);
	for (size_t i = sizeof(struct nlmsghdr) + 16; i <= length; i++)
		(void)parse_copy(nlmsg_hdr(message), i);
	nlmsg_free(message);
}

static void test_other_messages(void **state)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWADDR, 0);
	struct link link;

	(void)state;
	assert_int_equal(link_parse(nlmsg_hdr(message), &link), -EPROTO);
	nlmsg_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_port_flags),
		cmocka_unit_test(test_little_is_said),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_other_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
