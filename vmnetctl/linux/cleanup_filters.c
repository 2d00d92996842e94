/* SPDX-License-Identifier: Apache-2.0 */
/* Packet filters: tables of the broker's go whole, of others' chains only the broker's rules. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memstream.h"
#include "cleanup.h"
#include "host/foreign_table.h"
#include "host/nftables.h"
#include "host/ruleset.h"
#include "vmnetctl/text.h"

/* text: the commands; taken over. Has what nftables said of them told as they come to an end. */
static void run(char *text)
{
	struct error error = { 0 };
	int result = nftables_run(text, &error);

	if (result < 0 && error.reason[0] != '\0')
		complain("nftables: %s", error.reason);
	cleanup_end(result < 0 ? -EIO : 0);
}

static void remove_own_rules(json_t *list, const struct base_chain *chain)
{
	size_t n = 0, i, size;
	char *text;
	FILE *file = open_memstream(&text, &size);
	json_t *item;

	if (!file) {
		cleanup_blind("rules", -ENOMEM);
		return;
	}
	json_array_foreach(list, i, item) {
		json_t *rule = ruleset_rule(item, chain);

		if (!ruleset_rule_is_in(rule, chain->name) || !ruleset_rule_is_own(rule, NULL))
			continue;
		n++;
		(void)fprintf(file, "delete rule %s %s %s handle %" JSON_INTEGER_FORMAT "\n",
			      chain->family, chain->table, chain->name,
			      json_integer_value(json_object_get(rule, "handle")));
	}
	text = memstream_close(file, &text);
	if (n && cleanup_begin("%zu rules in chain %s %s %s", n, chain->family, chain->table,
			       chain->name))
		run(text);
	else
		free(text);
}

static void remove_rules(void)
{
	struct foreign_tables tables;
	struct base_chain chain;
	struct foreign_table table;
	json_t *item;
	size_t i;
	int result = foreign_tables_open(&tables);

	if (result < 0) {
		cleanup_blind("rules in other programs' packet filters", result);
		return;
	}
	json_array_foreach(tables.chains, i, item) {
		json_t *list = NULL;

		if (ruleset_chain(item, &chain) == 0 && foreign_table_get(&chain, &table) == 0)
			list = foreign_table_list(&tables, &chain, &table);
		if (list)
			remove_own_rules(list, &chain);
		json_decref(list);
	}
	foreign_tables_close(&tables);
}

static void remove_table(json_t *item)
{
	const char *family, *name;
	char *text;

	if (json_unpack(item, "{s:{s:s, s:s}}", "table", "family", &family, "name", &name) < 0 ||
	    !ruleset_table_is_own(name) || !cleanup_begin("table %s %s", family, name))
		return;
	if (asprintf(&text, "delete table %s %s\n", family, name) < 0)
		text = NULL;
	run(text);
}

static void remove_tables(void)
{
	json_t *listing = nftables_list("list tables");
	json_t *item;
	size_t i;

	if (!listing)
		cleanup_blind("tables of nftables", -errno);
	json_array_foreach(json_object_get(listing, "nftables"), i, item) {
		remove_table(item);
	}
	json_decref(listing);
}

void cleanup_filters(void)
{
	int result = nftables_start(NULL, NULL);

	if (result < 0) {
		cleanup_blind("packet filters", result);
		return;
	}
	remove_rules();
	remove_tables();
	nftables_stop();
}
