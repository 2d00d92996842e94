/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl networks: what is configured, what is active, and what is wrong with it. */
#include <string.h>

#include "base/array.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"
#include "watch.h"

static void add_state(struct table *table, const struct vmnet_broker_network *network)
{
	if (network->fault)
		table_style(table, TABLE_ALARMING);
	table_format(table, "%s%s%s", network->active ? "active" : "inactive",
		     network->active && network->changed ? ", changed" : "",
		     network->fault ? ", faulted" : "");
	if (network->fault)
		table_style(table, TABLE_PLAIN);
}

static void add_row(struct table *table, const struct vmnet_broker_network *network)
{
	table_style(table, network->active ? TABLE_PLAIN : TABLE_DIM);
	table_text(table, network->name);
	table_text(table, mode_name(network->mode));
	add_state(table, network);
	table_text(table, network->ipv4_subnet);
	table_text(table, network->ipv6_prefix);
	table_format(table, "%u", network->clients);
	table_format(table, "%u", network->interfaces);
	table_text(table, network->description);
}

static int write_table(struct vmnet_broker_network *const *networks, size_t n_networks,
		       FILE *stream)
{
	static const char *const titles[] = { "NETWORK", "MODE",    "STATE",	  "SUBNET",
					      "PREFIX",	 "CLIENTS", "INTERFACES", "DESCRIPTION" };
	const size_t description = ARRAY_SIZE(titles) - 1;
	struct table table;

	table_start(&table, ARRAY_SIZE(titles));
	table_cut(&table, description, strlen(titles[description]));
	table_leave_out(&table, description);
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		table_text(&table, titles[i]);
	for (size_t i = 0; i < n_networks; i++)
		add_row(&table, networks[i]);
	return table_write(&table, stream);
}

/* All of each sentence, below each other. */
static int write_faults(struct vmnet_broker_network *const *networks, size_t n_networks,
			FILE *stream)
{
	struct table table;

	table_start(&table, 2);
	for (size_t i = 0; i < n_networks; i++) {
		if (!networks[i]->fault)
			continue;
		table_format(&table, "%s:", networks[i]->name);
		table_style(&table, TABLE_ALARMING);
		table_text(&table, networks[i]->fault);
		table_style(&table, TABLE_PLAIN);
	}
	if (table.n_cells > 0)
		(void)fputc('\n', stream);
	return table_write(&table, stream);
}

static int write_for_people(struct vmnet_broker_network *const *networks, size_t n_networks,
			    FILE *stream)
{
	bool held = false;

	if (n_networks == 0) {
		(void)fputs("There is no network that you may acquire; \"vmnetctl doctor\" may "
			    "know why.\n",
			    stream);
		return DONE;
	}
	for (size_t i = 0; i < n_networks; i++)
		held |= networks[i]->active;
	if (write_table(networks, n_networks, stream) != DONE ||
	    write_faults(networks, n_networks, stream) != DONE)
		return FAILED;
	if (!held)
		(void)fputs("\nNo network is held.\n", stream);
	return DONE;
}

static int show(struct vmnet_broker *broker, char **arguments, const struct view *view,
		FILE *stream)
{
	struct vmnet_broker_network **networks;
	vmnet_broker_return_t status;
	size_t n_networks;
	int result;

	(void)arguments;
	status = vmnet_broker_list(broker, &networks, &n_networks);
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	if (view->json)
		result = view_json(view, json_networks(networks, n_networks), stream);
	else
		result = write_for_people(networks, n_networks, stream);
	vmnet_broker_networks_free(networks, n_networks);
	return result;
}

int networks(int argc, char **argv)
{
	return view(argc, argv, 0, 0, "", show);
}

/* Of a network, when one is named. */
int status(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-')
			return inspect(argc, argv);
	return networks(argc, argv);
}
