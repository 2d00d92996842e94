/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Has nftables take the text that rules.h makes, and removes a network's part of the tables by
 * bare messages. Which networks have one is what the names of chains say.
 */
#include "firewall.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "broker/broker.h"
#include "broker/linux/linux.h"
#include "broker/linux/worker.h"
#include "host/names.h"
#include "host/nft_batch.h"
#include "host/nft_query.h"
#include "host/nftables.h"
#include "host/sysctl.h"
#include "host/verdict_maps.h"
#include "older_maps.h"
#include "rogue_counter.h"
#include "rules.h"

static const struct verdict_map maps[] = {
	{ NFPROTO_INET, FIREWALL_TABLE, "machines_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "inputs_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "leaving_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "entering_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "outsiders4" },
	{ NFPROTO_INET, FIREWALL_TABLE, "outsiders6" },
	{ NFPROTO_INET, FIREWALL_TABLE, "gateways4" },
	{ NFPROTO_INET, FIREWALL_TABLE, "gateways6" },
	{ NFPROTO_INET, FIREWALL_TABLE, "advertised" },
	{ NFPROTO_INET, FIREWALL_TABLE, "returned_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "masquerade4" },
	{ NFPROTO_INET, FIREWALL_TABLE, "masquerade6" },
	{ NFPROTO_INET, FIREWALL_TABLE, "behind_by_group" },
	{ NFPROTO_INET, FIREWALL_TABLE, "unmasked4" },
	{ NFPROTO_INET, FIREWALL_TABLE, "unmasked6" },
	{ NFPROTO_INET, FIREWALL_TABLE, "unmarked_by_group" },
	{ NFPROTO_BRIDGE, FIREWALL_TABLE, "ports" },
	{ NFPROTO_BRIDGE, FIREWALL_TABLE, "hosts" },
};

/* Of as many networks as go at once: what this broker makes is two thirds of it at most. */
#define CHAINS_MAX (64 * JOBS_AT_ONCE_MAX)

/* Who removes rules all the time does not keep anybody waiting for ever. */
#define TRIES_MAX 100

/* Tables and chains, by their names */

/*
 * Has each of them told, perhaps more than once. type: NFT_MSG_GETTABLE or
 * NFT_MSG_GETCHAIN. Returns 0, or a negative errno.
 */
static int list(int type, void (*each)(const struct nlmsghdr *message, void *userdata),
		void *userdata)
{
	static struct nl_sock *socket;

	return nft_query(&(struct nft_query){
		.socket = &socket,
		.type = type,
		.all = true,
		.each = each,
		.userdata = userdata,
	});
}

static int family_of(const struct nlmsghdr *message)
{
	return ((const struct nfgenmsg *)nlmsg_data(message))->nfgen_family;
}

/* The network that an older broker's table is of; "" when it is none. */
static const char *old_network(const struct nlmsghdr *message)
{
	const char *name = nft_text(message, NFTA_TABLE_NAME);
	const size_t length = strlen(FIREWALL_OLD_TABLE_PREFIX);

	return strncmp(name, FIREWALL_OLD_TABLE_PREFIX, length) == 0 ? name + length : "";
}

/* The network that a chain of our tables is of; "" when it is none. */
static const char *chain_network(const struct nlmsghdr *message)
{
	return strcmp(nft_text(message, NFTA_CHAIN_TABLE), FIREWALL_TABLE) == 0
		       ? firewall_chain_network(nft_text(message, NFTA_CHAIN_NAME))
		       : "";
}

/* All networks */

struct networks {
	int (*each)(const char *network, void *userdata);
	void *userdata;
	int result;
};

static void tell(struct networks *networks, const char *network)
{
	if (networks->result >= 0 && network_name_is_valid(network))
		networks->result = networks->each(network, networks->userdata);
}

static void tell_table(const struct nlmsghdr *message, void *userdata)
{
	tell(userdata, old_network(message));
}

static void tell_chain(const struct nlmsghdr *message, void *userdata)
{
	tell(userdata, chain_network(message));
}

int firewall_list(int (*each)(const char *network, void *userdata), void *userdata)
{
	struct networks networks = { .each = each, .userdata = userdata };
	int result = list(NFT_MSG_GETTABLE, tell_table, &networks);

	if (result == 0)
		result = list(NFT_MSG_GETCHAIN, tell_chain, &networks);
	return networks.result < 0 ? networks.result : result;
}

/* The part of some networks */

struct named {
	int family;
	char table[sizeof(FIREWALL_TABLE) + NETWORK_NAME_MAX];
	char chain[96];
};

struct part {
	const char *const *networks;
	size_t n_networks;
	struct named tables[2]; /* the shared ones that there are */
	size_t n_tables;
	struct named old_tables[2 * JOBS_AT_ONCE_MAX]; /* an older broker's of these networks */
	size_t n_old_tables;
	bool has_old_others; /* of other networks */
	struct named chains[CHAINS_MAX];
	size_t n_chains;
	bool has_others; /* other networks have chains */
};

static bool is_same(const struct named *one, const struct named *other)
{
	return one->family == other->family && strcmp(one->table, other->table) == 0 &&
	       strcmp(one->chain, other->chain) == 0;
}

/* Adds it, unless it is there, or there is no room for what nobody should have made. */
static void add_named(struct named *list, size_t *n, size_t max, const struct named *named)
{
	for (size_t i = 0; i < *n; i++)
		if (is_same(&list[i], named))
			return;
	if (*n < max)
		list[(*n)++] = *named;
}

static bool has_network(const struct part *part, const char *network)
{
	for (size_t i = 0; i < part->n_networks; i++)
		if (strcmp(part->networks[i], network) == 0)
			return true;
	return false;
}

static void find_table(const struct nlmsghdr *message, void *userdata)
{
	struct named table = { .family = family_of(message) };
	const char *network = old_network(message);
	struct part *part = userdata;

	(void)snprintf(table.table, sizeof(table.table), "%s", nft_text(message, NFTA_TABLE_NAME));
	if (strcmp(table.table, FIREWALL_TABLE) == 0)
		add_named(part->tables, &part->n_tables, ARRAY_SIZE(part->tables), &table);
	else if (has_network(part, network))
		add_named(part->old_tables, &part->n_old_tables, ARRAY_SIZE(part->old_tables),
			  &table);
	else
		part->has_old_others |= network_name_is_valid(network);
}

static void find_chain(const struct nlmsghdr *message, void *userdata)
{
	struct named chain = { .family = family_of(message), .table = FIREWALL_TABLE };
	const char *network = chain_network(message);
	struct part *part = userdata;

	(void)snprintf(chain.chain, sizeof(chain.chain), "%s", nft_text(message, NFTA_CHAIN_NAME));
	if (has_network(part, network))
		add_named(part->chains, &part->n_chains, ARRAY_SIZE(part->chains), &chain);
	else
		part->has_others |= *network != '\0';
}

/* Fills in all but the names. Returns 0, or a negative errno. */
static int look(struct part *part)
{
	int result = list(NFT_MSG_GETTABLE, find_table, part);

	return result < 0 ? result : list(NFT_MSG_GETCHAIN, find_chain, part);
}

static bool is_of(const char *chain, const void *part)
{
	return has_network(part, firewall_chain_network(chain));
}

/* Adds that the elements of the networks go, wherever they are. */
static int remove_elements(struct nft_batch *batch, const struct part *part)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps) && result == 0; i++)
		result = verdict_map_remove(batch, &maps[i], is_of, part);
	return result < 0 ? result : older_maps_remove(batch, is_of, part);
}

