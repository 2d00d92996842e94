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

json_t *json_text(const char *text)
{
	json_t *value = text ? json_string(text) : json_null();

	return value ? value : readable(text);
}

/* Of what the broker has written as JSON; null where there is none. */
static json_t *json_parsed(const char *text)
{
	return text ? json_loads(text, 0, NULL) : json_null();
}

/* rogue_packets: -1: not known */
static json_t *json_state(const struct vmnet_broker_network *network, int64_t rogue_packets)
{
	if (!network->active)
		return json_null();
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:I, s:o, s:I, s:I, s:o, s:o}", "ipv4Subnet",
		json_text(network->ipv4_subnet), "ipv4Gateway", json_text(network->ipv4_gateway),
		"ipv6Prefix", json_text(network->ipv6_prefix), "ipv6Gateway",
		json_text(network->ipv6_gateway), "mtu", (json_int_t)network->mtu, "bridge",
		json_text(network->bridge), "clients", (json_int_t)network->clients, "interfaces",
		(json_int_t)network->interfaces, "fault", json_text(network->fault), "roguePackets",
		rogue_packets >= 0 ? json_integer(rogue_packets) : json_null());
}

static json_t *json_network(const struct vmnet_broker_network *network, int64_t rogue_packets)
{
	return json_pack("{s:o, s:o, s:b, s:o}", "configuration",
			 json_parsed(network->configuration), "nextConfiguration",
			 json_parsed(network->next_configuration), "removed", network->removed,
			 "state", json_state(network, rogue_packets));
}

static json_t *json_client(const struct vmnet_broker_client *client)
{
	return json_pack("{s:I, s:I, s:o}", "pid", (json_int_t)client->pid, "uid",
			 (json_int_t)client->uid, "command", json_text(client->command));
}

json_t *json_timestamp(int64_t seconds)
{
	return seconds ? json_integer(seconds * INT64_C(1000000)) : json_null();
}

static json_t *json_forwarding(const struct vmnet_broker_port_forwarding *forwarding)
{
	static const char *const protocols[] = {
		[VMNET_BROKER_TCP] = "tcp",
		[VMNET_BROKER_UDP] = "udp",
		[VMNET_BROKER_TCP_AND_UDP] = "both",
	};
	const char *external = forwarding->external_address;
	const char *internal = forwarding->internal_address;

	return json_pack("{s:s, s:o, s:i, s:o, s:i, s:i}", "protocol",
			 protocols[forwarding->protocol], "externalAddress",
			 json_text(external[0] != '\0' ? external : NULL), "externalPort",
			 (int)forwarding->external_port, "internalAddress",
			 json_text(internal[0] != '\0' ? internal : NULL), "internalPort",
			 (int)forwarding->internal_port, "count", (int)forwarding->count);
}

json_t *json_forwardings(const struct vmnet_broker_interface *interface)
{
	json_t *list = json_array();

	for (size_t i = 0; i < interface->n_port_forwardings; i++) {
		if (json_array_append_new(list, json_forwarding(&interface->port_forwardings[i])) ==
		    0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

json_t *json_rate_limit(const struct vmnet_broker_rate_limit *limit)
{
	if (!limit || limit->bits_per_second == 0)
		return json_null();
	return json_pack("{s:I, s:I}", "bitsPerSecond", (json_int_t)limit->bits_per_second,
			 "burstBytes", (json_int_t)limit->burst_bytes);
}

static json_t *json_interface(const struct vmnet_broker_interface *interface)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:I, s:o}", "device",
		json_text(interface->device), "name", json_text(interface->name), "macAddress",
		json_text(interface->mac_address), "ipv4Address",
		json_text(interface->ipv4_address), "ipv6Address",
		json_text(interface->ipv6_address), "portForwarding", json_forwardings(interface),
		"rateLimitIn", json_rate_limit(&interface->rate_limit_in), "rateLimitOut",
		json_rate_limit(&interface->rate_limit_out), "mtu", (json_int_t)interface->mtu,
		"vnetHeader", interface->vnet_header, "uid", (json_int_t)interface->uid,
		"attachedTimestamp", json_timestamp(interface->attached));
}

static json_t *json_lease(const struct vmnet_broker_lease *lease)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "macAddress", json_text(lease->mac_address),
			 "address", json_text(lease->address), "hostname",
			 json_text(lease->hostname), "expiresTimestamp",
			 json_timestamp(lease->expires));
}

json_t *json_networks(struct vmnet_broker_network *const *networks, size_t n_networks)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n_networks; i++) {
		if (json_array_append_new(array, json_network(networks[i], -1)) == 0)
			continue;
		json_decref(array);
		return NULL;
	}
	return json_pack("{s:o}", "networks", array);
}

json_t *json_inspection(const struct vmnet_broker_inspection *inspection)
{
	json_t *clients = json_array(), *interfaces = json_array(), *leases = json_array();
	json_t *described = json_network(inspection->network, inspection->rogue_packets);
	int failed = 0;

	for (size_t i = 0; i < inspection->n_clients; i++)
		failed |= json_array_append_new(clients, json_client(inspection->clients[i]));
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		failed |= json_array_append_new(interfaces,
						json_interface(inspection->interfaces[i]));
	for (size_t i = 0; i < inspection->n_leases; i++)
		failed |= json_array_append_new(leases, json_lease(inspection->leases[i]));
	failed |= json_object_set_new(described, "clients", clients);
	failed |= json_object_set_new(described, "interfaces", interfaces);
	failed |= json_object_set_new(described, "leases", leases);
	if (!failed)
		return described;
	json_decref(described);
	return NULL;
}

json_t *json_event(const struct vmnet_broker_event *event)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "type",
			 vmnet_broker_event_name(event->type), "network", json_text(event->network),
			 "interface",
			 event->interface ? json_interface(event->interface) : json_null(),
			 "client", event->client ? json_client(event->client) : json_null(),
			 "lease", event->lease ? json_lease(event->lease) : json_null(), "fault",
			 json_text(event->fault));
}

int json_write(json_t *value, size_t flags, FILE *stream)
{
	int written = -1;

	if (value)
		written = json_dumpf(value, stream, flags | JSON_ENSURE_ASCII);
	json_decref(value);
	/* A standard output that takes nothing is found out by main(). */
	if (written < 0 && !ferror(stream)) {
		complain("out of memory");
		return FAILED;
	}
	(void)fputc('\n', stream);
	return DONE;
}
