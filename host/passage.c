/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Goes through the rules as the packet would. A condition holds, does not, or it cannot be told.
 * That is so of the modules of iptables, which are not listed with what they are about: states of
 * connections are taken as those of such that are there, unless the rule is about the port.
 */
#include "passage.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Chains that lead to each other are nobody's, and have an end all the same. */
#define DEPTH_MAX 32

enum answer {
	NO,
	MAYBE,
	YES
};

enum outcome {
	GOES_ON,
	PASSES,
	STOPS
};

struct walk {
	json_t *list;
	const struct base_chain *chain;
	const struct passing *passing;
};

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is(const char *text, const char *expected)
{
	return text && strcmp(text, expected) == 0;
}

static bool is_output(const struct walk *walk)
{
	return is(walk->chain->hook, "output");
}

/* What a value is compared with: one, a range, or a set of such. */
typedef enum answer compare_function(const struct walk *walk, json_t *value);

static enum answer in_range(const struct walk *walk, json_t *range, compare_function *compare)
{
	json_t *first = json_array_get(range, 0), *last = json_array_get(range, 1);
	const json_int_t port = walk->passing->port;

	if (!json_is_integer(first) || !json_is_integer(last))
		return compare(walk, first) == YES || compare(walk, last) == YES ? YES : MAYBE;
	return port >= json_integer_value(first) && port <= json_integer_value(last) ? YES : NO;
}

static enum answer in_list(const struct walk *walk, json_t *items, compare_function *compare)
{
	enum answer answer = NO, one;
	json_t *item, *range;
	size_t i;

	json_array_foreach(items, i, item) {
		range = json_object_get(item, "range");
		one = range ? in_range(walk, range, compare) : compare(walk, item);
		if (one > answer)
			answer = one;
	}
	return answer;
}

static enum answer matches(const struct walk *walk, json_t *right, compare_function *compare)
{
	json_t *range = json_object_get(right, "range"), *set = json_object_get(right, "set");

	if (range)
		return in_range(walk, range, compare);
	if (json_is_array(set) || json_is_array(right))
		return in_list(walk, set ? set : right, compare);
	if (json_is_string(set) || (json_string_value(right) && *json_string_value(right) == '@'))
		return MAYBE; /* what is in a named one is not listed */
	return compare(walk, set ? set : right);
}

static enum answer is_protocol(const struct walk *walk, json_t *value)
{
	(void)walk;
	if (json_is_integer(value))
		return json_integer_value(value) == IPPROTO_UDP ? YES : NO;
	return is(json_string_value(value), "udp") ? YES : NO;
}

static enum answer is_port(const struct walk *walk, json_t *value)
{
	if (json_is_integer(value))
		return json_integer_value(value) == walk->passing->port ? YES : NO;
	return is(json_string_value(value), "vxlan") && walk->passing->port == 4789 ? YES : NO;
}

static enum answer is_family(const struct walk *walk, json_t *value)
{
	const char *text = json_string_value(value);
	const bool ipv4 = walk->passing->family == AF_INET;

	if (is(text, "ipv4") || is(text, "ip"))
		return ipv4 ? YES : NO;
	if (is(text, "ipv6") || is(text, "ip6"))
		return ipv4 ? NO : YES;
	return MAYBE;
}

static enum answer is_interface(const struct walk *walk, json_t *value)
{
	const char *text = json_string_value(value);
	const size_t length = text ? strlen(text) : 0;

	if (length == 0)
		return MAYBE;
	if (text[length - 1] == '*')
		return strncmp(text, walk->passing->interface, length - 1) == 0 ? YES : NO;
	return strcmp(text, walk->passing->interface) == 0 ? YES : NO;
}

static enum answer is_state(const struct walk *walk, json_t *value)
{
	(void)walk;
	return is(json_string_value(value), "new") ? YES : NO;
}

static enum answer is_packet_type(const struct walk *walk, json_t *value)
{
	(void)walk;
	return is(json_string_value(value), "host") || is(json_string_value(value), "unicast") ? YES
											       : NO;
}

