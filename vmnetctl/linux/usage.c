/* SPDX-License-Identifier: Apache-2.0 */
#include "usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* One that has left the configuration since it was listed is no error. */
static int add_network(struct vmnet_broker *broker, const char *name, bool is_listed,
		       struct usage *usage)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, name, &inspection);

	if (status == VMNET_BROKER_SUCCESS)
		usage->networks[usage->n_networks++] = inspection;
	else if (!is_listed || status != VMNET_BROKER_NOT_FOUND)
		return complain_of(broker, status);
	return DONE;
}

static int make_room(struct usage *usage, size_t n)
{
	usage->networks = calloc(n + 1, sizeof(*usage->networks));
	if (usage->networks)
		return DONE;
	complain("out of memory");
	return FAILED;
}

static int add_all_networks(struct vmnet_broker *broker, struct usage *usage)
{
	struct vmnet_broker_network **networks;
	size_t n_networks;
	vmnet_broker_return_t status = vmnet_broker_list(broker, &networks, &n_networks);
	int result;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = make_room(usage, n_networks);
	for (size_t i = 0; i < n_networks && result == DONE; i++)
		result = add_network(broker, networks[i]->name, true, usage);
	vmnet_broker_networks_free(networks, n_networks);
	return result;
}

static const struct vmnet_broker_inspection *network_of(const struct usage *usage,
							const struct traffic *machine)
{
	for (size_t i = 0; i < usage->n_networks; i++)
		if (strcmp(usage->networks[i]->network->name, machine->alias.network) == 0)
			return usage->networks[i];
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
	if (network) {
		result = make_room(usage, 1);
		if (result == DONE)
			result = add_network(broker, network, false, usage);
	} else {
		result = add_all_networks(broker, usage);
	}
	return result == DONE ? add_machines(usage) : result;
}

void usage_clear(struct usage *usage)
{
	for (size_t i = 0; i < usage->n_networks; i++)
		vmnet_broker_inspection_free(usage->networks[i]);
	free(usage->networks);
	free(usage->machines);
	*usage = (struct usage){ 0 };
}

static bool has_address(const char *text, const struct traffic *machine)
{
	struct mac_address mac;

	return mac_address_parse(text, &mac) == 0 && mac_address_equal(&mac, &machine->alias.mac);
}

const char *usage_name(const struct usage *usage, const struct traffic *machine)
{
	const struct vmnet_broker_inspection *network = network_of(usage, machine);

	for (size_t i = 0; network && i < network->n_interfaces; i++)
		if (network->interfaces[i]->name &&
		    has_address(network->interfaces[i]->mac_address, machine))
			return network->interfaces[i]->name;
	for (size_t i = 0; network && i < network->n_leases; i++)
		if (network->leases[i]->hostname &&
		    has_address(network->leases[i]->mac_address, machine))
			return network->leases[i]->hostname;
	return NULL;
}