/* Making it */

static int run(const struct network_config *config, const struct network_addresses *addresses,
	       const struct firewall_place *place, size_t *n_elements, struct error *error)
{
	char *text = firewall_rules(config, addresses, place, n_elements);

	return nftables_run(older_maps_take_over(text), error);
}

struct count {
	const struct part *part;
	size_t n;
};

static void count(const char *chain, void *userdata)
{
	struct count *elements = userdata;

	if (is_of(chain, elements->part))
		elements->n++;
}

static bool has_elements(const struct part *part, size_t n)
{
	struct count elements = { .part = part };
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(maps) && result == 0; i++)
		result = verdict_map_list(&maps[i], count, &elements);
	return result == 0 && elements.n == n;
}

static int clear_elements(const struct part *part, struct error *error)
{
	struct nft_batch batch;
	int result = nft_batch_begin(&batch);

	if (result == 0)
		result = nft_batch_end(&batch, remove_elements(&batch, part));
	if (result < 0)
		(void)error_set(error, ERROR_CREATE_FAILED, "nftables keeps its elements: %s",
				strerror(-result));
	return result;
}

/*
 * A network that was there may have elements of another subnet or bridge, which are
 * too many, or in the way. Packets wait for it to be made without them: it is not
 * so for a network that lacks nothing.
 */
static int make(const struct network_config *config, const struct network_addresses *addresses,
		const struct firewall_place *place, const struct part *part, struct error *error)
{
	size_t n_elements;
	int result = run(config, addresses, place, &n_elements, error);

	if (!part->n_chains || result == -ENOMEM || (result == 0 && has_elements(part, n_elements)))
		return result;
	result = clear_elements(part, error);
	return result < 0 ? result : run(config, addresses, place, &n_elements, error);
}

/* The devices that a network on several hosts has beside its bridge. */
static int find_vxlan(const struct network_addresses *addresses, struct firewall_place *place,
		      struct error *error)
{
	char name[INTERFACE_NAME_SIZE];
	unsigned int vxlan;
	unsigned int own;

	vxlan_name(addresses->bridge, name);
	vxlan = if_nametoindex(name);
	if (vxlan)
		own_name(addresses->bridge, name);
	own = vxlan ? if_nametoindex(name) : 0;
	if (!own)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up its device %s: %s",
				 name, strerror(errno));
	place->vxlan_group = firewall_port_group(vxlan);
	place->own_group = firewall_bridge_group(own);
	return 0;
}

