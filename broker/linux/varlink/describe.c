/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what data/com.github.nirs.vmnetbroker.varlink declares, error names included. */
#include "describe.h"

#include <string.h>

#include "base/json_text.h"

/* Sentences are cut where their buffers end, which may be within a character. */
static json_t *text_or_null(const char *text)
{
	size_t length = text ? strlen(text) : 0;
	json_t *json = NULL;

	for (size_t cut = 0; text && !json && cut < 4 && cut <= length; cut++)
		json = json_stringn(text, length - cut);
	return json;
}

/* What is empty is left out. */
static const char *optional(const char *text)
{
	return text && text[0] != '\0' ? text : NULL;
}

json_t *describe_network(const struct network_info *info)
{
	const struct network_config *config = info->config;
	const struct network *network = info->network;
	struct network_addresses addresses = { .mtu = config->mtu };
	char subnet[IPV4_SUBNET_TEXT_SIZE] = "";
	char gateway[INET_ADDRSTRLEN] = "";
	char prefix[IPV6_PREFIX_TEXT_SIZE] = "";

	if (network)
		addresses = network->addresses;
	if (addresses.ipv4_subnet.length > 0) {
		ipv4_subnet_format(&addresses.ipv4_subnet, subnet);
		inet_ntop(AF_INET, &addresses.ipv4_gateway, gateway, sizeof(gateway));
	}
	if (addresses.ipv6_prefix.length > 0)
		ipv6_prefix_format(&addresses.ipv6_prefix, prefix);
	return json_pack("{s:s, s:s*, s:s, s:b, s:s*, s:s*, s:s*, s:I, s:s*, s:I, s:I, s:b}",
			 "name", config->name, "description", config->description, "mode",
			 network_mode_name(config->mode), "active", network != NULL, "ipv4_subnet",
			 optional(subnet), "ipv4_gateway", optional(gateway), "ipv6_prefix",
			 optional(prefix), "mtu", (json_int_t)addresses.mtu, "bridge",
			 optional(addresses.bridge), "clients", (json_int_t)info->n_clients,
			 "interfaces", (json_int_t)info->n_interfaces, "changed", info->changed);
}

json_t *describe_interface(const struct interface *interface)
{
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:I, s:b}", "name", interface->name, "mac_address",
			 mac_address_format(&interface->mac, mac), "mtu",
			 (json_int_t)interface->network->addresses.mtu, "vnet_header", true);
}

static json_t *describe_client(const struct client *client)
{
	const struct credentials *credentials = &client->credentials;

	return json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)credentials->pid, "uid",
			 (json_int_t)credentials->uid, "command", credentials->command);
}

static json_t *describe_lease(const struct lease *lease)
{
	char mac[MAC_TEXT_SIZE];
	json_t *expires = lease->expires > 0 ? json_integer(lease->expires) : NULL;

	return json_pack("{s:s, s:s, s:o*, s:o*}", "mac_address",
			 mac_address_format(&lease->mac, mac), "address", lease->address,
			 "hostname", text_or_null(optional(lease->hostname)), "expires", expires);
}

json_t *describe_event(const struct event *event)
{
	return json_pack("{s:s, s:s, s:o*, s:o*, s:o*}", "type", event_type_name(event->type),
			 "network", event->network->config->name, "interface",
			 event->interface ? describe_interface(event->interface) : NULL, "client",
			 event->client ? describe_client(event->client) : NULL, "lease",
			 event->lease ? describe_lease(event->lease) : NULL);
}

/* Appends item, or gives list up when one of them is missing: returns the list or NULL. */
static json_t *appended(json_t *list, json_t *item)
{
	if (json_array_append_new(list, item) == 0)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *describe_clients(const struct network *network)
{
	json_t *list = json_array();

	for (const struct hold *hold = network ? network->holds : NULL; hold && list;
	     hold = hold->next_on_network)
		list = appended(list, describe_client(hold->client));
	return list;
}

/* Those that have a device. */
static json_t *describe_interfaces(const struct network *network)
{
	json_t *list = json_array();

	for (const struct interface *i = network ? network->interfaces : NULL; i && list;
	     i = i->next)
		if (i->state != INTERFACE_ATTACHING)
			list = appended(list, describe_interface(i));
	return list;
}

static json_t *describe_leases(const struct network *network)
{
	json_t *list = json_array();

	for (const struct lease *lease = network ? network->leases : NULL; lease && list;
	     lease = lease->next)
		list = appended(list, describe_lease(lease));
	return list;
}

json_t *describe_inspection(const struct network_info *info, int64_t rogue_packets)
{
	const struct network *network = info->network;
	json_t *rogue = rogue_packets >= 0 ? json_integer(rogue_packets) : NULL;

	return json_pack("{s:o, s:o, s:o, s:o, s:o*, s:o*}", "network", describe_network(info),
			 "clients", describe_clients(network), "interfaces",
			 describe_interfaces(network), "leases", describe_leases(network), "fault",
			 text_or_null(network ? network->fault : NULL), "rogue_packets", rogue);
}

static const struct {
	const char *name;
	bool names_network; /* its parameters always do */
} errors[] = {
	[ERROR_NETWORK_NOT_FOUND] = { PROTOCOL_INTERFACE ".NetworkNotFound", true },
	[ERROR_NOT_ALLOWED] = { PROTOCOL_INTERFACE ".NotAllowed", true },
	[ERROR_NOT_ACQUIRED] = { PROTOCOL_INTERFACE ".NotAcquired", true },
	[ERROR_CREATE_FAILED] = { PROTOCOL_INTERFACE ".CreateFailed", true },
	[ERROR_LIMIT_EXCEEDED] = { PROTOCOL_INTERFACE ".LimitExceeded", false },
	[ERROR_INVALID_CONFIGURATION] = { PROTOCOL_INTERFACE ".InvalidConfiguration", false },
	[ERROR_INVALID_PARAMETER] = { PROTOCOL_INTERFACE ".ParameterRefused", false },
	[ERROR_INTERNAL] = { PROTOCOL_INTERFACE ".Internal", false },
};

json_t *describe_error(const struct error *error, const char *network)
{
	json_t *limit = error->limit ? json_string(error->limit) : NULL;
	json_t *value = error->limit ? json_integer(error->value) : NULL;

	if (!errors[error->code].names_network)
		network = NULL;
	return json_pack("{s:s, s:{s:s*, s:o*, s:o*, s:s*, s:o}}", "error",
			 errors[error->code].name, "parameters", "network", network, "limit", limit,
			 "value", value, "parameter", error->parameter, "reason",
			 text_or_null(error->reason));
}

char *describe_error_text(const struct error *error)
{
	json_t *message = describe_error(error, "");
	char *text = json_text_dump(message, JSON_COMPACT);

	json_decref(message);
	return text;
}