static enum answer is_anything(const struct walk *walk, json_t *value)
{
	(void)walk;
	(void)value;
	return MAYBE;
}

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, size_t length)
{
	const size_t bytes = length / 8, bits = length % 8;

	return memcmp(address, prefix, bytes) == 0 &&
	       (bits == 0 || ((address[bytes] ^ prefix[bytes]) >> (8 - bits)) == 0);
}

static enum answer is_address(const struct walk *walk, json_t *value)
{
	json_t *prefix = json_object_get(value, "prefix");
	const char *text = prefix ? text_of(prefix, "addr") : json_string_value(value);
	const int family = walk->passing->family;
	const size_t width = family == AF_INET ? 32 : 128;
	size_t length = width;
	uint8_t one[16], other[16];

	if (prefix)
		length = (size_t)json_integer_value(json_object_get(prefix, "len"));
	if (!text || length > width || inet_pton(family, text, other) != 1 ||
	    inet_pton(family, walk->passing->address, one) != 1)
		return MAYBE;
	return has_prefix(one, other, length) ? YES : NO;
}

static compare_function *of_payload(const struct walk *walk, const char *protocol,
				    const char *field)
{
	const char *family = walk->passing->family == AF_INET ? "ip" : "ip6";

	if (is(protocol, "udp") || is(protocol, "th"))
		return is(field, "dport") ? is_port : is_anything;
	if (!is(protocol, family))
		return NULL; /* it has no such header */
	if (is(field, "protocol") || is(field, "nexthdr"))
		return is_protocol;
	return is(field, is_output(walk) ? "daddr" : "saddr") ? is_address : is_anything;
}

static compare_function *of_meta(const struct walk *walk, const char *key)
{
	const bool output = is_output(walk);

	if (is(key, "l4proto"))
		return is_protocol;
	if (is(key, "nfproto") || is(key, "protocol"))
		return is_family;
	if (is(key, output ? "oifname" : "iifname") || is(key, output ? "oif" : "iif"))
		return is_interface;
	if (is(key, "pkttype"))
		return is_packet_type;
	return is_anything;
}

/* What the left side of a condition is compared by; NULL: the packet has nothing such. */
static compare_function *comparison(const struct walk *walk, json_t *left)
{
	json_t *payload = json_object_get(left, "payload"), *meta = json_object_get(left, "meta");

	if (payload && text_of(payload, "protocol"))
		return of_payload(walk, text_of(payload, "protocol"), text_of(payload, "field"));
	if (meta)
		return of_meta(walk, text_of(meta, "key"));
	return is(text_of(json_object_get(left, "ct"), "key"), "state") ? is_state : is_anything;
}

static enum answer holds(const struct walk *walk, json_t *match)
{
	json_t *left = json_object_get(match, "left");
	compare_function *compare = comparison(walk, left);
	const char *compared = text_of(match, "op");
	enum answer answer;

	if (!compare)
		return NO;
	answer = matches(walk, json_object_get(match, "right"), compare);
	if (is(compared, "!=") && answer != MAYBE)
		return answer == YES ? NO : YES;
	if (is(compared, "==") || is(compared, "in") || is(compared, "!="))
		return answer;
	return MAYBE;
}

static bool is_about_port(const struct walk *walk, json_t *rule)
{
	json_t *expression;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, expression) {
		json_t *match = json_object_get(expression, "match");

		if (match && comparison(walk, json_object_get(match, "left")) == is_port &&
		    holds(walk, match) == YES)
			return true;
	}
	return false;
}

/* Whether a part of the rule lets the packet go on to the next part. */
static enum answer condition(const struct walk *walk, json_t *rule, json_t *part)
{
	json_t *match = json_object_get(part, "match"), *module = json_object_get(part, "xt");
	const char *name = text_of(module, "name");

