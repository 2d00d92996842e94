/* SPDX-License-Identifier: Apache-2.0 */
#include "inspections.h"

#include <stdlib.h>

#include "text.h"
#include "vmnetctl.h"

/* One that has left the configuration since it was listed is no error. */
static int add(struct vmnet_broker *broker, const char *name, bool is_listed,
	       struct inspections *inspections)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, name, &inspection);

	if (status == VMNET_BROKER_SUCCESS)
		inspections->items[inspections->n_items++] = inspection;
	else if (!is_listed || status != VMNET_BROKER_NOT_FOUND)
		return complain_of(broker, status);
	return DONE;
}

static int make_room(struct inspections *inspections, size_t n)
{
	inspections->items = calloc(n + 1, sizeof(struct vmnet_broker_inspection *));
	if (inspections->items)
		return DONE;
	complain("out of memory");
	return FAILED;
}

static int add_all(struct vmnet_broker *broker, struct inspections *inspections)
{
	struct vmnet_broker_network **networks;
	size_t n_networks;
	vmnet_broker_return_t status = vmnet_broker_list(broker, &networks, &n_networks);
	int result;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = make_room(inspections, n_networks);
	for (size_t i = 0; i < n_networks && result == DONE; i++)
		result = add(broker, networks[i]->name, true, inspections);
	vmnet_broker_networks_free(networks, n_networks);
	return result;
}

int inspections_take(struct vmnet_broker *broker, const char *network,
		     struct inspections *inspections)
{
	int result;

	*inspections = (struct inspections){ 0 };
	if (!network)
		return add_all(broker, inspections);
	result = make_room(inspections, 1);
	return result == DONE ? add(broker, network, false, inspections) : result;
}

void inspections_clear(struct inspections *inspections)
{
	for (size_t i = 0; i < inspections->n_items; i++)
		vmnet_broker_inspection_free(inspections->items[i]);
	free(inspections->items);
	*inspections = (struct inspections){ 0 };
}
