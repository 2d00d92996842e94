/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing rules, routes and forwarding. Of the first two what the kernel has listed is sent back
 * as it came, as a request to delete that: it has all that tells it from others.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "cleanup.h"
#include "host/forwarding_state.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/rule.h"

struct listed {
	struct nl_msg **messages;
	size_t n_messages;
};

static void forget(void *userdata)
{
	struct listed *listed = userdata;

	for (size_t i = 0; i < listed->n_messages; i++)
		nlmsg_free(listed->messages[i]);
	listed->n_messages = 0;
}

static int add(struct listed *listed, const struct nlmsghdr *message)
{
	struct nl_msg **messages =
		array_grow(listed->messages, listed->n_messages, sizeof(*messages));
	struct nl_msg *copy = NULL;

	if (messages) {
		listed->messages = messages;
		copy = nlmsg_convert((struct nlmsghdr *)message);
	}
	if (!copy)
		return -ENOMEM;
	messages[listed->n_messages++] = copy;
	return 0;
}

static int add_rule(const struct nlmsghdr *message, void *userdata)
{
	struct rule rule;

	return rule_parse(message, &rule) == 0 && rule.protocol == ROUTING_PROTOCOL
		       ? add(userdata, message)
		       : 0;
}

static int add_route(const struct nlmsghdr *message, void *userdata)
{
	const struct rtmsg *route = nlmsg_data(message);

	return message->nlmsg_type == RTM_NEWROUTE && route->rtm_protocol == ROUTING_PROTOCOL
		       ? add(userdata, message)
		       : 0;
}

/* One of a family that the host does not have is none. */
static void list(int type, int family, int (*each)(const struct nlmsghdr *message, void *userdata),
		 struct listed *listed)
{
	const struct rtmsg header = { .rtm_family = (unsigned char)family };
	int result = netlink_dump(&(struct netlink_dump){
		.type = type,
		.header = &header,
		.size = sizeof(header),
		.begin = forget,
		.each = each,
		.userdata = listed,
	});

	if (result < 0 && result != -EAFNOSUPPORT && result != -EOPNOTSUPP)
		cleanup_blind("routing rules and routes", result);
}

static int delete_listed(const struct nl_msg *message, int type)
{
	struct nl_msg *request = nlmsg_convert(nlmsg_hdr((struct nl_msg *)message));
	int result;

	if (request) {
		nlmsg_hdr(request)->nlmsg_type = (uint16_t)type;
		nlmsg_hdr(request)->nlmsg_flags = NLM_F_REQUEST;
		nlmsg_hdr(request)->nlmsg_seq = 0;
		nlmsg_hdr(request)->nlmsg_pid = 0;
	}
	result = netlink_request(request);
	return result == -ENOENT || result == -ESRCH ? 0 : result;
}

static const char *family_name(int family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static void remove_rules(int family)
{
	struct listed listed = { 0 };
	struct rule rule;

	list(RTM_GETRULE, family, add_rule, &listed);
	for (size_t i = 0; i < listed.n_messages; i++)
		if (rule_parse(nlmsg_hdr(listed.messages[i]), &rule) == 0 &&
		    cleanup_begin("routing rule %u of %s, to table %u", rule.priority,
				  family_name(family), rule.table))
			cleanup_end(delete_listed(listed.messages[i], RTM_DELRULE));
	forget(&listed);
	free(listed.messages);
}

/* There may be many: they are told together. */
static void remove_routes(int family)
{
	struct listed listed = { 0 };
	int result = 0;

	list(RTM_GETROUTE, family, add_route, &listed);
	if (listed.n_messages &&
	    cleanup_begin("%zu routes of %s", listed.n_messages, family_name(family))) {
		for (size_t i = 0; i < listed.n_messages && result == 0; i++)
			result = delete_listed(listed.messages[i], RTM_DELROUTE);
		cleanup_end(result);
	}
	forget(&listed);
	free(listed.messages);
}

void cleanup_routing(void)
{
	remove_rules(AF_INET);
	remove_rules(AF_INET6);
	remove_routes(AF_INET);
	remove_routes(AF_INET6);
}

static bool is_switched_on(const struct forwarding_state *state, int family)
{
	const struct routed_interface *interface = state->interfaces;

	while (interface && interface->family != family)
		interface = interface->next;
	return interface || (family == AF_INET6 && state->ipv6_all);
}

static void switch_off(struct forwarding_state *state, int family)
{
	struct error error;

	if (is_switched_on(state, family) &&
	    cleanup_begin("forwarding of %s, where it was switched on", family_name(family)))
		cleanup_end(forwarding_switch_off(state, family, &error));
}

void cleanup_forwarding(const char *runtime_dir)
{
	struct forwarding_state state = { 0 };
	int result = forwarding_state_load(runtime_dir, &state);

	if (result < 0)
		cleanup_blind("what was switched on to forward", result);
	switch_off(&state, AF_INET);
	switch_off(&state, AF_INET6);
	if (state.bridges && cleanup_begin("the note of what was switched on to forward")) {
		while (state.bridges)
			forwarding_state_remove_bridge(&state, state.bridges->name);
		/* What could not be switched off stays noted. */
		cleanup_end(forwarding_state_save(runtime_dir, &state));
	}
	forwarding_state_clear(&state);
}
