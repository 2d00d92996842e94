/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How tables are listed depends on two things of libnftables 1.0.6:
 *
 * It reads all elements of a table's sets, whether they are to be listed or not,
 * unless a whole family is asked for: a list of addresses to block has hundreds of
 * thousands. So families are listed, each once, until something is changed.
 *
 * It uses the name of a table's flag after it has freed it, when there is just
 * one, whenever it lists the table itself in JSON. Flags are therefore asked for
 * first. Such a table is listed chain by chain, for these answers leave it out,
 * and the others of its family one by one.
 */
#include "foreign_table.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

/* After <netinet/in.h>, or the two clash. */
#include <linux/netfilter.h>

#include "base/array.h"
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

static const struct {
	const char *name;
	int number;
} families[FOREIGN_FAMILIES] = {
	{ "inet", NFPROTO_INET },
	{ "ip", NFPROTO_IPV4 },
	{ "ip6", NFPROTO_IPV6 },
};

static size_t family_of(const struct base_chain *chain)
{
	size_t family = 0;

	while (strcmp(families[family].name, chain->family) != 0)
		family++;
	return family;
}

static bool is_one_flag(uint32_t flags)
{
	return flags && !(flags & (flags - 1));
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

static struct nl_sock *query_socket; /* see nft_query.h */

int foreign_table_get(const struct base_chain *chain, struct foreign_table *table)
{
	struct question question = { chain->table, table, false };
	int result;

	if (!is_plain(chain->table) || !is_plain(chain->name))
		return -ENOENT;
	result = nft_query(&(struct nft_query){
		.socket = &query_socket,
		.type = NFT_MSG_GETTABLE,
		.family = families[family_of(chain)].number,
		.put = put_name,
		.each = on_table,
		.userdata = &question,
	});
	if (result == 0 && (!question.answered || table->flags & NFT_TABLE_F_DORMANT))
		result = -ENOENT;
	return result;
}

static void look_for_one_flag(const struct nlmsghdr *message, void *userdata)
{
	bool *found = userdata;

	*found = *found || is_one_flag(get_number(message, NFTA_TABLE_FLAGS));
}

static bool can_be_listed(size_t family)
{
	bool found = false;

	(void)nft_query(&(struct nft_query){
		.socket = &query_socket,
		.type = NFT_MSG_GETTABLE,
		.family = families[family].number,
		.all = true,
		.each = look_for_one_flag,
		.userdata = &found,
	});
	return !found;
}

/* What a list command answers, without what is around it; or NULL with errno. */
static json_t *list(const char *command)
{
	json_t *listing = nftables_list(command);
	json_t *items = json_incref(json_object_get(listing, "nftables"));

	json_decref(listing);
	return items;
}

static int add_chain(json_t *items, const struct base_chain *like, json_t *chain)
{
	const char *family, *table, *name;
	char command[640];
	json_t *listing;
	int result;

	errno = 0;
	if (json_unpack(chain, "{s:s, s:s, s:s}", "family", &family, "table", &table, "name",
			&name) < 0)
		return errno == ENOMEM ? -1 : 0;
	if (strcmp(family, like->family) != 0 || strcmp(table, like->table) != 0 ||
	    !is_plain(name) ||
	    snprintf(command, sizeof(command), "list chain %s %s %s", family, table, name) >=
		    (int)sizeof(command))
		return 0;
	listing = list(command);
	result = json_array_extend(items, listing);
	json_decref(listing);
	return result;
}

/* Those of what the kernel answers that may be others' filters, the broker's own left out. */
struct chain_listing {
	json_t *items;
	bool failed; /* memory is short */
};

/* Its name, or NULL for a chain of no hook, or of one that filters nothing for or of the host. */
static const char *hook_of(struct nlattr *hook)
{
	static const char *const names[] = {
		[NF_INET_PRE_ROUTING] = "prerouting",	[NF_INET_LOCAL_IN] = "input",
		[NF_INET_FORWARD] = "forward",		[NF_INET_LOCAL_OUT] = "output",
		[NF_INET_POST_ROUTING] = "postrouting",
	};
	struct nlattr *number =
		hook ? nla_find(nla_data(hook), nla_len(hook), NFTA_HOOK_HOOKNUM) : NULL;
	uint32_t i = number ? be32toh(nla_get_u32(number)) : UINT32_MAX;

	return i < ARRAY_SIZE(names) ? names[i] : NULL;
}

static const char *policy_of(const struct nlattr *policy)
{
	if (!policy)
		return NULL;
	return be32toh(nla_get_u32(policy)) == NF_DROP ? "drop" : "accept";
}

/* A chain without a name of its own, which nobody can ask for. */
static bool is_part_of_rule(const struct nlattr *flags)
{
	return flags && be32toh(nla_get_u32(flags)) & NFT_CHAIN_BINDING;
}

static const char *family_name(uint8_t number)
{
	for (size_t i = 0; i < FOREIGN_FAMILIES; i++)
		if (families[i].number == number)
			return families[i].name;
	return NULL;
}

static void on_chain(const struct nlmsghdr *message, void *userdata)
{
	const struct nfgenmsg *header = nlmsg_data(message);
	struct nlattr *attributes[NFTA_CHAIN_MAX + 1];
	struct chain_listing *listing = userdata;
	const char *family = family_name(header->nfgen_family);
	const char *table, *name, *type;

	if (!family ||
	    nlmsg_parse((struct nlmsghdr *)message, sizeof(*header), attributes, NFTA_CHAIN_MAX,
			NULL) < 0 ||
	    !attributes[NFTA_CHAIN_TABLE] || !attributes[NFTA_CHAIN_NAME])
		return;
	table = nla_get_string(attributes[NFTA_CHAIN_TABLE]);
	name = nla_get_string(attributes[NFTA_CHAIN_NAME]);
	type = attributes[NFTA_CHAIN_TYPE] ? nla_get_string(attributes[NFTA_CHAIN_TYPE]) : NULL;
	if (ruleset_table_is_own(table) || !is_plain(table) || !is_plain(name) ||
	    is_part_of_rule(attributes[NFTA_CHAIN_FLAGS]))
		return;
	listing->failed |=
		json_array_append_new(listing->items,
				      json_pack("{s:{s:s, s:s, s:s, s:s?, s:s?, s:s?}}", "chain",
						"family", family, "table", table, "name", name,
						"hook", hook_of(attributes[NFTA_CHAIN_HOOK]),
						"type", type, "policy",
						policy_of(attributes[NFTA_CHAIN_POLICY]))) < 0;
}

static void forget_chains(void *userdata)
{
	struct chain_listing *listing = userdata;

	json_decref(listing->items);
	*listing = (struct chain_listing){ .items = json_array() };
}

/*
 * Asked of the kernel itself: libnftables would put those of all networks into
 * words, and here they would be read again. Returns 0 or a negative errno.
 */
static int read_chains(struct chain_listing *listing)
{
	int result = nft_query(&(struct nft_query){
		.socket = &query_socket,
		.type = NFT_MSG_GETCHAIN,
		.all = true,
		.begin = forget_chains,
		.each = on_chain,
		.userdata = listing,
	});

	return listing->failed || !listing->items ? -ENOMEM : result;
}

static json_t *list_chains(const struct base_chain *like, json_t *chains)
{
	json_t *items = json_array();
	int result = 0;
	json_t *item;
	size_t i;

	json_array_foreach(chains, i, item)
		if (result == 0)
			result = add_chain(items, like, json_object_get(item, "chain"));
	if (result == 0)
		return items;
	json_decref(items);
	return NULL;
}

int foreign_tables_open(struct foreign_tables *tables)
{
	struct chain_listing listing = { 0 };
	int result = read_chains(&listing);

	*tables = (struct foreign_tables){ .chains = listing.items };
	if (result == 0)
		return 0;
	foreign_tables_close(tables);
	return result;
}

void foreign_tables_forget(struct foreign_tables *tables)
{
	for (size_t family = 0; family < FOREIGN_FAMILIES; family++) {
		json_decref(tables->listed[family]);
		tables->listed[family] = NULL;
	}
}

void foreign_tables_close(struct foreign_tables *tables)
{
	foreign_tables_forget(tables);
	json_decref(tables->chains);
}

json_t *foreign_table_list(struct foreign_tables *tables, const struct base_chain *chain,
			   const struct foreign_table *table)
{
	size_t family = family_of(chain);
	char command[320];

	if (is_one_flag(table->flags))
		return list_chains(chain, tables->chains);
	if (!tables->listed[family] && can_be_listed(family)) {
		(void)snprintf(command, sizeof(command), "list ruleset %s", chain->family);
		tables->listed[family] = list(command);
	}
	if (tables->listed[family])
		return json_incref(tables->listed[family]);
	(void)snprintf(command, sizeof(command), "list table %s %s", chain->family, chain->table);
	return list(command);
}
