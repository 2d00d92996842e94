/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decoder goes through an object member by member and remembers the first thing that went wrong:
 * after that it only gives empty values, so that a structure can be filled without a look at each
 * of its members.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MICROSECONDS INT64_C(1000000) /* of a second */

const char *const vmnet_broker_protocol_names[] = {
	[VMNET_BROKER_TCP] = "tcp",
	[VMNET_BROKER_UDP] = "udp",
	[VMNET_BROKER_TCP_AND_UDP] = "both",
};

struct decoder {
	const json_t *object;
	vmnet_broker_return_t status;
};

/* The member, or NULL when it is missing or null. */
static const json_t *member(const struct decoder *decoder, const char *key)
{
	const json_t *value = json_object_get(decoder->object, key);

	return value && !json_is_null(value) ? value : NULL;
}

static void fail(struct decoder *decoder, vmnet_broker_return_t status)
{
	if (decoder->status == VMNET_BROKER_SUCCESS)
		decoder->status = status;
}

static void *decoder_alloc(struct decoder *decoder, size_t n, size_t size)
{
	/* One that is empty has an address, too. */
	void *memory = calloc(n > 0 ? n : 1, size);

	if (!memory)
		fail(decoder, VMNET_BROKER_INTERNAL_ERROR);
	return memory;
}

static char *optional_text(struct decoder *decoder, const char *key)
{
	const json_t *value = member(decoder, key);
	char *text;

	if (!value)
		return NULL;
	if (!json_is_string(value)) {
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
		return NULL;
	}
	text = strdup(json_string_value(value));
	if (!text)
		fail(decoder, VMNET_BROKER_INTERNAL_ERROR);
	return text;
}

static char *text(struct decoder *decoder, const char *key)
{
	if (!member(decoder, key))
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return optional_text(decoder, key);
}

static int64_t optional_integer(struct decoder *decoder, const char *key, int64_t max)
{
	const json_t *value = member(decoder, key);
	json_int_t number = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || number < 0 || number > max) {
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
		return 0;
	}
	return number;
}

static int64_t integer(struct decoder *decoder, const char *key, int64_t max)
{
	if (!member(decoder, key))
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return optional_integer(decoder, key, max);
}

static uint32_t number(struct decoder *decoder, const char *key)
{
	return (uint32_t)integer(decoder, key, UINT32_MAX);
}

static bool boolean(struct decoder *decoder, const char *key)
{
	const json_t *value = member(decoder, key);

	if (!json_is_boolean(value))
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return json_is_true(value);
}

static enum vmnet_broker_mode mode(struct decoder *decoder)
{
	const char *name = json_string_value(member(decoder, "mode"));

	if (name && strcmp(name, "shared") == 0)
		return VMNET_BROKER_SHARED;
	if (name && strcmp(name, "host") == 0)
		return VMNET_BROKER_HOST;
	if (name && strcmp(name, "bridged") == 0)
		return VMNET_BROKER_BRIDGED;
	fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return VMNET_BROKER_SHARED;
}

/* The text of an object that may be missing or null, which is no error either. */
static char *optional_json(struct decoder *decoder, const char *key)
{
	const json_t *value = member(decoder, key);
	char *dumped = NULL;

	if (value && !json_is_object(value))
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	else if (value)
		dumped = json_dumps(value, JSON_COMPACT);
	if (json_is_object(value) && !dumped)
		fail(decoder, VMNET_BROKER_INTERNAL_ERROR);
	return dumped;
}

static vmnet_broker_return_t fill_state(const json_t *object, struct vmnet_broker_network *network)
{
	struct decoder decoder = { .object = object };

	if (!json_is_object(object))
		return VMNET_BROKER_INVALID_REPLY;
	network->active = true;
	network->ipv4_subnet = optional_text(&decoder, "ipv4Subnet");
	network->ipv4_gateway = optional_text(&decoder, "ipv4Gateway");
	network->ipv6_prefix = optional_text(&decoder, "ipv6Prefix");
	network->ipv6_gateway = optional_text(&decoder, "ipv6Gateway");
	network->mtu = number(&decoder, "mtu");
	network->bridge = optional_text(&decoder, "bridge");
	network->clients = number(&decoder, "clients");
	network->interfaces = number(&decoder, "interfaces");
	network->fault = optional_text(&decoder, "fault");
	return decoder.status;
}

