/* SPDX-License-Identifier: Apache-2.0 */
/* The part of libvmnet-broker that knows no system: its structures and sentences. */
#include "common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const event_names[] = {
	[VMNET_BROKER_NETWORK_CREATED] = "network_created",
	[VMNET_BROKER_NETWORK_REMOVED] = "network_removed",
	[VMNET_BROKER_CLIENT_ACQUIRED] = "client_acquired",
	[VMNET_BROKER_CLIENT_RELEASED] = "client_released",
	[VMNET_BROKER_INTERFACE_ATTACHED] = "interface_attached",
	[VMNET_BROKER_INTERFACE_DETACHED] = "interface_detached",
	[VMNET_BROKER_LEASE_ADDED] = "lease_added",
	[VMNET_BROKER_LEASE_REMOVED] = "lease_removed",
	[VMNET_BROKER_NETWORK_FAULTED] = "network_faulted",
	[VMNET_BROKER_NETWORK_MENDED] = "network_mended",
};

#define N_EVENTS ((int)(sizeof(event_names) / sizeof(event_names[0])))

static const char *const statuses[] = {
	[VMNET_BROKER_SUCCESS] = "success",
	[VMNET_BROKER_XPC_FAILURE] = "the broker cannot be reached, or has ended the connection",
	[VMNET_BROKER_INVALID_REPLY] =
		"the broker's reply is not understood; it may be of another version",
	[VMNET_BROKER_NOT_ALLOWED] = "this user is not allowed to do that",
	[VMNET_BROKER_INVALID_REQUEST] = "the request is not valid",
	[VMNET_BROKER_NOT_FOUND] = "no such network is configured",
	[VMNET_BROKER_CREATE_FAILURE] = "the network or interface cannot be created",
	[VMNET_BROKER_INTERNAL_ERROR] = "out of memory, or a limit was reached",
	/* VMNET_BROKER_ENDED, of Linux alone: clients on macOS know the others, and no more. */
	[8] = "somebody has ended a network that was held",
};

#define N_STATUSES (sizeof(statuses) / sizeof(statuses[0]))

const char *vmnet_broker_strerror(vmnet_broker_return_t status)
{
	return (unsigned int)status < N_STATUSES ? statuses[status] : "unknown status";
}

const char *vmnet_broker_event_name(enum vmnet_broker_event_type type)
{
	if (type == VMNET_BROKER_RECONNECTED)
		return "reconnected"; /* the library's own: the protocol has no such name */
	return (int)type >= 0 && (int)type < N_EVENTS ? event_names[type] : "unknown";
}

enum vmnet_broker_event_type vmnet_broker_event_type(const char *name)
{
	for (int type = 0; type < N_EVENTS; type++)
		if (strcmp(name, event_names[type]) == 0)
			return (enum vmnet_broker_event_type)type;
	return VMNET_BROKER_EVENT_UNKNOWN;
}

void vmnet_broker_set_error(char **error, const char *format, ...)
{
	char *text;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	free(*error);
	*error = text;
}

vmnet_broker_return_t vmnet_broker_failed(char **error, vmnet_broker_return_t status,
					  const char *network)
{
	if (network)
		vmnet_broker_set_error(error, "network \"%s\": %s", network,
				       vmnet_broker_strerror(status));
	else
		vmnet_broker_set_error(error, "%s", vmnet_broker_strerror(status));
	return status;
}

void vmnet_broker_set_reason(char **error, const char *reason, const char *network)
{
	char quoted[NETWORK_NAME_MAX + sizeof("\"\"")];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", network ? network : "");
	if (network && !strstr(reason, quoted))
		vmnet_broker_set_error(error, "network \"%s\": %s", network, reason);
	else
		vmnet_broker_set_error(error, "%s", reason);
}

bool vmnet_broker_check_name(char **error, const char *name)
{
	/* Checked here, too: what is no name need not be text that can be sent. */
	if (network_name_is_valid(name))
		return true;
	vmnet_broker_set_error(error,
			       "\"%s\" is no network name: it is 1 to 63 of a-z A-Z 0-9 . _ - and "
			       "starts with a letter or digit",
			       name ? name : "");
	return false;
}

void vmnet_broker_network_free(struct vmnet_broker_network *network)
{
	if (!network)
		return;
	free(network->name);
	free(network->description);
	free(network->ipv4_subnet);
	free(network->ipv4_gateway);
	free(network->ipv6_prefix);
	free(network->ipv6_gateway);
	free(network->bridge);
	free(network->fault);
	free(network->configuration);
	free(network->next_configuration);
	free(network);
}

void vmnet_broker_interface_free(struct vmnet_broker_interface *interface)
{
	if (!interface)
		return;
	free(interface->device);
	free(interface->name);
	free(interface->mac_address);
	free(interface->ipv4_address);
	free(interface->ipv6_address);
	free(interface->port_forwardings);
	free(interface);
}

void vmnet_broker_client_free(struct vmnet_broker_client *client)
{
	if (!client)
		return;
	free(client->command);
	free(client);
}

void vmnet_broker_lease_free(struct vmnet_broker_lease *lease)
{
	if (!lease)
		return;
	free(lease->mac_address);
	free(lease->address);
	free(lease->hostname);
	free(lease);
}

void vmnet_broker_networks_free(struct vmnet_broker_network **networks, size_t n_networks)
{
	if (!networks)
		return;
	for (size_t i = 0; i < n_networks; i++)
		vmnet_broker_network_free(networks[i]);
	free(networks);
}

void vmnet_broker_inspection_free(struct vmnet_broker_inspection *inspection)
{
	if (!inspection)
		return;
	vmnet_broker_network_free(inspection->network);
	for (size_t i = 0; i < inspection->n_clients; i++)
		vmnet_broker_client_free(inspection->clients[i]);
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		vmnet_broker_interface_free(inspection->interfaces[i]);
	for (size_t i = 0; i < inspection->n_leases; i++)
		vmnet_broker_lease_free(inspection->leases[i]);
	free(inspection->clients);
	free(inspection->interfaces);
	free(inspection->leases);
	free(inspection);
}

void vmnet_broker_event_free(struct vmnet_broker_event *event)
{
	if (!event)
		return;
	vmnet_broker_interface_free(event->interface);
	vmnet_broker_client_free(event->client);
	vmnet_broker_lease_free(event->lease);
	free(event->network);
	free(event->fault);
	free(event);
}
