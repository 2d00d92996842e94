/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes maps over one by one: a network that has nothing to do with NAT leaves the chains of NAT,
 * and what they look into, as they are. An older broker does not come back, so that a map that
 * has no elements is not looked for again.
 */
#include "older_maps.h"
#include "firewall.h"

#include <inttypes.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memstream.h"
#include "base/name.h"
#include "host/link.h"
#include "host/names.h"
#include "host/verdict_maps.h"
#include "rules.h"

static struct older_map {
	const char *name;
	const char *how;
	const char *kind; /* of the chains that it leads to */
	bool is_over;
} older_maps[] = {
	{ "machines", "goto", "machine", false },  { "inputs", "goto", "input", false },
	{ "leaving", "goto", "leaving", false },   { "entering", "goto", "entering", false },
	{ "returned", "jump", "returned", false }, { "behind", "goto", "behind", false },
	{ "unmarked", "jump", "unmarked", false },
};

static struct verdict_map map_of(const struct older_map *older)
{
	return (struct verdict_map){ NFPROTO_INET, FIREWALL_TABLE, older->name };
}

/* A map that is being taken over. */
struct taking {
	const struct older_map *older;
	FILE *file;
	size_t n; /* elements so far */
};

/* Of a bridge that is not there any more there is nothing to take over. */
static void take_over_element(const char *chain, void *userdata)
{
	const char *network = firewall_chain_network(chain);
	struct taking *taking = userdata;
	char bridge[INTERFACE_NAME_SIZE];
	uint32_t group;
	int index;

	taking->n++;
	if (!network_name_is_valid(network))
		return;
	bridge_name(network, bridge);
	index = link_index(bridge);
	group = firewall_bridge_group((unsigned int)index);
	if (index && link_set_group(index, group) == 0)
		(void)fprintf(taking->file,
			      "add element inet " FIREWALL_TABLE " %s_by_group { 0x%08" PRIx32
			      " : %s %s-%s }\n",
			      taking->older->name, group, taking->older->how, taking->older->kind,
			      network);
}

static void take_over(struct older_map *older, const char *text, FILE *file)
{
	const struct verdict_map map = map_of(older);
	struct taking taking = { .older = older, .file = file };
	char successor[64];

	(void)snprintf(successor, sizeof(successor), "map %s_by_group {\n", older->name);
	if (older->is_over || !strstr(text, successor) ||
	    verdict_map_list(&map, take_over_element, &taking) < 0)
		return;
	older->is_over = taking.n == 0;
	if (!older->is_over)
		(void)fprintf(file, "delete map inet " FIREWALL_TABLE " %s\n", older->name);
}

char *older_maps_take_over(char *text)
{
	char *whole;
	size_t size;
	FILE *file = text ? open_memstream(&whole, &size) : NULL;

	if (file) {
		(void)fputs(text, file);
		for (size_t i = 0; i < ARRAY_SIZE(older_maps); i++)
			take_over(&older_maps[i], text, file);
		whole = memstream_close(file, &whole);
	}
	free(text);
	return file ? whole : NULL;
}

int older_maps_remove(struct nft_batch *batch,
		      bool (*is_meant)(const char *chain, const void *userdata),
		      const void *userdata)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(older_maps) && result == 0; i++) {
		const struct verdict_map map = map_of(&older_maps[i]);

		if (!older_maps[i].is_over)
			result = verdict_map_remove(batch, &map, is_meant, userdata);
	}
	return result;
}
