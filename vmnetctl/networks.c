/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl networks: what is configured, and what is active. */
#include "json.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"

static const char *state(const struct vmnet_broker_network *network)
{
	if (!network->active)
		return "inactive";
	return network->changed ? "active, changed" : "active";
}

static int print_table(struct vmnet_broker_network *const *networks, size_t n_networks)
{
	static const char *const titles[] = { "NETWORK", "MODE",    "STATE",	  "SUBNET",
					      "PREFIX",	 "CLIENTS", "INTERFACES", "DESCRIPTION" };
	const size_t n_titles = sizeof(titles) / sizeof(titles[0]);
	bool held = false;
	struct table table;

	table_start(&table, n_titles);
	for (size_t i = 0; i < n_titles; i++)
		table_text(&table, titles[i]);
	for (size_t i = 0; i < n_networks; i++) {
		const struct vmnet_broker_network *network = networks[i];

		held |= network->clients > 0;
		table_text(&table, network->name);
		table_text(&table, mode_name(network->mode));
		table_text(&table, state(network));
		table_text(&table, network->ipv4_subnet);
		table_text(&table, network->ipv6_prefix);
		table_format(&table, "%u", network->clients);
		table_format(&table, "%u", network->interfaces);
		table_text(&table, network->description);
	}
	if (table_print(&table) != DONE)
		return FAILED;
	if (!held)
		puts("\nNo network is held.");
	return DONE;
}

static int list(struct vmnet_broker *broker, char **arguments, int as_json)
{
	struct vmnet_broker_network **networks;
	vmnet_broker_return_t status;
	size_t n_networks;
	int result = DONE;

	(void)arguments;
	status = vmnet_broker_list(broker, &networks, &n_networks);
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	if (as_json)
		result = json_print(json_networks(networks, n_networks), JSON_INDENT(2));
	else if (n_networks > 0)
		result = print_table(networks, n_networks);
	else
		puts("There is no network that you may acquire; \"vmnetctl doctor\" may know why.");
	vmnet_broker_networks_free(networks, n_networks);
	return result;
}

int networks(int argc, char **argv)
{
	bool as_json = false;
	int result = read_arguments(argc, argv, &as_json, 0, 0, "");

	return result == DONE ? with_broker(list, NULL, as_json) : result;
}
