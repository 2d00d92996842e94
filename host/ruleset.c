/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which chains stop packets. What all rules together do cannot be told by looking at them: taken
 * as a stop is a policy of drop, and a rule without a condition that drops, rejects, or
 * leads to a chain with such a rule, unless the chain itself accepts everything before. One
 * rule that names an interface, and does not itself drop or reject, is taken as knowing what
 * to do with it.
 */
#include "ruleset.h"

#include <string.h>

#include "names.h"

/* What a look at a table works with. */
struct look {
	json_t *list;
	const struct base_chain *chain;
	const char *interface;
	bool with_own;
	json_t *visited; /* names of chains that were looked at */
};

static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool is(const char *text, const char *expected)
{
	return text && strcmp(text, expected) == 0;
}

/* Chains of the type "route" may drop as well, and at least one VPN's do. */
static bool filters(const char *hook, const char *type)
{
	if (is(hook, "output"))
		return is(type, "filter") || is(type, "route");
	return (is(hook, "input") || is(hook, "forward")) && is(type, "filter");
}

bool ruleset_table_is_own(const char *table)
{
	return is(table, FIREWALL_GUARD_TABLE) || is(table, FIREWALL_TABLE) ||
	       strncmp(table, FIREWALL_OLD_TABLE_PREFIX, strlen(FIREWALL_OLD_TABLE_PREFIX)) == 0;
}

int ruleset_chain(json_t *item, struct base_chain *chain)
{
	json_t *object = json_object_get(item, "chain");

	*chain = (struct base_chain){
		.family = text_of(object, "family"),
		.table = text_of(object, "table"),
		.name = text_of(object, "name"),
		.hook = text_of(object, "hook"),
		.policy = text_of(object, "policy"),
	};
	if (!chain->table || !chain->name || !filters(chain->hook, text_of(object, "type")))
		return -1;
	if (!is(chain->family, "ip") && !is(chain->family, "ip6") && !is(chain->family, "inet"))
		return -1;
	return ruleset_table_is_own(chain->table) ? -1 : 0;
}

json_t *ruleset_rule(json_t *item, const struct base_chain *chain)
{
	json_t *rule = json_object_get(item, "rule");

	return is(text_of(rule, "family"), chain->family) &&
			       is(text_of(rule, "table"), chain->table)
		       ? rule
		       : NULL;
}

bool ruleset_rule_is_in(json_t *rule, const char *chain)
{
	return is(text_of(rule, "chain"), chain);
}

bool ruleset_rule_is_own(json_t *rule, const char *network)
{
	const char *comment = text_of(rule, "comment");

	if (!comment || strncmp(comment, RULESET_COMMENT, strlen(RULESET_COMMENT)) != 0)
		return false;
	return !network || strcmp(comment + strlen(RULESET_COMMENT), network) == 0;
}

/* Each chain is looked at once. */
static bool visit(struct look *look, const char *name)
{
	return !json_object_get(look->visited, name) &&
	       json_object_set_new(look->visited, name, json_true()) == 0;
}

/* Where a rule leads, or NULL. */
static const char *target_of(json_t *expression)
{
	json_t *jump = json_object_get(expression, "jump");

	return text_of(jump ? jump : json_object_get(expression, "goto"), "target");
}

static bool is_condition(json_t *expression)
{
	return json_object_get(expression, "match") || json_object_get(expression, "limit") ||
	       json_object_get(expression, "vmap") || json_object_get(expression, "quota") ||
	       json_object_get(expression, "ct count") ||
	       is(text_of(json_object_get(expression, "xt"), "type"), "match");
}

static bool is_stop(json_t *expression)
{
	return json_object_get(expression, "drop") || json_object_get(expression, "reject") ||
	       is(text_of(json_object_get(expression, "xt"), "name"), "REJECT");
}

static bool drops(json_t *rule)
{
	json_t *expressions = json_object_get(rule, "expr");
	json_t *expression;
	size_t i;

	json_array_foreach(expressions, i, expression) {
		if (is_stop(expression))
			return true;
	}
	return false;
}

static bool is_name_of(const char *text, const char *interface)
{
	size_t length = strlen(text);

	if (length > 1 && text[length - 1] == '*')
		return strncmp(text, interface, length - 1) == 0;
	return strcmp(text, interface) == 0;
}

static bool chain_names_interface(struct look *look, const char *name);

