/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker on Linux: each call is one Varlink call, and waits for its
 * reply. The interface file, data/com.github.nirs.vmnetbroker.varlink, says
 * what is sent and received. Connecting is in connection.c, the calls about
 * events and interfaces in monitor.c and attach.c.
 */
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
	status = decoded(broker,
			 vmnet_broker_decode_network(json_object_get(reply, "network"), &acquired),
			 name);
	json_decref(reply);
	if (status == VMNET_BROKER_SUCCESS && broker->reconnect)
		vmnet_broker_holds_add(&broker->holds, acquired->name, name);
	if (network)
		*network = acquired;
	else
		vmnet_broker_network_free(acquired);
	return status;
}

/* Forgets a hold, whichever of its network's names it was released by. */
static void forget_hold(struct vmnet_broker *broker, const char *name)
{
	struct vmnet_broker_inspection *inspection;
	struct hold *hold = vmnet_broker_holds_find(&broker->holds, name);

	if (!hold && broker->holds.n_items > 0 &&
	    vmnet_broker_inspect(broker, name, &inspection) == VMNET_BROKER_SUCCESS) {
		hold = vmnet_broker_holds_find(&broker->holds, inspection->network->name);
		vmnet_broker_inspection_free(inspection);
	}
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

vmnet_broker_return_t vmnet_broker_list(struct vmnet_broker *broker,
					struct vmnet_broker_network ***networks, size_t *n_networks)
{
	vmnet_broker_return_t status;
	json_t *reply;

	*networks = NULL;
	*n_networks = 0;
	status = vmnet_broker_call(broker, INTERFACE "ListNetworks", json_object(), NULL, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_networks(reply, networks, n_networks), NULL);
	json_decref(reply);
	return status;
}

vmnet_broker_return_t vmnet_broker_inspect(struct vmnet_broker *broker, const char *name,
					   struct vmnet_broker_inspection **inspection)
{
	vmnet_broker_return_t status;
	json_t *reply;

	*inspection = NULL;
	if (!vmnet_broker_check_name(&broker->error, name))
		return VMNET_BROKER_INVALID_REQUEST;
	status = vmnet_broker_call(broker, INTERFACE "Inspect", json_pack("{s:s}", "network", name),
				   name, &reply);
	if (status != VMNET_BROKER_SUCCESS)
		return status;
	status = decoded(broker, vmnet_broker_decode_inspection(reply, inspection), name);
	json_decref(reply);
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
