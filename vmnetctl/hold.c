/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl hold: holds networks until interrupted. */
#include <limits.h>
#include <stdio.h>

#include "process.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"

static int acquire(struct vmnet_broker *broker, const char *name, struct table *table)
{
	struct vmnet_broker_network *network;
	vmnet_broker_return_t status = vmnet_broker_acquire(broker, name, &network);

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	table_text(table, network->name);
	table_text(table, network->ipv4_subnet);
	table_text(table, network->ipv4_gateway);
	table_text(table, network->ipv6_prefix);
	table_text(table, network->bridge);
	vmnet_broker_network_free(network);
	return DONE;
}

/* All of them or none: what was acquired before a failure ends with the connection. */
static int acquire_all(struct vmnet_broker *broker, char **names, struct table *table)
{
	static const char *const titles[] = { "NETWORK", "SUBNET", "HOST'S ADDRESS", "PREFIX",
					      "BRIDGE" };
	const size_t n_titles = sizeof(titles) / sizeof(titles[0]);
	int result = DONE;

	table_start(table, n_titles);
	for (size_t i = 0; i < n_titles; i++)
		table_text(table, titles[i]);
	for (; *names && result == DONE; names++)
		result = acquire(broker, *names, table);
	return result;
}

static int hold_until_end(struct vmnet_broker *broker, struct table *table)
{
	struct watch watch;

	/* Who reads that they are held may interrupt at once, or end the broker. */
	if (catch_end() < 0 || watch_broker(broker, &watch) < 0 || table_print(table) != DONE)
		return FAILED;
	puts("\nHeld until interrupted.");
	if (fflush(stdout) == 0 && wait_for_end(&watch) == 0) /* else main() says why */
		complain("what was held is held no longer: %s", vmnet_broker_error(broker));
	return FAILED;
}

static int hold_all(struct vmnet_broker *broker, char **names, int option)
{
	struct table table;
	int result;

	(void)option;
	keep_broker(broker);
	result = acquire_all(broker, names, &table);
	if (result == DONE)
		result = hold_until_end(broker, &table);
	table_clear(&table);
	return result;
}

int hold(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 1, INT_MAX, "NETWORK");

	return result == DONE ? with_broker(hold_all, argv + optind, 0) : result;
}
