/* SPDX-License-Identifier: Apache-2.0 */
/* What of VXLAN's packets chains stop, by lists as nftables writes them. */
#include "tests/unit/test.h"

#include <sys/socket.h>

#include "host/passage.h"

#define CHAIN(hook, policy)                                                                \
	"{\"chain\": {\"family\": \"inet\", \"table\": \"t\", \"name\": \"c\", \"type\": " \
	"\"filter\", \"hook\": \"" hook "\", \"prio\": 0, \"policy\": \"" policy "\"}}"
#define RULE_OF(chain, expressions)                                                        \
	", {\"rule\": {\"family\": \"inet\", \"table\": \"t\", \"chain\": \"" chain "\", " \
	"\"handle\": 7, \"expr\": [" expressions "]}}"
#define RULE(expressions) RULE_OF("c", expressions)
#define MATCH(left, op, right) \
	"{\"match\": {\"op\": \"" op "\", \"left\": " left ", \"right\": " right "}}, "
#define PAYLOAD(protocol, field) \
	"{\"payload\": {\"protocol\": \"" protocol "\", \"field\": \"" field "\"}}"
#define META(key) "{\"meta\": {\"key\": \"" key "\"}}"
#define CT(key) "{\"ct\": {\"key\": \"" key "\"}}"
#define MODULE(name) "{\"xt\": {\"type\": \"match\", \"name\": \"" name "\"}}, "
#define PORT(right) MATCH(PAYLOAD("udp", "dport"), "==", right)
#define SOURCE(right) MATCH(PAYLOAD("ip", "saddr"), "==", right)
#define FROM(right) MATCH(META("iifname"), "==", right)
#define ACCEPT "{\"counter\": null}, {\"accept\": null}"
#define DROP "{\"drop\": null}"
#define JUMP "{\"jump\": {\"target\": \"d\"}}"

static const struct passing from_b = { AF_INET, "192.0.2.2", "eth1", 4789 };
static const struct passing ipv6 = { AF_INET6, "2001:db8:f::2", "eth1", 4789 };

static bool stops(const char *hook_and_rules, const struct passing *passing)
{
	char text[4096];
	struct base_chain chain;
	json_t *list;
	bool stopped;

	assert_in_range(snprintf(text, sizeof(text), "[%s]", hook_and_rules), 1, sizeof(text) - 1);
	list = json_loads(text, 0, NULL);
	assert_non_null(list);
	assert_int_equal(ruleset_chain(json_array_get(list, 0), &chain), 0);
	stopped = passage_is_stopped(list, &chain, passing);
	json_decref(list);
	return stopped;
}

/* Behind these rules of a chain for what comes in, all is dropped: whether they let it pass. */
#define ASSERT_PASSES(rules) assert_false(stops(CHAIN("input", "drop") rules, &from_b))
#define ASSERT_IGNORED(rules)                                                 \
	do {                                                                  \
		assert_true(stops(CHAIN("input", "drop") rules, &from_b));    \
		assert_false(stops(CHAIN("input", "accept") rules, &from_b)); \
	} while (0)
#define ASSERT_STOPS(rules) assert_true(stops(CHAIN("input", "accept") rules RULE(ACCEPT), &from_b))

static void test_ports(void **state)
{
	(void)state;
	ASSERT_IGNORED("");
	ASSERT_PASSES(RULE(ACCEPT));
	ASSERT_PASSES(RULE(PORT("4789") ACCEPT));
	ASSERT_IGNORED(RULE(PORT("53") ACCEPT));
	ASSERT_PASSES(RULE(PORT("{\"set\": [53, 4789]}") ACCEPT));
	ASSERT_PASSES(RULE(PORT("{\"set\": [53, {\"range\": [4000, 5000]}]}") ACCEPT));
	ASSERT_IGNORED(RULE(PORT("{\"range\": [4790, 5000]}") ACCEPT));
	ASSERT_PASSES(RULE(MATCH(PAYLOAD("udp", "dport"), "!=", "53") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(PAYLOAD("udp", "dport"), "!=", "4789") ACCEPT));
	ASSERT_PASSES(RULE(MATCH(META("l4proto"), "==", "{\"set\": [\"tcp\", \"udp\"]}")
				   MATCH(PAYLOAD("th", "dport"), "==", "4789") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(PAYLOAD("tcp", "dport"), "==", "4789") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(PAYLOAD("icmp", "type"), "==", "\"echo-request\"") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(PAYLOAD("ip", "protocol"), "==", "\"icmp\"") ACCEPT));
	ASSERT_STOPS(RULE(PORT("4789") DROP));
	ASSERT_STOPS(RULE(PORT("4789") "{\"reject\": null}"));
	ASSERT_PASSES(RULE(PORT("53") DROP) RULE(PORT("4789") ACCEPT) RULE(PORT("4789") DROP));
}

