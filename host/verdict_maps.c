/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elements as the kernel has them: those of a map of ranges are two, the start with its verdict
 * and an end without one.
 */
#include "verdict_maps.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "nft_batch.h"
#include "nft_query.h"

/* An IPv6 address. */
#define KEY_MAX 16
/* Longer names are cut off: they are nobody's here. */
#define CHAIN_SIZE 96

struct element {
	uint8_t key[KEY_MAX];
	size_t size;
	bool is_end; /* of a range */
	char chain[CHAIN_SIZE]; /* "": another verdict, or none */
};

/* A map, as it was read. */
struct content {
	const struct verdict_map *map;
	struct element *elements;
	size_t n_elements;
	bool failed; /* memory is short */
};

static int put_name(struct nl_msg *message, const struct verdict_map *map)
{
	if (nla_put_string(message, NFTA_SET_ELEM_LIST_TABLE, map->table) < 0)
		return -1;
	return nla_put_string(message, NFTA_SET_ELEM_LIST_SET, map->name);
}

static int put_map(struct nl_msg *message, void *userdata)
{
	return put_name(message, ((const struct content *)userdata)->map);
}

/* The attribute of that type in an attribute, or NULL. */
static struct nlattr *inside(struct nlattr *attribute, int type)
{
	return attribute ? nla_find(nla_data(attribute), nla_len(attribute), type) : NULL;
}

static void fill(struct element *element, struct nlattr *attribute, struct nlattr *key)
{
	struct nlattr *verdict = inside(inside(attribute, NFTA_SET_ELEM_DATA), NFTA_DATA_VERDICT);
	struct nlattr *chain = inside(verdict, NFTA_VERDICT_CHAIN);
	struct nlattr *flags = inside(attribute, NFTA_SET_ELEM_FLAGS);

	*element = (struct element){ .size = (size_t)nla_len(key) };
	memcpy(element->key, nla_data(key), element->size);
	element->is_end = flags && be32toh(nla_get_u32(flags)) & NFT_SET_ELEM_INTERVAL_END;
	if (chain)
		(void)nla_strlcpy(element->chain, chain, sizeof(element->chain));
}

static void on_element(struct content *content, struct nlattr *attribute)
{
	struct nlattr *key = inside(inside(attribute, NFTA_SET_ELEM_KEY), NFTA_DATA_VALUE);
	struct element *elements;

	if (!key || nla_len(key) > KEY_MAX)
		return;
	elements = array_grow(content->elements, content->n_elements, sizeof(*elements));
	content->failed |= !elements;
	if (!elements)
		return;
	content->elements = elements;
	fill(&elements[content->n_elements++], attribute, key);
}

static void on_elements(const struct nlmsghdr *message, void *userdata)
{
	struct nlattr *list = nlmsg_find_attr((struct nlmsghdr *)message, sizeof(struct nfgenmsg),
					      NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *attribute;
	int rest;

	if (!list)
		return;
	attribute = nla_data(list);
	rest = nla_len(list);
	for (; nla_ok(attribute, rest); attribute = nla_next(attribute, &rest))
		on_element(userdata, attribute);
}

static void forget(void *userdata)
{
	struct content *content = userdata;

	free(content->elements);
	*content = (struct content){ .map = content->map };
}

/* Returns 0, or a negative errno. What was read is freed by the caller, also then. */
static int read_map(struct content *content)
{
	static struct nl_sock *socket;
	int result = nft_query(&(struct nft_query){
		.socket = &socket,
		.type = NFT_MSG_GETSETELEM,
		.family = content->map->family,
		.all = true,
		.begin = forget,
		.put = put_map,
		.each = on_elements,
		.userdata = content,
	});

	return content->failed ? -ENOMEM : result;
}

int verdict_map_list(const struct verdict_map *map, void (*each)(const char *chain, void *userdata),
		     void *userdata)
{
	struct content content = { .map = map };
	int result = read_map(&content);

	for (size_t i = 0; i < content.n_elements && result == 0; i++)
		if (*content.elements[i].chain)
			each(content.elements[i].chain, userdata);
	free(content.elements);
	return result;
}

/* Removal */

struct removed {
	const struct verdict_map *map;
	const struct element *element;
};

static int put_item(struct nl_msg *message, const struct element *element)
{
	struct nlattr *item = nla_nest_start(message, NFTA_LIST_ELEM);
	struct nlattr *key = item ? nla_nest_start(message, NFTA_SET_ELEM_KEY) : NULL;

	if (!key || nla_put(message, NFTA_DATA_VALUE, (int)element->size, element->key) < 0)
		return -1;
	nla_nest_end(message, key);
	if (element->is_end &&
	    nla_put_u32(message, NFTA_SET_ELEM_FLAGS, htobe32(NFT_SET_ELEM_INTERVAL_END)) < 0)
		return -1;
	nla_nest_end(message, item);
	return 0;
}

static int put_element(struct nl_msg *message, const void *what)
{
	const struct removed *removed = what;
	struct nlattr *list;

	if (put_name(message, removed->map) < 0)
		return -1;
	list = nla_nest_start(message, NFTA_SET_ELEM_LIST_ELEMENTS);
	if (!list || put_item(message, removed->element) < 0)
		return -1;
	nla_nest_end(message, list);
	return 0;
}

static void remove_element(struct nft_batch *batch, const struct verdict_map *map,
			   const struct element *element)
{
	nft_batch_add(batch, NFT_MSG_DELSETELEM, map->family, put_element,
		      &(struct removed){ map, element });
}

/* Where one range ends the next may start: that end comes first. */
static bool is_before(const struct element *one, const struct element *other)
{
	int order = memcmp(one->key, other->key, KEY_MAX);

	return order < 0 || (order == 0 && one->is_end && !other->is_end);
}

/* The end of the range that starts there; NULL: it has none. */
static const struct element *find_end(const struct content *content, const struct element *start)
{
	const struct element *next = NULL;

	for (size_t i = 0; i < content->n_elements; i++) {
		const struct element *other = &content->elements[i];

		if (memcmp(other->key, start->key, KEY_MAX) > 0 &&
		    (!next || is_before(other, next)))
			next = other;
	}
	return next && next->is_end ? next : NULL;
}

int verdict_map_remove(struct nft_batch *batch, const struct verdict_map *map,
		       bool (*is_meant)(const char *chain, const void *userdata),
		       const void *userdata)
{
	struct content content = { .map = map };
	int result = read_map(&content);

	for (size_t i = 0; i < content.n_elements && result == 0; i++) {
		const struct element *element = &content.elements[i];
		const struct element *end;

		if (!*element->chain || !is_meant(element->chain, userdata))
			continue;
		remove_element(batch, map, element);
		end = find_end(&content, element);
		if (end)
			remove_element(batch, map, end);
	}
	free(content.elements);
	return result;
}
