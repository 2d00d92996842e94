/* SPDX-License-Identifier: Apache-2.0 */
/* Routing rules in rtnetlink's messages. */
#include "rule.h"

#include <linux/fib_rules.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

static uint32_t read_u32(struct nlattr *attribute)
{
	return attribute && nla_len(attribute) >= (int)sizeof(uint32_t) ? nla_get_u32(attribute)
									: 0;
}

/* Whether a rule that has this is for some packets alone. Newer kernels select by more. */
static bool is_selector(struct nlattr *attribute)
{
	switch (nla_type(attribute)) {
	case FRA_FWMARK:
		return read_u32(attribute) != 0;
	case FRA_PRIORITY:
	case FRA_GOTO:
	case FRA_FLOW:
	case FRA_SUPPRESS_IFGROUP:
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_TABLE:
	case FRA_FWMASK:
	case FRA_PAD:
	case FRA_PROTOCOL:
		return false;
	default:
		return true;
	}
}

static bool selects(const struct nlmsghdr *message, const struct fib_rule_hdr *header)
{
	struct nlattr *attribute;
	int rest;

	if (header->src_len || header->dst_len || header->tos)
		return true;
	nlmsg_for_each_attr(attribute, message, sizeof(*header),
			    rest) if (is_selector(attribute)) return true;
	return false;
}

int rule_parse(const struct nlmsghdr *message, struct rule *rule)
{
	struct nlattr *attributes[FRA_MAX + 1];
	struct fib_rule_hdr header;

	if (nlmsg_parse((struct nlmsghdr *)message, sizeof(header), attributes, FRA_MAX, NULL) < 0)
		return -1;
	memcpy(&header, nlmsg_data(message), sizeof(header));
	*rule = (struct rule){ .priority = read_u32(attributes[FRA_PRIORITY]) };
	if (header.action == FR_ACT_TO_TBL)
		rule->table =
			attributes[FRA_TABLE] ? read_u32(attributes[FRA_TABLE]) : header.table;
	if (attributes[FRA_PROTOCOL] && nla_len(attributes[FRA_PROTOCOL]) >= 1)
		rule->protocol = nla_get_u8(attributes[FRA_PROTOCOL]);
	rule->is_general = (header.flags & FIB_RULE_INVERT) != 0 || !selects(message, &header);
	if (attributes[FRA_IIFNAME])
		(void)nla_strlcpy(rule->interface, attributes[FRA_IIFNAME],
				  sizeof(rule->interface));
	return 0;
}