static vmnet_broker_return_t fill_network(const json_t *parameters, void *item)
{
	struct decoder whole = { .object = parameters };
	struct decoder decoder = { .object = member(&whole, "configuration") };
	const json_t *state = member(&whole, "state");
	struct vmnet_broker_network *network = item;

	network->name = text(&decoder, "name");
	network->description = optional_text(&decoder, "description");
	network->mode = mode(&decoder);
	network->mtu = number(&decoder, "mtu");
	network->configuration = optional_json(&whole, "configuration");
	network->next_configuration = optional_json(&whole, "nextConfiguration");
	network->removed = json_is_true(member(&whole, "removed"));
	network->changed = network->removed || network->next_configuration;
	if (state)
		fail(&whole, fill_state(state, network));
	fail(&whole, decoder.status);
	return whole.status;
}

static void take_address(struct decoder *decoder, const char *key,
			 char address[VMNET_BROKER_ADDRESS_SIZE])
{
	const json_t *value = member(decoder, key);
	const char *string = json_string_value(value);

	if (!value)
		return;
	if (string && strlen(string) < VMNET_BROKER_ADDRESS_SIZE)
		strcpy(address, string);
	else
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
}

static enum vmnet_broker_protocol protocol(struct decoder *decoder)
{
	const char *name = json_string_value(member(decoder, "protocol"));

	for (unsigned int i = VMNET_BROKER_TCP; name && i <= VMNET_BROKER_TCP_AND_UDP; i++)
		if (strcmp(name, vmnet_broker_protocol_names[i]) == 0)
			return (enum vmnet_broker_protocol)i;
	fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return VMNET_BROKER_TCP;
}

static vmnet_broker_return_t fill_forwarding(const json_t *object,
					     struct vmnet_broker_port_forwarding *forwarding)
{
	struct decoder decoder = { .object = object };

	forwarding->protocol = protocol(&decoder);
	take_address(&decoder, "externalAddress", forwarding->external_address);
	forwarding->external_port = (uint16_t)integer(&decoder, "externalPort", UINT16_MAX);
	take_address(&decoder, "internalAddress", forwarding->internal_address);
	forwarding->internal_port =
		(uint16_t)optional_integer(&decoder, "internalPort", UINT16_MAX);
	forwarding->count = (uint16_t)optional_integer(&decoder, "count", UINT16_MAX);
	return decoder.status;
}

static void take_forwardings(struct decoder *decoder, struct vmnet_broker_interface *interface)
{
	const json_t *array = member(decoder, "portForwarding");
	const size_t n = json_array_size(array);

	if (!json_is_array(array))
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	interface->port_forwardings =
		decoder_alloc(decoder, n, sizeof(*interface->port_forwardings));
	interface->n_port_forwardings = interface->port_forwardings ? n : 0;
	for (size_t i = 0; i < interface->n_port_forwardings; i++)
		fail(decoder,
		     fill_forwarding(json_array_get(array, i), &interface->port_forwardings[i]));
}

static struct vmnet_broker_rate_limit rate_limit(struct decoder *decoder, const char *key)
{
	struct decoder limit = { .object = member(decoder, key) };
	struct vmnet_broker_rate_limit taken = { 0 };

	if (!limit.object)
		return taken;
	taken.bits_per_second = (uint64_t)integer(&limit, "bitsPerSecond", INT64_MAX);
	taken.burst_bytes = (uint32_t)optional_integer(&limit, "burstBytes", UINT32_MAX);
	fail(decoder, limit.status);
	return taken;
}

static vmnet_broker_return_t fill_interface(const json_t *object, void *item)
{
	struct decoder decoder = { .object = object };
	struct vmnet_broker_interface *interface = item;

	interface->device = text(&decoder, "device");
	interface->name = optional_text(&decoder, "name");
	interface->mac_address = text(&decoder, "macAddress");
	interface->ipv4_address = optional_text(&decoder, "ipv4Address");
	interface->ipv6_address = optional_text(&decoder, "ipv6Address");
	take_forwardings(&decoder, interface);
	interface->rate_limit_in = rate_limit(&decoder, "rateLimitIn");
	interface->rate_limit_out = rate_limit(&decoder, "rateLimitOut");
	interface->mtu = number(&decoder, "mtu");
	interface->vnet_header = boolean(&decoder, "vnetHeader");
	interface->uid = integer(&decoder, "uid", INT64_MAX);
	interface->attached = integer(&decoder, "attachedTimestamp", INT64_MAX) / MICROSECONDS;
	return decoder.status;
}

