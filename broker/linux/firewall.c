/* SPDX-License-Identifier: Apache-2.0 */
/* Has nftables take a network's rules, and asks it what they counted. */
#include "firewall.h"

#include <errno.h>
#include <jansson.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "../broker.h"
#include "firewall_rules.h"
#include "nftables.h"
#include "sysctl.h"

int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error)
{
	unsigned int bridge_index;
	int result;

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
	if (config->n_port_forwardings) {
		/* So that the host's loopback can be answered. The setting goes with the bridge. */
		result = sysctl_write(AF_INET, addresses->bridge, "route_localnet", 1);
		if (result < 0)
			return error_set(error, ERROR_CREATE_FAILED,
					 "cannot let bridge %s route to loopback: %s",
					 addresses->bridge, strerror(-result));
	}
	return nftables_run(firewall_rules(config, addresses, firewall_port_group(bridge_index)),
			    error);
}

int firewall_remove(const char *network, struct error *error)
{
	return nftables_run(firewall_rules_removal(network), error);
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
	const char *listing;

	(void)snprintf(command, sizeof(command),
		       "list counter bridge " FIREWALL_TABLE_PREFIX "%s " FIREWALL_ROGUE_COUNTER,
		       network);
	listing = nftables_list(command);
	return listing ? counter_packets(listing, packets) : -1;
}
