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

static vmnet_broker_return_t fill_network(const json_t *object, void *item)
{
	struct decoder decoder = { .object = object };
	struct vmnet_broker_network *network = item;

	network->name = text(&decoder, "name");
	network->description = optional_text(&decoder, "description");
	network->mode = mode(&decoder);
	network->active = boolean(&decoder, "active");
	network->ipv4_subnet = optional_text(&decoder, "ipv4_subnet");
	network->ipv4_gateway = optional_text(&decoder, "ipv4_gateway");
	network->ipv6_prefix = optional_text(&decoder, "ipv6_prefix");
	network->mtu = number(&decoder, "mtu");
	network->bridge = optional_text(&decoder, "bridge");
	network->clients = number(&decoder, "clients");
	network->interfaces = number(&decoder, "interfaces");
	network->changed = json_is_true(member(&decoder, "changed"));
	return decoder.status;
}

static vmnet_broker_return_t fill_interface(const json_t *object, void *item)
{
	struct decoder decoder = { .object = object };
	struct vmnet_broker_interface *interface = item;

	interface->name = text(&decoder, "name");
	interface->mac_address = text(&decoder, "mac_address");
	interface->mtu = number(&decoder, "mtu");
	interface->vnet_header = boolean(&decoder, "vnet_header");
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

	lease->mac_address = text(&decoder, "mac_address");
	lease->address = text(&decoder, "address");
	lease->hostname = optional_text(&decoder, "hostname");
	lease->expires = optional_integer(&decoder, "expires", INT64_MAX);
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

/* An array of pointers to structures, which can be freed with them, whatever went wrong. */
static void *list(struct decoder *decoder, const char *key, size_t size, fill_item *fill, size_t *n)
{
	const json_t *array = member(decoder, key);
	void **items;

	*n = 0;
	if (!json_is_array(array)) {
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
		return NULL;
	}
	items = decoder_alloc(decoder, json_array_size(array), sizeof(*items));
	for (size_t i = 0; items && i < json_array_size(array); i++)
		items[(*n)++] = item(decoder, json_array_get(array, i), size, fill);
	return items;
}

vmnet_broker_return_t vmnet_broker_decode_network(const json_t *object,
						  struct vmnet_broker_network **network)
{
	struct decoder decoder = { 0 };
	struct vmnet_broker_network *decoded =
		item(&decoder, object, sizeof(*decoded), fill_network);

	if (decoder.status == VMNET_BROKER_SUCCESS)
		*network = decoded;
	else
		vmnet_broker_network_free(decoded);
	return decoder.status;
}

vmnet_broker_return_t vmnet_broker_decode_networks(const json_t *parameters,
						   struct vmnet_broker_network ***networks,
						   size_t *n_networks)
{
	struct decoder decoder = { .object = parameters };
	size_t n;
	struct vmnet_broker_network **decoded =
		list(&decoder, "networks", sizeof(**decoded), fill_network, &n);

	if (decoder.status == VMNET_BROKER_SUCCESS) {
		*networks = decoded;
		*n_networks = n;
	} else {
		vmnet_broker_networks_free(decoded, n);
	}
	return decoder.status;
}

vmnet_broker_return_t vmnet_broker_decode_inspection(const json_t *parameters,
						     struct vmnet_broker_inspection **inspection)
{
	struct decoder decoder = { .object = parameters };
	struct vmnet_broker_inspection *decoded = calloc(1, sizeof(*decoded));

	if (!decoded)
		return VMNET_BROKER_INTERNAL_ERROR;
	decoded->network = item(&decoder, member(&decoder, "network"), sizeof(*decoded->network),
				fill_network);
	decoded->clients = list(&decoder, "clients", sizeof(**decoded->clients), fill_client,
				&decoded->n_clients);
	decoded->interfaces = list(&decoder, "interfaces", sizeof(**decoded->interfaces),
				   fill_interface, &decoded->n_interfaces);
	decoded->leases =
		list(&decoder, "leases", sizeof(**decoded->leases), fill_lease, &decoded->n_leases);
	decoded->fault = optional_text(&decoder, "fault");
	decoded->rogue_packets = -1;
	if (member(&decoder, "rogue_packets"))
		decoded->rogue_packets = integer(&decoder, "rogue_packets", INT64_MAX);
	if (decoder.status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_inspection_free(decoded);
		return decoder.status;
	}
	*inspection = decoded;
	return VMNET_BROKER_SUCCESS;
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
	decoded->tap_fds = take_fds(&decoder, "tap_fds", fds, n_fds, &decoded->n_tap_fds);
	decoded->vhost_fds = take_fds(&decoder, "vhost_fds", fds, n_fds, &decoded->n_vhost_fds);
	if (decoder.status != VMNET_BROKER_SUCCESS) {
		vmnet_broker_attachment_free(decoded);
		return decoder.status;
	}
	*attachment = decoded;
	return VMNET_BROKER_SUCCESS;
}