	if (match)
		return holds(walk, match);
	if (is(text_of(module, "type"), "match")) {
		if ((is(name, "conntrack") || is(name, "state")) && !is_about_port(walk, rule))
			return NO;
		return MAYBE;
	}
	return json_object_get(part, "limit") || json_object_get(part, "quota") ||
			       json_object_get(part, "ct count")
		       ? MAYBE
		       : YES;
}

static bool is_stop(json_t *expression)
{
	return json_object_get(expression, "drop") || json_object_get(expression, "reject") ||
	       is(text_of(json_object_get(expression, "xt"), "name"), "REJECT");
}

static enum outcome walk_chain(const struct walk *walk, const char *name, unsigned int depth);

/* A verdict of a rule whose conditions hold, or may. */
static enum outcome verdict(const struct walk *walk, json_t *expression, enum answer conditions,
			    unsigned int depth, bool *ends)
{
	json_t *jump = json_object_get(expression, "jump");
	json_t *way = jump ? jump : json_object_get(expression, "goto");
	enum outcome outcome = GOES_ON;

	if (json_object_get(expression, "accept"))
		return PASSES;
	if (is_stop(expression))
		return conditions == YES ? STOPS : GOES_ON;
	if (way && depth < DEPTH_MAX)
		outcome = walk_chain(walk, text_of(way, "target"), depth + 1);
	if (conditions == YES && (json_object_get(expression, "return") || (way && !jump)))
		*ends = true;
	return outcome == STOPS && conditions != YES ? GOES_ON : outcome;
}

/* A map of verdicts. One that has a name is listed without what is in it. */
static enum outcome walk_map(const struct walk *walk, json_t *map, unsigned int depth)
{
	json_t *element, *data = json_object_get(json_object_get(map, "data"), "set");
	compare_function *compare = comparison(walk, json_object_get(map, "key"));
	enum outcome outcome = GOES_ON;
	bool ends;
	size_t i;

	if (!compare)
		return GOES_ON;
	if (!json_is_array(data))
		return PASSES;
	json_array_foreach(data, i, element) {
		enum answer answer = matches(walk, json_array_get(element, 0), compare);

		if (answer != NO && outcome == GOES_ON)
			outcome = verdict(walk, json_array_get(element, 1), answer, depth, &ends);
	}
	return outcome;
}

/* ends: is set when the packet leaves the rule's chain by it. */
static enum outcome walk_rule(const struct walk *walk, json_t *rule, unsigned int depth, bool *ends)
{
	enum answer conditions = YES;
	json_t *part;
	size_t i;

	json_array_foreach(json_object_get(rule, "expr"), i, part) {
		json_t *map = json_object_get(part, "vmap");
		enum answer answer = condition(walk, rule, part);
		enum outcome outcome;

		if (answer == NO)
			return GOES_ON;
		if (answer < conditions)
			conditions = answer;
		outcome = map ? walk_map(walk, map, depth)
			      : verdict(walk, part, conditions, depth, ends);
		if (outcome == PASSES || (outcome == STOPS && conditions == YES))
			return outcome;
	}
	return GOES_ON;
}

static enum outcome walk_chain(const struct walk *walk, const char *name, unsigned int depth)
{
	enum outcome outcome = GOES_ON;
	bool ends = false;
	json_t *item;
	size_t i;

	json_array_foreach(walk->list, i, item) {
		json_t *rule = ruleset_rule(item, walk->chain);

		if (outcome == GOES_ON && !ends && name && ruleset_rule_is_in(rule, name))
			outcome = walk_rule(walk, rule, depth, &ends);
	}
	return outcome;
}

bool passage_is_stopped(json_t *list, const struct base_chain *chain, const struct passing *passing)
{
	const struct walk walk = { list, chain, passing };
	const char *other = passing->family == AF_INET ? "ip6" : "ip";
	enum outcome outcome;

	if (is(chain->family, other))
		return false;
	outcome = walk_chain(&walk, chain->name, 0);
	return outcome == STOPS || (outcome == GOES_ON && is(chain->policy, "drop"));
}
