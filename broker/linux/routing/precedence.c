/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VPN's rules lead all of the host's packets to a table of its own:
 *
 *	0	from all lookup local				the host itself
 *	115	from all fwmark 0/MARK iif vmb-NAME lookup TABLE	ours
 *	116	from all lookup main suppress_prefixlength 0	a VPN's
 *	117	not from all fwmark 0xca6c lookup 51820		the same
 *
 * Who adds a rule without a priority gets the one before the first, wherever that
 * is: so ours have no fixed place. They stand at RULE_PRIORITY, or right before the
 * first rule that is for every packet. When that one goes they move back, so that
 * they follow the host's rules and do not wander off. Another program that does the
 * same meets them at 1 at last, and goes first from there: that is a fault.
 *
 * A rule for some packets alone, of an interface, an address or a mark, is
 * somebody's wish for these, and may stand before ours.
 */
#include "precedence.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/rule.h"

/* After the host's own addresses; before what VPNs choose for theirs. */
#define RULE_PRIORITY 118

#define PRESENT_MAX (sizeof(((struct precedence *)0)->present) / sizeof(uint32_t))

static void forget(void *userdata)
{
	struct precedence *self = userdata;

	self->rival = UINT32_MAX;
	self->local = 0;
	self->is_needed = false;
	self->main_is_seen = false;
	self->n_present = 0;
}

static void note_ours(struct precedence *self, const struct rule *rule)
{
	if (rule->table == self->table && self->n_present < PRESENT_MAX &&
	    strcmp(rule->interface, self->bridge ? self->bridge : "") == 0)
		self->present[self->n_present++] = rule->priority;
}

/* They come in their order. */
static void note_others(struct precedence *self, const struct rule *rule)
{
	if (rule->table == RT_TABLE_LOCAL) {
		self->local = rule->priority;
		return;
	}
	if (rule->priority < self->rival)
		self->rival = rule->priority;
	if (rule->table == RT_TABLE_MAIN)
		self->main_is_seen = true;
	else
		self->is_needed |= !self->main_is_seen;
}

static int note(const struct nlmsghdr *message, void *userdata)
{
	struct rule rule;

	if (rule_parse(message, &rule) < 0)
		return 0;
	if (rule.protocol == ROUTING_PROTOCOL)
		note_ours(userdata, &rule);
	else if (rule.is_general)
		note_others(userdata, &rule);
	return 0;
}

/*
 * At 0 it would be before none that comes later, and have those of others that come
 * without a priority turn their order around. Where somebody has moved the rule
 * of the host's own addresses, ours goes behind it.
 */
static void choose(struct precedence *self)
{
	const uint32_t lowest = self->local ? self->local : 1;

	self->priority = lowest > RULE_PRIORITY ? lowest : RULE_PRIORITY;
	self->is_overtaken = self->rival <= lowest;
	if (self->rival <= self->priority)
		self->priority = self->is_overtaken ? lowest : self->rival - 1;
}

int precedence_find(struct precedence *self)
{
	const struct fib_rule_hdr header = { .family = (uint8_t)self->family };
	int result;

	forget(self);
	result = netlink_dump(&(struct netlink_dump){
		.type = RTM_GETRULE,
		.header = &header,
		.size = sizeof(header),
		.begin = forget,
		.each = note,
		.userdata = self,
	});
	choose(self);
	return result == -EAFNOSUPPORT || result == -EOPNOTSUPP ? 0 : result;
}

static struct nl_msg *rule_message(int type, int flags, const struct precedence *self,
				   uint32_t priority)
{
	struct fib_rule_hdr header = {
		.family = (uint8_t)self->family,
		.table = RT_TABLE_UNSPEC,
		.action = FR_ACT_TO_TBL,
	};
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0 &&
	    nla_put_u32(message, FRA_TABLE, self->table) == 0 &&
	    nla_put_u32(message, FRA_PRIORITY, priority) == 0 &&
	    nla_put_u8(message, FRA_PROTOCOL, ROUTING_PROTOCOL) == 0 &&
	    (!self->bridge || (nla_put_u32(message, FRA_FWMARK, 0) == 0 &&
			       nla_put_u32(message, FRA_FWMASK, UPLINK_EXEMPT_MARK) == 0 &&
			       nla_put_string(message, FRA_IIFNAME, self->bridge) == 0)))
		return message;
	nlmsg_free(message);
	return NULL;
}

static int remove_others(const struct precedence *self, uint32_t except)
{
	int result = 0;

	for (size_t i = 0; i < self->n_present && result == 0; i++) {
		if (self->present[i] == except)
			continue;
		result = netlink_request(rule_message(RTM_DELRULE, 0, self, self->present[i]));
		if (result == -ENOENT)
			result = 0;
	}
	return result;
}

int precedence_keep(const struct precedence *self)
{
	int result = netlink_request(
		rule_message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, self, self->priority));

	return result < 0 && result != -EEXIST ? result : remove_others(self, self->priority);
}

int precedence_remove(const struct precedence *self)
{
	return remove_others(self, UINT32_MAX);
}

bool precedence_is_concerned(const struct nlmsghdr *message)
{
	struct rule rule;

	return rule_parse(message, &rule) == 0 &&
	       (rule.is_general || rule.protocol == ROUTING_PROTOCOL);
}
