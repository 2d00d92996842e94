/* SPDX-License-Identifier: Apache-2.0 */
/* Has nftables take a network's rules, and asks it what they counted. */
#include "firewall.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../broker.h"
#include "firewall_rules.h"

/*
 * The worker's own, and kept: to close its socket waits until the kernel has
 * freed everything that was ever removed through it, 20 ms and more.
 */
static struct nft_ctx *get_context(void)
{
	static struct nft_ctx *context;

	if (context)
		return context;
	context = nft_ctx_new(NFT_CTX_DEFAULT);
	if (context && (nft_ctx_buffer_output(context) || nft_ctx_buffer_error(context))) {
		nft_ctx_free(context);
		context = NULL;
	}
	return context;
}

/* Runs commands as one transaction. Takes text, which is NULL when memory was short. */
static int run(char *text, struct error *error)
{
	struct nft_ctx *context = text ? get_context() : NULL;
	const char *reason = "out of memory";
	int result = -1;

	if (context) {
		result = nft_run_cmd_from_buffer(context, text);
		reason = nft_ctx_get_error_buffer(context);
	}
	free(text);
	if (!result)
		return 0;
	return error_set(error, ERROR_CREATE_FAILED, "nftables refused its rules: %.*s",
			 (int)strcspn(reason, "\n"), reason);
}

/*
 * Lets the host's own loopback addresses be answered by a machine behind a
 * forwarded port. The setting is the bridge's, and goes with it.
 */
static int route_loopback(const char *bridge, struct error *error)
{
	char path[sizeof("/proc/sys/net/ipv4/conf//route_localnet") + INTERFACE_NAME_SIZE];
	FILE *file;
	bool failed;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet", bridge);
	file = fopen(path, "we");
	failed = !file || fputs("1\n", file) < 0;
	if ((file && fclose(file)) || failed)
		return error_set(error, ERROR_CREATE_FAILED, "cannot set %s: %s", path,
				 strerror(errno));
	return 0;
}

int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error)
{
	unsigned int bridge_index;

	if (config->mode == NETWORK_BRIDGED)
		return 0;
	if (config->external_interface && !firewall_name_is_plain(config->external_interface))
		return error_set(error, ERROR_CREATE_FAILED,
				 "the name of its \"external_interface\" means something else to "
				 "nftables; rename the interface");
	bridge_index = if_nametoindex(addresses->bridge);
	if (!bridge_index)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up bridge %s: %s",
				 addresses->bridge, strerror(errno));
	if (config->n_port_forwardings && route_loopback(addresses->bridge, error) < 0)
		return -1;
	return run(firewall_rules(config, addresses, firewall_port_group(bridge_index)), error);
}

int firewall_remove(const char *network, struct error *error)
{
	return run(firewall_rules_removal(network), error);
}

/* The packets of the one counter in a listing: {"nftables":[{"metainfo":..},{"counter":..}]}. */
static int counter_packets(const char *listing, uint64_t *packets)
{
	json_t *root = json_loads(listing, 0, NULL);
	const json_t *counter =
		json_object_get(json_array_get(json_object_get(root, "nftables"), 1), "counter");
	const json_t *value = json_object_get(counter, "packets");
	int result = json_is_integer(value) ? 0 : -1;

	if (result == 0)
		*packets = (uint64_t)json_integer_value(value);
	json_decref(root);
	return result;
}

int firewall_rogue_packets(const char *network, uint64_t *packets)
{
	char command[sizeof("list counter bridge " FIREWALL_TABLE_PREFIX
			    " " FIREWALL_ROGUE_COUNTER) +
		     NETWORK_NAME_MAX];
	struct nft_ctx *context = get_context();
	int result;

	if (!context)
		return -1;
	(void)snprintf(command, sizeof(command),
		       "list counter bridge " FIREWALL_TABLE_PREFIX "%s " FIREWALL_ROGUE_COUNTER,
		       network);
	nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_JSON);
	result = nft_run_cmd_from_buffer(context, command);
	nft_ctx_output_set_flags(context, 0);
	/* What a buffer holds is dropped when it is asked for. */
	(void)nft_ctx_get_error_buffer(context);
	return result ? -1 : counter_packets(nft_ctx_get_output_buffer(context), packets);
}
