/* SPDX-License-Identifier: Apache-2.0 */
/* Routing rules, as the kernel says them: which of them are for every packet. */
#include "tests/unit/test.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "host/rule.h"

/* What the kernel says of each rule, whether it has a choice or not. */
static struct nl_msg *message_of(const struct fib_rule_hdr *header)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWRULE, 0);

	assert_non_null(message);
	assert_int_equal(nlmsg_append(message, (void *)header, sizeof(*header), NLMSG_ALIGNTO), 0);
	assert_int_equal(nla_put_u32(message, FRA_TABLE, 51820), 0);
	assert_int_equal(nla_put_u32(message, FRA_SUPPRESS_PREFIXLEN, UINT32_MAX), 0);
	assert_int_equal(nla_put_u8(message, FRA_PROTOCOL, RTPROT_BOOT), 0);
	assert_int_equal(nla_put_u32(message, FRA_PRIORITY, 5270), 0);
	return message;
}

static struct rule parse(struct nl_msg *message)
{
	struct rule rule;

	assert_int_equal(rule_parse(nlmsg_hdr(message), &rule), 0);
	nlmsg_free(message);
	return rule;
}

static const struct fib_rule_hdr to_table = { .family = AF_INET, .action = FR_ACT_TO_TBL };

static void test_a_rule_is_read(void **state)
{
	struct nl_msg *message = message_of(&to_table);
	struct rule rule;

	(void)state;
	assert_int_equal(nla_put_string(message, FRA_IIFNAME, "vmb-lab"), 0);
	rule = parse(message);
	assert_int_equal(rule.priority, 5270);
	assert_int_equal(rule.table, 51820);
	assert_int_equal(rule.protocol, RTPROT_BOOT);
	assert_string_equal(rule.interface, "vmb-lab");
}

static void test_what_leads_to_no_table(void **state)
{
	struct fib_rule_hdr header = to_table;

	(void)state;
	header.action = FR_ACT_UNREACHABLE;
	assert_int_equal(parse(message_of(&header)).table, RT_TABLE_UNSPEC);
}

static void test_a_rule_for_all(void **state)
{
	struct nl_msg *message = message_of(&to_table);

	(void)state;
	assert_true(parse(message_of(&to_table)).is_general);
	/* Packets that nobody has marked. */
	assert_int_equal(nla_put_u32(message, FRA_FWMARK, 0), 0);
	assert_int_equal(nla_put_u32(message, FRA_FWMASK, 0xff0000), 0);
	assert_true(parse(message).is_general);
}

static void test_a_rule_for_some(void **state)
{
	static const int selectors[] = { FRA_FWMARK,	FRA_IIFNAME,	 FRA_OIFNAME, FRA_L3MDEV,
					 FRA_UID_RANGE, FRA_DPORT_RANGE, FRA_MAX + 1 };
	struct fib_rule_hdr header = to_table;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(selectors); i++) {
		struct nl_msg *message = message_of(&header);

		assert_int_equal(nla_put_u32(message, selectors[i], 0x80000), 0);
		assert_false(parse(message).is_general);
	}
	header.src_len = 24;
	assert_false(parse(message_of(&header)).is_general);
	header.src_len = 0;
	header.dst_len = 24;
	assert_false(parse(message_of(&header)).is_general);
}

static void test_a_rule_for_all_but_some(void **state)
{
	struct fib_rule_hdr header = to_table;
	struct nl_msg *message;

	(void)state;
	header.flags = FIB_RULE_INVERT;
	message = message_of(&header);
	assert_int_equal(nla_put_u32(message, FRA_FWMARK, 51820), 0);
	assert_true(parse(message).is_general);
}

static void test_what_is_no_rule(void **state)
{
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWRULE, 0);
	struct rule rule;

	(void)state;
	assert_non_null(message);
	assert_int_equal(rule_parse(nlmsg_hdr(message), &rule), -1);
	nlmsg_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rule_is_read),
		cmocka_unit_test(test_what_leads_to_no_table),
		cmocka_unit_test(test_a_rule_for_all),
		cmocka_unit_test(test_a_rule_for_some),
		cmocka_unit_test(test_a_rule_for_all_but_some),
		cmocka_unit_test(test_what_is_no_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