int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error)
{
	const char *name = config->name;
	struct part part = { .networks = &name, .n_networks = 1 };
	struct firewall_place place = {
		.ipv6_loopback = !sysctl_bridges_filter(AF_INET6),
		.server = linux_platform.dnsmasq.is_own ? linux_platform.dnsmasq.uid : 0,
	};
	unsigned int bridge;
	int result;

	if (config->mode == NETWORK_BRIDGED)
		return 0;
	if (config->external_interface && !firewall_name_is_plain(config->external_interface))
		return error_set(error, ERROR_CREATE_FAILED,
				 "the name of its \"external_interface\" means something else to "
				 "nftables; rename the interface");
	bridge = if_nametoindex(addresses->bridge);
	if (!bridge)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up bridge %s: %s",
				 addresses->bridge, strerror(errno));
	result = look(&part);
	if (result < 0) {
		(void)error_set(error, ERROR_CREATE_FAILED,
				"nftables cannot be asked for its rules: %s", strerror(-result));
		return result;
	}
	if (addresses->vxlan_host && find_vxlan(addresses, &place, error) < 0)
		return -1;
	place.port_group = firewall_port_group(bridge);
	place.bridge_group = firewall_bridge_group(bridge);
	place.replaces = part.n_old_tables != 0;
	place.is_shared = part.has_old_others;
	return make(config, addresses, &place, &part, error);
}

/* Removing it */

static int put_table(struct nl_msg *message, const void *what)
{
	return nla_put_string(message, NFTA_TABLE_NAME, ((const struct named *)what)->table);
}

static int put_chain(struct nl_msg *message, const void *what)
{
	const struct named *chain = what;

	if (nla_put_string(message, NFTA_CHAIN_TABLE, chain->table) < 0)
		return -1;
	return nla_put_string(message, NFTA_CHAIN_NAME, chain->chain);
}

/* All of a chain. */
static int put_rules(struct nl_msg *message, const void *what)
{
	const struct named *chain = what;

	if (nla_put_string(message, NFTA_RULE_TABLE, chain->table) < 0)
		return -1;
	return nla_put_string(message, NFTA_RULE_CHAIN, chain->chain);
}

static void remove_all(struct nft_batch *batch, int type, const struct named *list, size_t n,
		       int (*put)(struct nl_msg *message, const void *what))
{
	for (size_t i = 0; i < n; i++)
		nft_batch_add(batch, type, list[i].family, put, &list[i]);
}

/* By then no packet comes to them. Somebody's own rule may: then they stay, without any. */
static int remove_chains(const struct part *part)
{
	struct nft_batch batch;
	int result = nft_batch_begin(&batch);

	if (result < 0)
		return result;
	remove_all(&batch, NFT_MSG_DELCHAIN, part->chains, part->n_chains, put_chain);
	return nft_batch_end(&batch, 0);
}

static int remove_counter(const char *network)
{
	struct nft_batch batch;
	int result = nft_batch_begin(&batch);

	if (result < 0)
		return result;
	nft_batch_add(&batch, NFT_MSG_DELOBJ, NFPROTO_BRIDGE, rogue_counter_put, network);
	result = nft_batch_end(&batch, 0);
	return result == -ENOENT ? 0 : result;
}

/* Leaves nothing of it that does anything. */
static int remove_rules(const struct part *part)
{
	struct nft_batch batch;
	int result = nft_batch_begin(&batch);

	if (result < 0)
		return result;
	if (!part->has_others) {
		remove_all(&batch, NFT_MSG_DELTABLE, part->tables, part->n_tables, put_table);
	} else if (part->n_chains) {
		result = remove_elements(&batch, part);
		remove_all(&batch, NFT_MSG_DELRULE, part->chains, part->n_chains, put_rules);
	}
	remove_all(&batch, NFT_MSG_DELTABLE, part->old_tables, part->n_old_tables, put_table);
	return nft_batch_end(&batch, result);
}

static int remove_part(const char *const *networks, size_t n)
{
	struct part part = { .networks = networks, .n_networks = n };
	int result = look(&part);

	if (result == 0)
		result = remove_rules(&part);
	if (result < 0 || !part.has_others)
		return result;
	result = remove_chains(&part);
	for (size_t i = 0; i < n && result == 0; i++)
		result = remove_counter(networks[i]);
	return result;
}

int firewall_remove(const char *const *networks, size_t n, struct error *error)
{
	int result = -ENOENT;

	/* Somebody else may remove some of it meanwhile. */
	for (int i = 0; i < TRIES_MAX && result == -ENOENT; i++)
		result = remove_part(networks, n);
	if (result < 0)
		(void)error_set(error, ERROR_CREATE_FAILED, "nftables keeps its rules: %s",
				strerror(-result));
	return result;
}
