/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnftables 1.0.6, whatever lists a table in JSON, uses the name of the
 * table's flag after it has freed it, when there is just one. Flags are therefore
 * asked for first, and such a table is listed chain by chain: the answers leave
 * the table itself out.
 */
#include "foreign_table.h"

#include <ctype.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

/* After <netinet/in.h>, or the two clash. */
#include <linux/netfilter.h>

#include "nft_query.h"
#include "nftables.h"
#include "ruleset.h"

struct question {
	const char *name;
	struct foreign_table *table;
	bool answered;
};

/* Names go into a text of commands: others may have given theirs by other means. */
static bool is_plain(const char *name)
{
	for (const char *c = name; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("_-./", *c))
			return false;
	}
	return isalpha((unsigned char)*name) || *name == '_';
}

static int family_of(const struct base_chain *chain)
{
	if (strcmp(chain->family, "inet") == 0)
		return NFPROTO_INET;
	return strcmp(chain->family, "ip") == 0 ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static int put_name(struct nl_msg *message, void *userdata)
{
	const struct question *question = userdata;

	return nla_put_string(message, NFTA_TABLE_NAME, question->name);
}

static uint32_t get_number(const struct nlmsghdr *message, int attribute)
{
	const struct nlattr *found =
		nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct nfgenmsg), attribute);

	return found && nla_len(found) == (int)sizeof(uint32_t) ? be32toh(nla_get_u32(found)) : 0;
}

static void on_table(const struct nlmsghdr *message, void *userdata)
{
	struct question *question = userdata;

	question->table->flags = get_number(message, NFTA_TABLE_FLAGS);
	question->table->owner = get_number(message, NFTA_TABLE_OWNER);
	question->answered = true;
}

int foreign_table_get(const struct base_chain *chain, struct foreign_table *table)
{
	static struct nl_sock *socket;
	struct question question = { chain->table, table, false };

	if (!is_plain(chain->table) || !is_plain(chain->name))
		return -1;
	nft_query(&(struct nft_query){
		.socket = &socket,
		.type = NFT_MSG_GETTABLE,
		.family = family_of(chain),
		.put = put_name,
		.each = on_table,
		.userdata = &question,
	});
	return question.answered && !(table->flags & NFT_TABLE_F_DORMANT) ? 0 : -1;
}

/* Adds what a list command answers to items. Returns 0, or -1 when there is no answer. */
static int add_listing(json_t *items, const char *command)
{
	json_t *listing = nftables_list(command);
	int result = json_array_extend(items, json_object_get(listing, "nftables"));

	json_decref(listing);
	return result;
}

static int add_chain(json_t *items, const struct base_chain *like, json_t *chain)
{
	const char *family, *table, *name;
	char command[640];

	if (json_unpack(chain, "{s:s, s:s, s:s}", "family", &family, "table", &table, "name",
			&name) < 0 ||
	    strcmp(family, like->family) != 0 || strcmp(table, like->table) != 0 ||
	    !is_plain(name) ||
	    snprintf(command, sizeof(command), "list chain %s %s %s", family, table, name) >=
		    (int)sizeof(command))
		return 0;
	return add_listing(items, command);
}

json_t *foreign_table_list(const struct base_chain *chain, const struct foreign_table *table,
			   json_t *chains)
{
	bool has_one_flag = table->flags && !(table->flags & (table->flags - 1));
	json_t *items = json_array();
	char command[320];
	int result = 0;
	json_t *item;
	size_t i;

	if (has_one_flag) {
		json_array_foreach(chains, i, item)
			if (result == 0)
				result = add_chain(items, chain, json_object_get(item, "chain"));
	} else if (snprintf(command, sizeof(command), "list table %s %s", chain->family,
			    chain->table) < (int)sizeof(command)) {
		result = add_listing(items, command);
	}
	if (result == 0)
		return items;
	json_decref(items);
	return NULL;
}