static vmnet_broker_return_t fill_client(const json_t *object, void *item)
{
	struct decoder decoder = { .object = object };
	struct vmnet_broker_client *client = item;

	client->pid = integer(&decoder, "pid", INT64_MAX);
	client->uid = integer(&decoder, "uid", INT64_MAX);
	client->command = text(&decoder, "command");
	return decoder.status;
}

static vmnet_broker_return_t fill_lease(const json_t *object, void *item)
{
	struct decoder decoder = { .object = object };
	struct vmnet_broker_lease *lease = item;

	lease->mac_address = text(&decoder, "macAddress");
	lease->address = text(&decoder, "address");
	lease->hostname = optional_text(&decoder, "hostname");
	lease->expires = optional_integer(&decoder, "expiresTimestamp", INT64_MAX) / MICROSECONDS;
	return decoder.status;
}

typedef vmnet_broker_return_t fill_item(const json_t *object, void *item);

/* A structure, which can be freed, whatever went wrong. An object that is missing is no good. */
static void *item(struct decoder *decoder, const json_t *object, size_t size, fill_item *fill)
{
	void *filled = decoder_alloc(decoder, 1, size);

	if (filled)
		fail(decoder, fill(object, filled));
	return filled;
}

/* One that may be missing. */
static void *optional_item(struct decoder *decoder, const char *key, size_t size, fill_item *fill)
{
	const json_t *object = member(decoder, key);

	return object ? item(decoder, object, size, fill) : NULL;
}

vmnet_broker_return_t vmnet_broker_decode_network(const json_t *parameters,
						  struct vmnet_broker_network **network)
{
	struct decoder decoder = { 0 };
	struct vmnet_broker_network *decoded =
		item(&decoder, parameters, sizeof(*decoded), fill_network);

	if (decoder.status == VMNET_BROKER_SUCCESS)
		*network = decoded;
	else
		vmnet_broker_network_free(decoded);
	return decoder.status;
}

int64_t vmnet_broker_decode_rogue_packets(const json_t *parameters)
{
	const json_t *rogue = json_object_get(json_object_get(parameters, "state"), "roguePackets");

	return json_is_integer(rogue) && json_integer_value(rogue) >= 0 ? json_integer_value(rogue)
									: -1;
}

static const struct {
	const char *field; /* of a reply: what it has if it has anything */
	size_t size;
	fill_item *fill;
} kinds[] = {
	[LISTED_NETWORKS] = { "configuration", sizeof(struct vmnet_broker_network), fill_network },
	[LISTED_CLIENTS] = { "client", sizeof(struct vmnet_broker_client), fill_client },
	[LISTED_INTERFACES] = { "interface", sizeof(struct vmnet_broker_interface),
				fill_interface },
	[LISTED_LEASES] = { "lease", sizeof(struct vmnet_broker_lease), fill_lease },
};

static void free_listed(enum listed_kind kind, void *listed)
{
	switch (kind) {
	case LISTED_NETWORKS:
		vmnet_broker_network_free(listed);
		break;
	case LISTED_CLIENTS:
		vmnet_broker_client_free(listed);
		break;
	case LISTED_INTERFACES:
		vmnet_broker_interface_free(listed);
		break;
	case LISTED_LEASES:
		vmnet_broker_lease_free(listed);
		break;
	}
}

