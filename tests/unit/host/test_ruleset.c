/* SPDX-License-Identifier: Apache-2.0 */
/* Where chains stop what their rules are not about, from lists as nftables writes them. */
#include "tests/unit/test.h"

#include "host/ruleset.h"

#define BASE_CHAIN(table, name, type, hook, policy)                                             \
	"{\"chain\": {\"family\": \"inet\", \"table\": \"" table "\", \"name\": \"" name "\", " \
	"\"type\": \"" type "\", \"hook\": \"" hook "\", \"prio\": 0, \"policy\": \"" policy    \
	"\"}}"
#define CHAIN(name, policy) BASE_CHAIN("t", name, "filter", "forward", policy)
#define RULE(chain, handle, expressions)                                                 \
	"{\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"" chain "\", " \
	"\"handle\": " handle ", \"expr\": [" expressions "]}}"
#define JUMP(target) "{\"counter\": null}, {\"jump\": {\"target\": \"" target "\"}}"
#define FROM(interface)                                                                          \
	"{\"match\": {\"op\": \"==\", \"left\": {\"meta\": {\"key\": \"iifname\"}}, \"right\": " \
	"\"" interface "\"}}"
#define ACCEPT "{\"accept\": null}"
#define DROP "{\"drop\": null}"

/* The rule's handle that ends the first chain of a list; 0: its own end, -1: it does not stop. */
static int end_of(const char *text)
{
	json_t *list = json_loads(text, 0, NULL);
	struct base_chain chain;
	struct chain_end end;
	int handle = -1;

	assert_non_null(list);
	assert_int_equal(ruleset_chain(json_array_get(list, 0), &chain), 0);
	end = ruleset_chain_end(list, &chain);
	if (end.stops)
		handle = (int)json_integer_value(json_object_get(end.rule, "handle"));
	json_decref(list);
	return handle;
}

static void test_end(void **state)
{
	(void)state;
	assert_int_equal(end_of("[" CHAIN("c", "accept") "]"), -1);
	assert_int_equal(end_of("[" CHAIN("c", "drop") "]"), 0);
	assert_int_equal(
		end_of("[" CHAIN("c", "accept") "," RULE("c", "7", FROM("eth0") "," DROP) "]"), -1);
	assert_int_equal(end_of("[" CHAIN("c", "drop") "," RULE(
				 "c", "7", FROM("eth0") "," DROP) "," RULE("c", "8", DROP) "]"),
			 8);
	assert_int_equal(
		end_of("[" CHAIN("c", "drop") "," RULE("c", "7", FROM("eth0") "," ACCEPT) "]"), 0);
	assert_int_equal(end_of("[" CHAIN("c", "drop") "," RULE("c", "7", ACCEPT) "," RULE(
				 "c", "8", DROP) "]"),
			 -1);
}

static void test_end_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(end_of("[" CHAIN("c", "accept") "," RULE("c", "7", JUMP("d")) "," RULE(
				 "d", "8", JUMP("e")) "," RULE("e", "9", DROP) "]"),
			 7);
	/* Chains that lead to each other have an end, too. */
	assert_int_equal(end_of("[" CHAIN("c", "accept") "," RULE("c", "7", JUMP("d")) "," RULE(
				 "d", "8", JUMP("c")) "]"),
			 -1);
	assert_int_equal(
		end_of("[" CHAIN("c", "drop") "," RULE("c", "7", JUMP("ufw-after-forward")) "]"),
		7);
	assert_int_equal(end_of("[" BASE_CHAIN("t", "c", "filter", "output", "drop") "," RULE(
				 "c", "7", JUMP("ufw-after-output")) "]"),
			 7);
	/* What ufw stops before that nobody else lets pass; the way out is closed by it. */
	assert_int_equal(
		end_of("[" CHAIN("c", "drop") "," RULE("c", "7", JUMP("ufw-before-forward")) "," RULE(
			"c", "8", JUMP("ufw-after-forward")) "," RULE("ufw-before-forward", "9",
								      DROP) "]"),
		8);
	assert_int_equal(
		end_of("[" BASE_CHAIN("t", "c", "filter", "output", "accept") "," RULE(
			"c", "7",
			JUMP("ufw-before-output")) "," RULE("c", "8",
							    JUMP("ufw-after-output")) "," RULE("ufw-before-output",
											       "9",
											       DROP) "]"),
		7);
	/* It may send some of them back before. */
	assert_int_equal(end_of("[" CHAIN("c", "drop") "," RULE("c", "7", JUMP("d")) "," RULE(
				 "d", "8", ACCEPT) "]"),
			 0);
}

