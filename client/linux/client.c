/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker on Linux: each call is one Varlink call, or a few of them, and waits for the
 * replies. The interface file, data/com.github.nirs.vmnetbroker.varlink, says
 * what is sent and received. Connecting is in connection.c, the calls about
 * events and interfaces in monitor.c and attach.c.
 */
#include <stdlib.h>

#include "decode.h"
#include "reconnect.h"

/* The end of a call whose reply was decoded: the status, and a sentence if it is no success. */
static vmnet_broker_return_t decoded(struct vmnet_broker *broker, vmnet_broker_return_t status,
				     const char *network)
{
	return status == VMNET_BROKER_SUCCESS
		       ? status
		       : vmnet_broker_failed(&broker->error, status, network);
}

vmnet_broker_return_t vmnet_broker_acquire(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_network **network)
{
	struct vmnet_broker_network *acquired = NULL;
	vmnet_broker_return_t status;
	json_t *reply;

	if (network)
		*network = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	if (broker->reconnect && !vmnet_broker_holds_reserve(&broker->holds))
		return vmnet_broker_failed(&broker->error, VMNET_BROKER_INTERNAL_ERROR, name);
	status = vmnet_broker_call(broker, INTERFACE "Acquire", json_pack("{s:s}", "network", name),
				   name, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_network(reply, &acquired), name);
	json_decref(reply);
	if (status == VMNET_BROKER_SUCCESS && broker->reconnect)
		vmnet_broker_holds_add(&broker->holds, acquired->name, name);
	if (network)
		*network = acquired;
	else
		vmnet_broker_network_free(acquired);
	return status;
}

/* The hold of the network that has this name as an alias, or NULL. */
static struct hold *find_by_alias(struct vmnet_broker *broker, const char *alias)
{
	struct hold *hold = NULL;
	const char *name;
	json_t *reply;

	if (vmnet_broker_call(broker, INTERFACE "DescribeNetwork",
			      json_pack("{s:s}", "network", alias), alias,
			      &reply) != VMNET_BROKER_SUCCESS)
		return NULL;
	name = json_string_value(json_object_get(json_object_get(reply, "configuration"), "name"));
	if (name)
		hold = vmnet_broker_holds_find(&broker->holds, name);
	json_decref(reply);
	return hold;
}

/* Forgets a hold, whichever of its network's names it was released by. */
static void forget_hold(struct vmnet_broker *broker, const char *name)
{
	struct hold *hold = vmnet_broker_holds_find(&broker->holds, name);

	if (!hold && broker->holds.n_items > 0)
		hold = find_by_alias(broker, name);
	if (hold)
		vmnet_broker_holds_remove(&broker->holds, hold);
}

