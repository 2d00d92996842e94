/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other programs' packet filters do with packets that none of their rules are about, by
 * what nftables lists of them in JSON. Reads only; objects that are returned belong to the list.
 */
#ifndef VMNET_HOST_RULESET_H
#define VMNET_HOST_RULESET_H

#include <jansson.h>
#include <stdbool.h>

/* How the comment of each of our rules in others' chains starts; the network's name follows. */
#define RULESET_COMMENT "vmnet-broker "

/* A base chain; strings are borrowed from the list. */
struct base_chain {
	const char *family;
	const char *table;
	const char *name;
	const char *hook;
	const char *policy; /* NULL: none was listed */
};

/* Where a chain stops what none of its rules are about. */
struct chain_end {
	bool stops;
	json_t *rule; /* what comes before this rule is not stopped by it; NULL: the chain's end */
};

/* Whether a table of that name is the broker's, or an older one's. */
bool ruleset_table_is_own(const char *table);

/*
 * The chain that an item of a list is. Returns 0, or -1 when it is anything
 * else than another program's chain that filters packets for the host
 * ("input"), from it ("output") or through it ("forward").
 */
int ruleset_chain(json_t *item, struct base_chain *chain);

/* The rule of the chain's table that an item of a list is, or NULL. */
json_t *ruleset_rule(json_t *item, const struct base_chain *chain);

/* Whether the rule is in the chain of that name. */
bool ruleset_rule_is_in(json_t *rule, const char *chain);

/*
 * Whether packets on their way through the chain meet a rule that names the
 * interface, or interfaces like it. with_own: ours count, too.
 */
bool ruleset_names_interface(json_t *list, const struct base_chain *chain, const char *interface,
			     bool with_own);

/* A rule that the broker has put into another program's chain; network NULL: whichever it is of. */
bool ruleset_rule_is_own(json_t *rule, const char *network);

struct chain_end ruleset_chain_end(json_t *list, const struct base_chain *chain);

/*
 * Whether the table of a chain closes the host's own way out, too, but for what its rules
 * let pass: a chain of it stops what the host sends. So do a VPN's, as a kill switch.
 */
bool ruleset_closes_host(json_t *list, const struct base_chain *like);

#endif