/* Whether a part of a rule names the interface, or leads to a rule that does. */
static bool part_names_interface(struct look *look, json_t *part)
{
	const char *text = json_string_value(part);
	const char *key;
	json_t *inner;
	size_t i;

	if (text)
		return is_name_of(text, look->interface);
	json_array_foreach(part, i, inner) {
		if (part_names_interface(look, inner))
			return true;
	}
	json_object_foreach(part, key, inner) {
		const char *target = text_of(inner, "target");

		if ((target && chain_names_interface(look, target)) ||
		    part_names_interface(look, inner))
			return true;
	}
	return false;
}

static bool chain_names_interface(struct look *look, const char *name)
{
	json_t *item;
	size_t i;

	if (!visit(look, name))
		return false;
	json_array_foreach(look->list, i, item) {
		json_t *rule = ruleset_rule(item, look->chain);

		if (ruleset_rule_is_in(rule, name) &&
		    (look->with_own || !ruleset_rule_is_own(rule, NULL)) && !drops(rule) &&
		    part_names_interface(look, json_object_get(rule, "expr")))
			return true;
	}
	return false;
}

bool ruleset_names_interface(json_t *list, const struct base_chain *chain, const char *interface,
			     bool with_own)
{
	struct look look = { list, chain, interface, with_own, json_object() };
	bool names = chain_names_interface(&look, chain->name);

	json_decref(look.visited);
	return names;
}

/* One of ufw's own chains, by what is in its name. */
static bool is_of_ufw(const char *target, const char *part)
{
	return target && strncmp(target, "ufw", strlen("ufw")) == 0 && strstr(target, part);
}

static json_t *find_stop(struct look *look, const char *name);

/*
 * Before its last look ufw stops what somebody has denied, and what is for
 * another host: the rule for that ends a chain which all else has left before.
 */
static bool target_stops(struct look *look, const char *target)
{
	if (is_of_ufw(target, "-before-") && !is(look->chain->hook, "output"))
		return false;
	return target && find_stop(look, target);
}

static bool rule_stops(struct look *look, json_t *rule)
{
	json_t *expressions = json_object_get(rule, "expr");
	json_t *expression;
	size_t i;

	json_array_foreach(expressions, i, expression) {
		if (is_condition(expression))
			return false;
		if (is_stop(expression) || target_stops(look, target_of(expression)))
			return true;
	}
	return false;
}

/* The first rule of a chain that stops whatever comes to it, or NULL. */
static json_t *find_stop(struct look *look, const char *name)
{
	json_t *item;
	size_t i;

	if (!visit(look, name))
		return NULL;
	json_array_foreach(look->list, i, item) {
		json_t *rule = ruleset_rule(item, look->chain);

		if (ruleset_rule_is_in(rule, name) && rule_stops(look, rule))
			return rule;
	}
	return NULL;
}

static bool accepts_everything(json_t *rule)
{
	json_t *expressions = json_object_get(rule, "expr");
	json_t *expression;
	size_t i;

	json_array_foreach(expressions, i, expression) {
		if (is_condition(expression))
			return false;
		if (json_object_get(expression, "accept"))
			return true;
	}
	return false;
}

/*
 * The jump to where ufw has a last look at what its rules were not about: there
 * it leaves requests for addresses to its policy, so that it does not log them.
 */
static bool is_last_look(json_t *rule)
{
	json_t *expressions = json_object_get(rule, "expr");
	json_t *expression;
	size_t i;

	json_array_foreach(expressions, i, expression) {
		const char *target = target_of(expression);

		if (is_of_ufw(target, "-after-input") || is_of_ufw(target, "-after-output") ||
		    is_of_ufw(target, "-after-forward"))
			return true;
	}
	return false;
}

struct chain_end ruleset_chain_end(json_t *list, const struct base_chain *chain)
{
	struct look look = { .list = list, .chain = chain, .visited = json_object() };
	json_t *stop = find_stop(&look, chain->name);
	struct chain_end end = { .stops = stop || is(chain->policy, "drop"), .rule = stop };
	json_t *item;
	size_t i;

	json_decref(look.visited);
	json_array_foreach(list, i, item) {
		json_t *rule = ruleset_rule(item, chain);

		if (!ruleset_rule_is_in(rule, chain->name))
			continue;
		if (rule == stop)
			break;
		if (accepts_everything(rule)) {
			end.stops = false;
			break;
		}
		if (is_last_look(rule)) {
			end.rule = rule;
			break;
		}
	}
	return end;
}

bool ruleset_closes_host(json_t *list, const struct base_chain *like)
{
	struct base_chain chain;
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (ruleset_chain(item, &chain) == 0 && is(chain.hook, "output") &&
		    is(chain.family, like->family) && is(chain.table, like->table) &&
		    ruleset_chain_end(list, &chain).stops)
			return true;
	}
	return false;
}
