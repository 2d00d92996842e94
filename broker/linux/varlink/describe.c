/* SPDX-License-Identifier: Apache-2.0 */
/* Writes what data/com.github.nirs.vmnetbroker.varlink declares, error names included. */
#include "describe.h"

#include <string.h>

#include "base/json_text.h"
#include "config/describe.h"

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

/* What an active network is now. rogue_packets: -1 leaves them out. */
static json_t *describe_state(const struct network_info *info, int64_t rogue_packets)
{
	const struct network_addresses *addresses = &info->network->addresses;
	char subnet[IPV4_SUBNET_TEXT_SIZE] = "";
	char ipv4_gateway[INET_ADDRSTRLEN] = "";
	char prefix[IPV6_PREFIX_TEXT_SIZE] = "";
	char ipv6_gateway[INET6_ADDRSTRLEN] = "";

	if (addresses->ipv4_subnet.length > 0) {
		ipv4_subnet_format(&addresses->ipv4_subnet, subnet);
		inet_ntop(AF_INET, &addresses->ipv4_gateway, ipv4_gateway, sizeof(ipv4_gateway));
	}
	if (addresses->ipv6_prefix.length > 0)
		ipv6_prefix_format(&addresses->ipv6_prefix, prefix);
	if (!IN6_IS_ADDR_UNSPECIFIED(&addresses->ipv6_gateway))
		inet_ntop(AF_INET6, &addresses->ipv6_gateway, ipv6_gateway, sizeof(ipv6_gateway));
	return json_pack("{s:s*, s:s*, s:s*, s:s*, s:I, s:s*, s:I, s:I, s:o*, s:o*}", "ipv4Subnet",
			 optional(subnet), "ipv4Gateway", optional(ipv4_gateway), "ipv6Prefix",
			 optional(prefix), "ipv6Gateway", optional(ipv6_gateway), "mtu",
			 (json_int_t)addresses->mtu, "bridge", optional(addresses->bridge),
			 "clients", (json_int_t)info->n_clients, "interfaces",
			 (json_int_t)info->n_interfaces, "fault",
			 text_or_null(info->network->fault), "roguePackets",
			 rogue_packets >= 0 ? json_integer(rogue_packets) : NULL);
}

json_t *describe_network(const struct network_info *info, int64_t rogue_packets)
{
	json_t *next = info->next ? network_config_describe(info->next) : json_null();
	json_t *state = info->network ? describe_state(info, rogue_packets) : json_null();

	return json_pack("{s:o, s:o, s:b, s:o}", "configuration",
			 network_config_describe(info->config), "nextConfiguration", next,
			 "removed", info->removed, "state", state);
}

json_t *describe_interface(const struct interface *interface)
{
	const struct interface_options *options = &interface->options;
	char mac[MAC_TEXT_SIZE];
	char ipv4[INET_ADDRSTRLEN] = "";
	char ipv6[INET6_ADDRSTRLEN] = "";

	if (options->has_ipv4)
		inet_ntop(AF_INET, &options->ipv4, ipv4, sizeof(ipv4));
	if (options->has_ipv6)
		inet_ntop(AF_INET6, &options->ipv6, ipv6, sizeof(ipv6));
	return json_pack(
		"{s:s, s:s*, s:s, s:s*, s:s*, s:o, s:o*, s:o*, s:I, s:b, s:I, s:I}", "device",
		interface->name, "name", optional(options->name), "macAddress",
		mac_address_format(&interface->mac, mac), "ipv4Address", optional(ipv4),
		"ipv6Address", optional(ipv6), "portForwarding",
		port_forwardings_describe(options->port_forwardings, options->n_port_forwardings),
		"rateLimitIn", rate_limit_describe(&options->rate_in), "rateLimitOut",
		rate_limit_describe(&options->rate_out), "mtu",
		(json_int_t)interface->network->addresses.mtu, "vnetHeader", true, "uid",
		(json_int_t)interface->owner, "attachedTimestamp", (json_int_t)interface->attached);
}

json_t *describe_client(const struct client *client)
{
	const struct credentials *credentials = &client->credentials;

	return json_pack("{s:I, s:I, s:s}", "pid", (json_int_t)credentials->pid, "uid",
			 (json_int_t)credentials->uid, "command", credentials->command);
}

json_t *describe_lease(const struct lease *lease)
{
	char mac[MAC_TEXT_SIZE];
	json_t *expires =
		lease->expires > 0 ? json_integer(lease->expires * INT64_C(1000000)) : NULL;

	return json_pack("{s:s, s:s, s:o*, s:o*}", "macAddress",
			 mac_address_format(&lease->mac, mac), "address", lease->address,
			 "hostname", text_or_null(optional(lease->hostname)), "expiresTimestamp",
			 expires);
}

json_t *describe_event(const struct event *event)
{
	return json_pack("{s:s, s:s, s:o*, s:o*, s:o*, s:o*}", "type", event_type_name(event->type),
			 "network", event->network->config->name, "interface",
			 event->interface ? describe_interface(event->interface) : NULL, "client",
			 event->client ? describe_client(event->client) : NULL, "lease",
			 event->lease ? describe_lease(event->lease) : NULL, "fault",
			 text_or_null(event->fault));
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
	[ERROR_ENDED] = { PROTOCOL_INTERFACE ".Ended", true },
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
