/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl inspect: who holds a network, its interfaces, its leases. */
#include <pwd.h>

#include "json.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"

static void add_row(struct table *table, const char *title, const char *text)
{
	table_text(table, title);
	table_text(table, text);
}

static int print_network(const struct vmnet_broker_inspection *inspection)
{
	const struct vmnet_broker_network *network = inspection->network;
	struct table table;

	table_start(&table, 2);
	add_row(&table, "Network:", network->name);
	if (network->description)
		add_row(&table, "Description:", network->description);
	add_row(&table, "Mode:", mode_name(network->mode));
	add_row(&table, "State:", network->active ? "active" : "inactive");
	if (network->ipv4_subnet)
		add_row(&table, "Subnet:", network->ipv4_subnet);
	if (network->ipv4_gateway)
		add_row(&table, "Host's address:", network->ipv4_gateway);
	if (network->ipv6_prefix)
		add_row(&table, "IPv6 prefix:", network->ipv6_prefix);
	table_text(&table, "MTU:");
	table_format(&table, "%u", network->mtu);
	if (network->bridge)
		add_row(&table, "Bridge:", network->bridge);
	if (network->changed)
		add_row(&table,
			"Changed:", "the configuration has it otherwise by now, or not at all");
	if (network->fault)
		add_row(&table, "Fault:", network->fault);
	if (inspection->rogue_packets >= 0) {
		table_text(&table, "Rogue packets:");
		table_format(&table, "%lld", (long long)inspection->rogue_packets);
	}
	return table_print(&table);
}

static int print_clients(const struct vmnet_broker_inspection *inspection)
{
	struct table table;

	if (inspection->n_clients == 0) {
		puts("\nNobody holds it.");
		return DONE;
	}
	puts("\nClients");
	table_start(&table, 3);
	table_text(&table, "PID");
	table_text(&table, "USER");
	table_text(&table, "COMMAND");
	for (size_t i = 0; i < inspection->n_clients; i++) {
		const struct vmnet_broker_client *client = inspection->clients[i];
		const struct passwd *user = getpwuid((uid_t)client->uid);

		table_format(&table, "%lld", (long long)client->pid);
		if (user)
			table_text(&table, user->pw_name);
		else
			table_format(&table, "%lld", (long long)client->uid);
		table_text(&table, client->command);
	}
	return table_print(&table);
}

static int print_interfaces(const struct vmnet_broker_inspection *inspection)
{
	struct table table;

	if (inspection->n_interfaces == 0)
		return DONE;
	puts("\nInterfaces");
	table_start(&table, 2);
	table_text(&table, "DEVICE");
	table_text(&table, "MAC ADDRESS");
	for (size_t i = 0; i < inspection->n_interfaces; i++) {
		table_text(&table, inspection->interfaces[i]->device);
		table_text(&table, inspection->interfaces[i]->mac_address);
	}
	return table_print(&table);
}

static int print_leases(const struct vmnet_broker_inspection *inspection)
{
	struct table table;

	if (inspection->n_leases == 0)
		return DONE;
	puts("\nLeases");
	table_start(&table, 4);
	table_text(&table, "ADDRESS");
	table_text(&table, "MAC ADDRESS");
	table_text(&table, "NAME");
	table_text(&table, "EXPIRES");
	for (size_t i = 0; i < inspection->n_leases; i++) {
		const struct vmnet_broker_lease *lease = inspection->leases[i];
		char expires[TIME_TEXT_SIZE];

		table_text(&table, lease->address);
		table_text(&table, lease->mac_address);
		table_text(&table, lease->hostname);
		table_text(&table, lease->expires ? time_format(lease->expires, expires) : "never");
	}
	return table_print(&table);
}

static int print_for_people(const struct vmnet_broker_inspection *inspection)
{
	if (print_network(inspection) != DONE || print_clients(inspection) != DONE ||
	    print_interfaces(inspection) != DONE)
		return FAILED;
	return print_leases(inspection);
}

static int show(struct vmnet_broker *broker, char **arguments, int as_json)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, *arguments, &inspection);
	int result;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	if (as_json)
		result = json_print(json_inspection(inspection), JSON_INDENT(2));
	else
		result = print_for_people(inspection);
	vmnet_broker_inspection_free(inspection);
	return result;
}

int inspect(int argc, char **argv)
{
	bool as_json = false;
	int result = read_arguments(argc, argv, &as_json, 1, 1, "NETWORK");

	return result == DONE ? with_broker(show, argv + optind, as_json) : result;
}
