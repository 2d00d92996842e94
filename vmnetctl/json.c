/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain structures to JSON, by json_pack(): which takes the references that it is given also when
 * it fails, and fails when one of them is NULL.
 */
#include "json.h"

#include <stdlib.h>

#include "text.h"
#include "vmnetctl.h"

/* Text that is not UTF-8 (a command's name may be anything) is written as it is on a terminal. */
static json_t *readable(const char *text)
{
	json_t *value = NULL;
	char *escaped = NULL;
	size_t size;
	FILE *stream = open_memstream(&escaped, &size);

	if (!stream)
		return NULL;
	(void)text_write(stream, text, "");
	if (fclose(stream) == 0)
		value = json_string(escaped);
	free(escaped);
	return value;
}

static json_t *json_text(const char *text)
{
	json_t *value = text ? json_string(text) : json_null();

	return value ? value : readable(text);
}

static json_t *json_network(const struct vmnet_broker_network *network)
{
	return json_pack(
		"{s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:b}", "name",
		json_text(network->name), "description", json_text(network->description), "mode",
		mode_name(network->mode), "active", network->active, "ipv4_subnet",
		json_text(network->ipv4_subnet), "ipv4_gateway", json_text(network->ipv4_gateway),
		"ipv6_prefix", json_text(network->ipv6_prefix), "mtu", (json_int_t)network->mtu,
		"bridge", json_text(network->bridge), "clients", (json_int_t)network->clients,
		"interfaces", (json_int_t)network->interfaces, "changed", network->changed);
}

static json_t *json_client(const struct vmnet_broker_client *client)
{
	return json_pack("{s:I, s:I, s:o}", "pid", (json_int_t)client->pid, "uid",
			 (json_int_t)client->uid, "command", json_text(client->command));
}

static json_t *json_interface(const struct vmnet_broker_interface *interface)
{
	return json_pack("{s:o, s:o, s:I, s:b}", "name", json_text(interface->name), "mac_address",
			 json_text(interface->mac_address), "mtu", (json_int_t)interface->mtu,
			 "vnet_header", interface->vnet_header);
}

static json_t *json_lease(const struct vmnet_broker_lease *lease)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "mac_address", json_text(lease->mac_address),
			 "address", json_text(lease->address), "hostname",
			 json_text(lease->hostname), "expires",
			 lease->expires ? json_integer(lease->expires) : json_null());
}

json_t *json_networks(struct vmnet_broker_network *const *networks, size_t n_networks)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n_networks; i++) {
		if (json_array_append_new(array, json_network(networks[i])) == 0)
			continue;
		json_decref(array);
		return NULL;
	}
	return json_pack("{s:o}", "networks", array);
}

json_t *json_inspection(const struct vmnet_broker_inspection *inspection)
{
	json_t *clients = json_array(), *interfaces = json_array(), *leases = json_array();
	int64_t rogue = inspection->rogue_packets;
	int failed = 0;

	for (size_t i = 0; i < inspection->n_clients; i++)
		failed |= json_array_append_new(clients, json_client(inspection->clients[i]));
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		failed |= json_array_append_new(interfaces,
						json_interface(inspection->interfaces[i]));
	for (size_t i = 0; i < inspection->n_leases; i++)
		failed |= json_array_append_new(leases, json_lease(inspection->leases[i]));
	if (!failed)
		return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "network",
				 json_network(inspection->network), "clients", clients,
				 "interfaces", interfaces, "leases", leases, "fault",
				 json_text(inspection->fault), "rogue_packets",
				 rogue >= 0 ? json_integer(rogue) : json_null());
	json_decref(clients);
	json_decref(interfaces);
	json_decref(leases);
	return NULL;
}

json_t *json_event(const struct vmnet_broker_event *event)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o}", "type", vmnet_broker_event_name(event->type),
			 "network", json_text(event->network), "interface",
			 event->interface ? json_interface(event->interface) : json_null(),
			 "client", event->client ? json_client(event->client) : json_null(),
			 "lease", event->lease ? json_lease(event->lease) : json_null());
}

int json_print(json_t *value, size_t flags)
{
	int printed = -1;

	if (value)
		printed = json_dumpf(value, stdout, flags | JSON_ENSURE_ASCII);
	json_decref(value);
	/* A standard output that takes nothing is found out by main(). */
	if (printed < 0 && !ferror(stdout)) {
		complain("out of memory");
		return FAILED;
	}
	(void)putchar('\n');
	return DONE;
}