/* Whether the table of the first chain closes the host's own way out. */
static bool closes(const char *text)
{
	json_t *list = json_loads(text, 0, NULL);
	struct base_chain chain;
	bool result;

	assert_non_null(list);
	assert_int_equal(ruleset_chain(json_array_get(list, 0), &chain), 0);
	result = ruleset_closes_host(list, &chain);
	json_decref(list);
	return result;
}

static void test_closes_host(void **state)
{
	(void)state;
	assert_false(closes("[" CHAIN("f", "drop") "]"));
	assert_true(closes(
		"[" CHAIN("f", "drop") "," BASE_CHAIN("t", "o", "filter", "output", "drop") "]"));
	assert_true(closes(
		"[" CHAIN("f", "drop") "," BASE_CHAIN("t", "o", "route", "output", "drop") "]"));
	assert_false(closes(
		"[" CHAIN("f", "drop") "," BASE_CHAIN("u", "o", "filter", "output", "drop") "]"));
	assert_false(closes(
		"[" CHAIN("f", "drop") "," BASE_CHAIN("t", "i", "filter", "input", "drop") "]"));
	assert_true(closes("[" CHAIN("f", "drop") "," BASE_CHAIN(
		"t", "o", "filter", "output",
		"accept") "," RULE("o", "7", JUMP("d")) "," RULE("d", "8", DROP) "]"));
	assert_false(closes("[" CHAIN("f", "drop") "," BASE_CHAIN(
		"t", "o", "filter", "output", "accept") "," RULE("o", "7",
								 FROM("eth0") "," DROP) "]"));
}

static bool names(const char *rules, const char *bridge)
{
	json_t *list = json_loads(rules, 0, NULL);
	struct base_chain chain;
	bool result;

	assert_non_null(list);
	assert_int_equal(ruleset_chain(json_array_get(list, 0), &chain), 0);
	result = ruleset_names_interface(list, &chain, bridge, false);
	json_decref(list);
	return result;
}

static void test_names(void **state)
{
	static const char one[] =
		"[" CHAIN("c", "drop") "," RULE("c", "7", FROM("vmb-lab") "," ACCEPT) "]";
	static const char all[] = "[" CHAIN("c", "drop") "," RULE("c", "7", JUMP("d")) "," RULE(
		"d", "8", FROM("vmb-*") "," ACCEPT) "]";
	static const char denied[] =
		"[" CHAIN("c", "drop") "," RULE("c", "7", FROM("vmb-lab") "," DROP) "]";

	(void)state;
	assert_true(names(one, "vmb-lab"));
	assert_false(names(one, "vmb-lab2"));
	assert_true(names(all, "vmb-lab"));
	assert_false(names(all, "vmc-lab"));
	assert_true(names("[" CHAIN("c", "drop") "," RULE("c", "7", FROM("tun*") "," ACCEPT) "]",
			  "tun0"));
	assert_false(names(denied, "vmb-lab"));
}

static void test_other_chains(void **state)
{
	static const char *const items[] = {
		"{\"rule\": {}}",
		"{\"chain\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"plain\"}}",
		"{\"chain\": {\"family\": \"inet\", \"table\": \"vmnet-broker-lab\", \"name\": \"c\", "
		"\"type\": \"filter\", \"hook\": \"input\"}}",
		"{\"chain\": {\"family\": \"inet\", \"table\": \"vmnet-broker.networks\", "
		"\"name\": \"c\", \"type\": \"filter\", \"hook\": \"input\"}}",
		"{\"chain\": {\"family\": \"bridge\", \"table\": \"t\", \"name\": \"c\", "
		"\"type\": \"filter\", \"hook\": \"input\"}}",
		"{\"chain\": {\"family\": \"ip\", \"table\": \"t\", \"name\": \"c\", "
		"\"type\": \"nat\", \"hook\": \"input\"}}",
		BASE_CHAIN("t", "c", "nat", "output", "drop"),
		BASE_CHAIN("t", "c", "filter", "postrouting", "drop"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		json_t *item = json_loads(items[i], 0, NULL);
		struct base_chain chain;

		assert_non_null(item);
		assert_int_equal(ruleset_chain(item, &chain), -1);
		json_decref(item);
	}
}

static void test_own_rules(void **state)
{
	json_t *rule = json_loads("{\"comment\": \"vmnet-broker lab\"}", 0, NULL);

	(void)state;
	assert_non_null(rule);
	assert_true(ruleset_rule_is_own(rule, NULL));
	assert_true(ruleset_rule_is_own(rule, "lab"));
	assert_false(ruleset_rule_is_own(rule, "la"));
	json_decref(rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),	     cmocka_unit_test(test_end_elsewhere),
		cmocka_unit_test(test_closes_host),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_chains), cmocka_unit_test(test_own_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
