/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl inspect: a network's hosts, holders, machines and leases, and its configuration. */
#include <string.h>

#include "configuration.h"
#include "hosts.h"
#include "json.h"
#include "machines.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"
#include "watch.h"

static void add_row(struct table *table, const char *title, const char *text)
{
	table_text(table, title);
	table_text(table, text);
}

static void add_fault(struct table *table, const struct vmnet_broker_network *network)
{
	if (network->removed)
		add_row(table, "Changed:", "the file has no such network any more");
	else if (network->changed && !network->configuration)
		add_row(table, "Changed:", "the file has it otherwise by now");
	if (!network->fault)
		return;
	table_text(table, "Fault:");
	table_style(table, TABLE_ALARMING);
	table_text(table, network->fault);
	table_style(table, TABLE_PLAIN);
}

static int write_network(const struct vmnet_broker_inspection *inspection, FILE *stream)
{
	const struct vmnet_broker_network *network = inspection->network;
	struct table table;

	table_start(&table, 2);
	add_row(&table, "Network:", network->name);
	add_row(&table, "State:", network->active ? "active" : "inactive");
	if (network->removed)
		add_row(&table, "Removed:", "the configuration has it no more");
	if (network->ipv4_subnet)
		add_row(&table, "Subnet:", network->ipv4_subnet);
	if (network->ipv4_gateway)
		add_row(&table, "Host's address:", network->ipv4_gateway);
	if (network->ipv6_prefix)
		add_row(&table, "IPv6 prefix:", network->ipv6_prefix);
	if (network->bridge)
		add_row(&table, "Bridge:", network->bridge);
	add_fault(&table, network);
	if (inspection->rogue_packets >= 0) {
		table_text(&table, "Rogue packets:");
		table_format(&table, "%lld", (long long)inspection->rogue_packets);
	}
	return table_write(&table, stream);
}

static int write_clients(const struct vmnet_broker_inspection *inspection, FILE *stream)
{
	char user[USER_TEXT_SIZE];
	struct table table;

	if (inspection->n_clients == 0) {
		(void)fputs("\nNobody holds it.\n", stream);
		return DONE;
	}
	(void)fputs("\nClients\n", stream);
	table_start(&table, 3);
	table_text(&table, "PID");
	table_text(&table, "USER");
	table_text(&table, "COMMAND");
	for (size_t i = 0; i < inspection->n_clients; i++) {
		const struct vmnet_broker_client *client = inspection->clients[i];

		table_format(&table, "%lld", (long long)client->pid);
		table_text(&table, user_format(client->uid, user));
		table_text(&table, client->command);
	}
	return table_write(&table, stream);
}

static int write_machines(const struct machine_list *machines, FILE *stream)
{
	if (machines->n_items == 0)
		return DONE;
	(void)fputs("\nMachines\n", stream);
	return machines_write(machines, false, stream);
}

static int write_leases(const struct vmnet_broker_inspection *inspection, FILE *stream)
{
	struct table table;

	if (inspection->n_leases == 0)
		return DONE;
	(void)fputs("\nLeases\n", stream);
	table_start(&table, 4);
	table_cut(&table, 2, strlen("NAME"));
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
	return table_write(&table, stream);
}

static int write_hosts(const struct vmnet_broker_inspection *inspection, FILE *stream)
{
	struct host_list hosts;
	int result = hosts_take(inspection->network, &hosts);

	if (result == DONE && hosts.n_items > 0) {
		(void)fputs("\nHosts\n", stream);
		result = hosts_write(&hosts, stream);
	}
	hosts_clear(&hosts);
	return result;
}

static int write_for_people(const struct vmnet_broker_inspection *inspection,
			    const struct machine_list *machines, FILE *stream)
{
	if (write_network(inspection, stream) != DONE || write_hosts(inspection, stream) != DONE ||
	    write_clients(inspection, stream) != DONE || write_machines(machines, stream) != DONE ||
	    write_leases(inspection, stream) != DONE)
		return FAILED;
	return configuration_write(inspection->network, stream);
}

static int write_json(const struct vmnet_broker_inspection *inspection,
		      const struct machine_list *machines, const struct view *view, FILE *stream)
{
	json_t *described = json_inspection(inspection);
	struct host_list hosts;
	int result = hosts_take(inspection->network, &hosts);

	if (result == DONE &&
	    (json_object_set_new(described, "hosts", hosts_json(&hosts)) < 0 ||
	     json_object_set_new(described, "machines", machines_json(machines)) < 0)) {
		json_decref(described);
		described = NULL;
	}
	hosts_clear(&hosts);
	if (result == DONE)
		return view_json(view, described, stream);
	json_decref(described);
	return result;
}

static int show(struct vmnet_broker *broker, char **arguments, const struct view *view,
		FILE *stream)
{
	struct inspections inspections;
	struct machine_list machines = { 0 };
	int result = inspections_take(broker, *arguments, &inspections);

	if (result == DONE)
		result = machines_take(&inspections, &machines);
	if (result == DONE && view->json)
		result = write_json(*inspections.items, &machines, view, stream);
	else if (result == DONE)
		result = write_for_people(*inspections.items, &machines, stream);
	machines_clear(&machines);
	inspections_clear(&inspections);
	return result;
}

int inspect(int argc, char **argv)
{
	return view(argc, argv, 1, 1, "NETWORK", show);
}