vmnet_broker_return_t vmnet_broker_release(struct vmnet_broker *broker, const char *name)
{
	vmnet_broker_return_t status;
	json_t *reply;

	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = vmnet_broker_call(broker, INTERFACE "Release", json_pack("{s:s}", "network", name),
				   name, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	json_decref(reply);
	forget_hold(broker, name);
	return status;
}

/* Calls a method that lists, and takes all of its replies. network: as in vmnet_broker_call(). */
static vmnet_broker_return_t take_list(struct vmnet_broker *broker, const char *method,
				       const char *network, struct listed *listed)
{
	vmnet_broker_return_t added = VMNET_BROKER_SUCCESS;
	vmnet_broker_return_t status = vmnet_broker_send_call(
		broker, method, json_pack("{s:s*}", "network", network), true, network);

	do {
		json_t *reply;

		if (status == VMNET_BROKER_SUCCESS)
			status = vmnet_broker_receive_reply(broker, network, &reply);
		if (status != VMNET_BROKER_SUCCESS)
			return status;
		if (added == VMNET_BROKER_SUCCESS)
			added = vmnet_broker_listed_add(listed, reply);
		json_decref(reply);
	} while (broker->continues);
	return decoded(broker, added, network);
}

static vmnet_broker_return_t try_to_list(struct vmnet_broker *broker, void *context)
{
	vmnet_broker_listed_clear(context);
	return take_list(broker, INTERFACE "ListNetworks", NULL, context);
}

vmnet_broker_return_t vmnet_broker_list(struct vmnet_broker *broker,
					struct vmnet_broker_network ***networks, size_t *n_networks)
{
	struct listed listed = { .kind = LISTED_NETWORKS };
	vmnet_broker_return_t status = vmnet_broker_attempt(broker, try_to_list, &listed);

	*networks = NULL;
	*n_networks = 0;
	if (status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_listed_clear(&listed);
		return status;
	}
	*networks = (void *)listed.items;
	*n_networks = listed.n_items;
	return status;
}

/* All that an inspection is made of. */
struct inspected {
	const char *name;
	struct vmnet_broker_inspection *inspection; /* NULL until all has come */
	struct listed clients;
	struct listed interfaces;
	struct listed leases;
};

static void inspected_clear(struct inspected *inspected)
{
	vmnet_broker_listed_clear(&inspected->clients);
	vmnet_broker_listed_clear(&inspected->interfaces);
	vmnet_broker_listed_clear(&inspected->leases);
}

static vmnet_broker_return_t take_lists(struct vmnet_broker *broker, struct inspected *inspected)
{
	const char *name = inspected->name;
	vmnet_broker_return_t status =
		take_list(broker, INTERFACE "ListClients", name, &inspected->clients);

	if (status == VMNET_BROKER_SUCCESS)
		status =
			take_list(broker, INTERFACE "ListInterfaces", name, &inspected->interfaces);
	if (status == VMNET_BROKER_SUCCESS)
		status = take_list(broker, INTERFACE "ListLeases", name, &inspected->leases);
	return status;
}

/* Makes the inspection of the description and the lists. */
static vmnet_broker_return_t join(struct inspected *inspected, const json_t *description)
{
	struct vmnet_broker_inspection *inspection = calloc(1, sizeof(*inspection));
	vmnet_broker_return_t status;

	if (!inspection)
		return VMNET_BROKER_INTERNAL_ERROR;
	status = vmnet_broker_decode_network(description, &inspection->network);
	if (status != VMNET_BROKER_SUCCESS) {
		free(inspection);
		return status;
	}
	inspection->rogue_packets = vmnet_broker_decode_rogue_packets(description);
	inspection->clients = (void *)inspected->clients.items;
	inspection->n_clients = inspected->clients.n_items;
	inspection->interfaces = (void *)inspected->interfaces.items;
	inspection->n_interfaces = inspected->interfaces.n_items;
	inspection->leases = (void *)inspected->leases.items;
	inspection->n_leases = inspected->leases.n_items;
	inspected->inspection = inspection;
	return status;
}

static vmnet_broker_return_t try_to_inspect(struct vmnet_broker *broker, void *context)
{
	struct inspected *inspected = context;
	const char *name = inspected->name;
	vmnet_broker_return_t status;
	json_t *description;

	status = vmnet_broker_call_once(broker, INTERFACE "DescribeNetwork",
					json_pack("{s:s}", "network", name), name, &description);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = take_lists(broker, inspected);
	if (status == VMNET_BROKER_SUCCESS)
		status = decoded(broker, join(inspected, description), name);
	if (status != VMNET_BROKER_SUCCESS)
		inspected_clear(inspected);
	json_decref(description);
	return status;
}

vmnet_broker_return_t vmnet_broker_inspect(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_inspection **inspection)
{
	struct inspected inspected = {
		.name = name,
		.clients = { .kind = LISTED_CLIENTS },
		.interfaces = { .kind = LISTED_INTERFACES },
		.leases = { .kind = LISTED_LEASES },
	};
	vmnet_broker_return_t status;

	*inspection = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = vmnet_broker_attempt(broker, try_to_inspect, &inspected);
	*inspection = inspected.inspection;
	return status;
}

vmnet_broker_return_t vmnet_broker_reload(struct vmnet_broker *broker)
{
	vmnet_broker_return_t status;
	json_t *reply;

	status = vmnet_broker_call(broker, INTERFACE "Reload", json_object(), NULL, &reply);
	if (status == VMNET_BROKER_SUCCESS)
		json_decref(reply);
	return status;
}