static void test_whence(void **state)
{
	(void)state;
	ASSERT_PASSES(RULE(FROM("\"eth1\"") ACCEPT));
	ASSERT_PASSES(RULE(FROM("\"eth*\"") ACCEPT));
	ASSERT_IGNORED(RULE(FROM("\"eth0\"") ACCEPT));
	ASSERT_IGNORED(RULE(FROM("\"wg*\"") ACCEPT));
	ASSERT_PASSES(RULE(FROM("{\"set\": [\"eth0\", \"eth1\"]}") ACCEPT));
	ASSERT_PASSES(RULE(SOURCE("\"192.0.2.2\"") ACCEPT));
	ASSERT_IGNORED(RULE(SOURCE("\"192.0.2.3\"") ACCEPT));
	ASSERT_PASSES(RULE(SOURCE("{\"prefix\": {\"addr\": \"192.0.0.0\", \"len\": 22}}") ACCEPT));
	ASSERT_IGNORED(RULE(SOURCE("{\"prefix\": {\"addr\": \"192.0.4.0\", \"len\": 22}}") ACCEPT));
	ASSERT_STOPS(RULE(SOURCE("\"192.0.2.2\"") DROP));
	ASSERT_IGNORED(RULE(MATCH(META("nfproto"), "==", "\"ipv6\"") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(META("pkttype"), "==", "\"multicast\"") DROP));
	ASSERT_IGNORED(RULE(MATCH(PAYLOAD("ip6", "saddr"), "==", "\"2001:db8:f::2\"") ACCEPT));
	assert_false(stops(CHAIN("input", "drop") RULE(MATCH(PAYLOAD("ip6", "saddr"),
							     "==", "\"2001:db8:f::2\"") ACCEPT),
			   &ipv6));
	assert_true(stops(CHAIN("input", "drop") RULE(SOURCE("\"192.0.2.2\"") ACCEPT), &ipv6));
}

/* What cannot be told lets pass what it accepts, and stops nothing. */
static void test_unknown(void **state)
{
	(void)state;
	ASSERT_PASSES(RULE(SOURCE("\"@friends\"") ACCEPT));
	ASSERT_IGNORED(RULE(SOURCE("\"@enemies\"") DROP));
	ASSERT_PASSES(RULE("{\"limit\": {\"rate\": 10, \"per\": \"second\"}}, " ACCEPT));
	ASSERT_IGNORED(RULE("{\"limit\": {\"rate\": 10, \"per\": \"second\"}}, " DROP));
	ASSERT_PASSES(RULE(MODULE("multiport") ACCEPT));
	ASSERT_IGNORED(RULE(MODULE("multiport") DROP));
}

static void test_states(void **state)
{
	(void)state;
	ASSERT_IGNORED(RULE(MATCH(CT("state"), "in", "[\"established\", \"related\"]") ACCEPT));
	ASSERT_IGNORED(RULE(MATCH(CT("state"), "in", "\"invalid\"") DROP));
	ASSERT_PASSES(RULE(MATCH(CT("state"), "in", "[\"new\", \"established\"]") ACCEPT));
	ASSERT_IGNORED(RULE(MODULE("conntrack") ACCEPT));
	ASSERT_PASSES(RULE(MODULE("conntrack") PORT("4789") ACCEPT));
	ASSERT_IGNORED(RULE(MODULE("state") PORT("22") ACCEPT));
}

static void test_other_chains(void **state)
{
	(void)state;
	ASSERT_PASSES(RULE(JUMP) RULE_OF("d", ACCEPT));
	ASSERT_STOPS(RULE(JUMP) RULE_OF("d", DROP));
	ASSERT_IGNORED(RULE(FROM("\"eth0\"") JUMP) RULE_OF("d", ACCEPT));
	ASSERT_IGNORED(RULE(SOURCE("\"@enemies\"") JUMP) RULE_OF("d", DROP));
	ASSERT_PASSES(RULE(JUMP) RULE_OF("d", "{\"return\": null}") RULE_OF("d", DROP)
			      RULE(ACCEPT));
	ASSERT_IGNORED(RULE("{\"goto\": {\"target\": \"d\"}}") RULE(ACCEPT) RULE_OF("d", JUMP));
	ASSERT_PASSES(RULE("{\"vmap\": {\"key\": " PAYLOAD(
		"udp", "dport") ", \"data\": {\"set\": [[53, " DROP "], [4789, {\"accept\": "
				"null}]]}}}"));
	ASSERT_STOPS(RULE("{\"vmap\": {\"key\": " META(
		"iifname") ", \"data\": {\"set\": [[\"eth0\", {\"accept\": null}], [\"eth1\", " JUMP
			   "]]}}}") RULE_OF("d", DROP));
	/* Chains that lead to each other have an end, too. */
	ASSERT_IGNORED(RULE(JUMP) RULE_OF("d", JUMP));
}

static void test_output(void **state)
{
	(void)state;
	assert_false(stops(CHAIN("output", "drop") RULE(
				   MATCH(PAYLOAD("ip", "daddr"), "==", "\"192.0.2.2\"") ACCEPT),
			   &from_b));
	assert_true(stops(CHAIN("output", "drop")
				  RULE(MATCH(PAYLOAD("ip", "daddr"), "==", "\"192.0.2.3\"") ACCEPT),
			  &from_b));
	assert_false(stops(CHAIN("output", "drop")
				   RULE(MATCH(META("oifname"), "==", "\"eth1\"") ACCEPT),
			   &from_b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_whence),
		cmocka_unit_test(test_unknown),	     cmocka_unit_test(test_states),
		cmocka_unit_test(test_other_chains), cmocka_unit_test(test_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
