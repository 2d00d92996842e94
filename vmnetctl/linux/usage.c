/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

static const struct vmnet_broker_inspection *network_of(const struct usage *usage,
							const struct traffic *machine)
{
	for (size_t i = 0; i < usage->networks.n_items; i++)
		if (strcmp(usage->networks.items[i]->network->name, machine->alias.network) == 0)
			return usage->networks.items[i];
	return NULL;
}

static int add_machines(struct usage *usage)
{
	int result = traffic_list(&usage->machines, &usage->n_machines);
	size_t n = 0;

	if (result < 0) {
		complain("the kernel does not tell its network devices: %s", strerror(-result));
		return FAILED;
	}
	for (size_t i = 0; i < usage->n_machines; i++)
		if (network_of(usage, &usage->machines[i]))
			usage->machines[n++] = usage->machines[i];
	usage->n_machines = n;
	return DONE;
}

int usage_take(struct vmnet_broker *broker, const char *network, struct usage *usage)
{
	int result;

	*usage = (struct usage){ 0 };
	result = inspections_take(broker, network, &usage->networks);
	return result == DONE ? add_machines(usage) : result;
}

void usage_clear(struct usage *usage)
{
	inspections_clear(&usage->networks);
	free(usage->machines);
	*usage = (struct usage){ 0 };
}

const char *usage_name(const struct usage *usage, const struct traffic *machine)
{
	const struct vmnet_broker_inspection *network = network_of(usage, machine);

	for (size_t i = 0; network && i < network->n_interfaces; i++)
		if (network->interfaces[i]->name &&
		    machine_has_mac(network->interfaces[i]->mac_address, &machine->alias.mac))
			return network->interfaces[i]->name;
	return network ? machine_hostname(network, &machine->alias.mac) : NULL;
}