vmnet_broker_return_t vmnet_broker_listed_add(struct listed *listed, const json_t *parameters)
{
	struct decoder decoder = { .object = parameters };
	const json_t *object = member(&decoder, kinds[listed->kind].field);
	void **longer = realloc(listed->items, (listed->n_items + 1) * sizeof(*longer));
	void *added;

	if (!longer)
		return VMNET_BROKER_INTERNAL_ERROR;
	listed->items = longer;
	if (!object)
		return VMNET_BROKER_SUCCESS;
	if (listed->kind == LISTED_NETWORKS)
		object = parameters; /* all of it is the network's */
	added = item(&decoder, object, kinds[listed->kind].size, kinds[listed->kind].fill);
	if (decoder.status == VMNET_BROKER_SUCCESS)
		listed->items[listed->n_items++] = added;
	else if (added)
		free_listed(listed->kind, added);
	return decoder.status;
}

void vmnet_broker_listed_clear(struct listed *listed)
{
	for (size_t i = 0; i < listed->n_items; i++)
		free_listed(listed->kind, listed->items[i]);
	free(listed->items);
	listed->items = NULL;
	listed->n_items = 0;
}

vmnet_broker_return_t vmnet_broker_decode_event(const json_t *object,
						struct vmnet_broker_event **event)
{
	struct decoder decoder = { .object = object };
	const char *name = json_string_value(member(&decoder, "type"));
	struct vmnet_broker_event *decoded;

	if (!name)
		return VMNET_BROKER_INVALID_REPLY;
	decoded = calloc(1, sizeof(*decoded));
	if (!decoded)
		return VMNET_BROKER_INTERNAL_ERROR;
	decoded->type = vmnet_broker_event_type(name);
	decoded->network = text(&decoder, "network");
	decoded->interface =
		optional_item(&decoder, "interface", sizeof(*decoded->interface), fill_interface);
	decoded->client = optional_item(&decoder, "client", sizeof(*decoded->client), fill_client);
	decoded->lease = optional_item(&decoder, "lease", sizeof(*decoded->lease), fill_lease);
	decoded->fault = optional_text(&decoder, "fault");
	if (decoder.status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_event_free(decoded);
		return decoder.status;
	}
	*event = decoded;
	return VMNET_BROKER_SUCCESS;
}

/* A list of descriptors, by their indexes. Each can be had once. */
static int *take_fds(struct decoder *decoder, const char *key, int *fds, size_t n_fds, size_t *n)
{
	const json_t *array = member(decoder, key);
	int *taken;

	*n = 0;
	if (!json_is_array(array) || json_array_size(array) > QUEUES_MAX) {
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
		return NULL;
	}
	taken = decoder_alloc(decoder, json_array_size(array), sizeof(*taken));
	for (size_t i = 0; i < json_array_size(array) && taken; i++) {
		const json_t *index = json_array_get(array, i);
		json_int_t value = json_integer_value(index);

		if (!json_is_integer(index) || value < 0 || (size_t)value >= n_fds ||
		    fds[value] < 0) {
			fail(decoder, VMNET_BROKER_INVALID_REPLY);
			break;
		}
		taken[(*n)++] = fds[value];
		fds[value] = -1;
	}
	return taken;
}

static void close_all(const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

void vmnet_broker_attachment_free(struct vmnet_broker_attachment *attachment)
{
	if (!attachment)
		return;
	vmnet_broker_interface_free(attachment->interface);
	close_all(attachment->tap_fds, attachment->n_tap_fds);
	close_all(attachment->vhost_fds, attachment->n_vhost_fds);
	free(attachment->tap_fds);
	free(attachment->vhost_fds);
	free(attachment);
}

vmnet_broker_return_t vmnet_broker_decode_attachment(const json_t *parameters, int *fds,
						     size_t n_fds,
						     struct vmnet_broker_attachment **attachment)
{
	struct decoder decoder = { .object = parameters };
	struct vmnet_broker_attachment *decoded = calloc(1, sizeof(*decoded));

	if (!decoded)
		return VMNET_BROKER_INTERNAL_ERROR;
	decoded->interface = item(&decoder, member(&decoder, "interface"),
				  sizeof(*decoded->interface), fill_interface);
	decoded->tap_fds =
		take_fds(&decoder, "tapFileDescriptors", fds, n_fds, &decoded->n_tap_fds);
	decoded->vhost_fds =
		take_fds(&decoder, "vhostFileDescriptors", fds, n_fds, &decoded->n_vhost_fds);
	if (decoder.status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_attachment_free(decoded);
		return decoder.status;
	}
	*attachment = decoded;
	return VMNET_BROKER_SUCCESS;
}
