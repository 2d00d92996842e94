/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decoder goes through a dictionary key by key and remembers the first thing that went wrong:
 * after that it only gives empty values, so that a structure can be filled without a look at each
 * of its members.
 */
#include "decode.h"

#include <stdlib.h>
#include <string.h>

#include "wire/xpc_protocol.h"

struct decoder {
	xpc_object_t dictionary;
	vmnet_broker_return_t status;
};

static void fail(struct decoder *decoder, vmnet_broker_return_t status)
{
	if (decoder->status == VMNET_BROKER_SUCCESS)
		decoder->status = status;
}

/* Aborts on nothing: decoders are only made of dictionaries. */
static xpc_object_t required(struct decoder *decoder, const char *key, xpc_type_t type)
{
	xpc_object_t value = xpc_dictionary_get_value(decoder->dictionary, key);

	if (value && xpc_get_type(value) == type)
		return value;
	fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return NULL;
}

static void *decoder_alloc(struct decoder *decoder, size_t n, size_t size)
{
	/* One that is empty has an address, too. */
	void *memory = calloc(n > 0 ? n : 1, size);

	if (!memory)
		fail(decoder, VMNET_BROKER_INTERNAL_ERROR);
	return memory;
}

static char *copy(struct decoder *decoder, xpc_object_t string)
{
	char *text = strdup(xpc_string_get_string_ptr(string));

	if (!text)
		fail(decoder, VMNET_BROKER_INTERNAL_ERROR);
	return text;
}

static char *text(struct decoder *decoder, const char *key)
{
	xpc_object_t value = required(decoder, key, XPC_TYPE_STRING);

	return value ? copy(decoder, value) : NULL;
}

static char *optional_text(struct decoder *decoder, const char *key)
{
	return xpc_dictionary_get_value(decoder->dictionary, key) ? text(decoder, key) : NULL;
}

static int64_t integer(struct decoder *decoder, const char *key, int64_t max)
{
	xpc_object_t value = required(decoder, key, XPC_TYPE_INT64);
	int64_t number = value ? xpc_int64_get_value(value) : 0;

	if (number < 0 || number > max) {
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
		return 0;
	}
	return number;
}

static bool boolean(struct decoder *decoder, const char *key)
{
	xpc_object_t value = required(decoder, key, XPC_TYPE_BOOL);

	return value && xpc_bool_get_value(value);
}

static enum vmnet_broker_mode mode(struct decoder *decoder)
{
	const char *name = xpc_dictionary_get_string(decoder->dictionary, KEY_MODE);

	if (name && strcmp(name, "shared") == 0)
		return VMNET_BROKER_SHARED;
	if (name && strcmp(name, "host") == 0)
		return VMNET_BROKER_HOST;
	fail(decoder, VMNET_BROKER_INVALID_REPLY);
	return VMNET_BROKER_SHARED;
}

/* Structures: what is filled so far is the caller's to clear, whatever is returned */

static vmnet_broker_return_t fill_network(xpc_object_t object, void *item)
{
	struct decoder decoder = { .dictionary = object };
	struct vmnet_broker_network *network = item;

	network->name = text(&decoder, KEY_NAME);
	network->description = optional_text(&decoder, KEY_DESCRIPTION);
	network->mode = mode(&decoder);
	network->active = boolean(&decoder, KEY_ACTIVE);
	network->ipv4_subnet = optional_text(&decoder, KEY_IPV4_SUBNET);
	network->ipv4_gateway = optional_text(&decoder, KEY_IPV4_GATEWAY);
	network->ipv6_prefix = optional_text(&decoder, KEY_IPV6_PREFIX);
	network->mtu = (uint32_t)integer(&decoder, KEY_MTU, UINT32_MAX);
	network->clients = (uint32_t)integer(&decoder, KEY_N_CLIENTS, UINT32_MAX);
	network->changed = boolean(&decoder, KEY_CHANGED);
	network->removed = xpc_dictionary_get_bool(object, KEY_REMOVED);
	network->fault = optional_text(&decoder, KEY_FAULT);
	network->configuration = optional_text(&decoder, KEY_CONFIGURATION);
	network->next_configuration = optional_text(&decoder, KEY_NEXT_CONFIGURATION);
	return decoder.status;
}

static vmnet_broker_return_t fill_client(xpc_object_t object, void *item)
{
	struct decoder decoder = { .dictionary = object };
	struct vmnet_broker_client *client = item;

	client->pid = integer(&decoder, KEY_PID, INT64_MAX);
	client->uid = integer(&decoder, KEY_UID, INT64_MAX);
	client->command = text(&decoder, KEY_PROGRAM);
	return decoder.status;
}

typedef vmnet_broker_return_t fill_item(xpc_object_t object, void *item);

/* A structure, which can be freed, whatever went wrong. NULL, and no dictionary, are no good. */
static void *item(struct decoder *decoder, xpc_object_t object, size_t size, fill_item *fill)
{
	void *filled = decoder_alloc(decoder, 1, size);

	if (!object || xpc_get_type(object) != XPC_TYPE_DICTIONARY)
		fail(decoder, VMNET_BROKER_INVALID_REPLY);
	else if (filled)
		fail(decoder, fill(object, filled));
	return filled;
}

/* An array of pointers to structures, which can be freed with them, whatever went wrong. */
static void *list(struct decoder *decoder, const char *key, size_t size, fill_item *fill, size_t *n)
{
	xpc_object_t array = required(decoder, key, XPC_TYPE_ARRAY);
	size_t length = array ? xpc_array_get_count(array) : 0;
	void **items = decoder_alloc(decoder, length, sizeof(*items));

	*n = 0;
	while (items && *n < length) {
		items[*n] = item(decoder, xpc_array_get_value(array, *n), size, fill);
		(*n)++;
	}
	return items;
}

vmnet_broker_return_t vmnet_broker_decode_network(xpc_object_t reply,
						  struct vmnet_broker_network **network)
{
	struct decoder decoder = { .dictionary = reply };
	struct vmnet_broker_network *decoded =
		item(&decoder, xpc_dictionary_get_value(reply, KEY_INFO), sizeof(*decoded),
		     fill_network);

	if (decoder.status == VMNET_BROKER_SUCCESS)
		*network = decoded;
	else
		vmnet_broker_network_free(decoded);
	return decoder.status;
}

vmnet_broker_return_t vmnet_broker_decode_networks(xpc_object_t reply,
						   struct vmnet_broker_network ***networks,
						   size_t *n_networks)
{
	struct decoder decoder = { .dictionary = reply };
	size_t n;
	struct vmnet_broker_network **decoded =
		list(&decoder, KEY_NETWORKS, sizeof(**decoded), fill_network, &n);

	if (decoder.status == VMNET_BROKER_SUCCESS) {
		*networks = decoded;
		*n_networks = n;
	} else {
		vmnet_broker_networks_free(decoded, n);
	}
	return decoder.status;
}

vmnet_broker_return_t vmnet_broker_decode_inspection(xpc_object_t reply,
						     struct vmnet_broker_inspection **inspection)
{
	struct decoder decoder = { .dictionary = reply };
	struct vmnet_broker_inspection *decoded = decoder_alloc(&decoder, 1, sizeof(*decoded));

	if (decoded) {
		decoded->network = item(&decoder, xpc_dictionary_get_value(reply, KEY_INFO),
					sizeof(*decoded->network), fill_network);
		decoded->clients = list(&decoder, KEY_CLIENTS, sizeof(**decoded->clients),
					fill_client, &decoded->n_clients);
		decoded->rogue_packets = -1;
	}
	if (decoder.status == VMNET_BROKER_SUCCESS)
		*inspection = decoded;
	else
		vmnet_broker_inspection_free(decoded);
	return decoder.status;
}

vmnet_broker_return_t vmnet_broker_decode_event(xpc_object_t message,
						struct vmnet_broker_event **event)
{
	struct decoder decoder = { .dictionary = message };
	const char *type = xpc_dictionary_get_string(message, KEY_EVENT);
	xpc_object_t client = xpc_dictionary_get_value(message, KEY_CLIENT);
	struct vmnet_broker_event *decoded = decoder_alloc(&decoder, 1, sizeof(*decoded));

	if (!type)
		fail(&decoder, VMNET_BROKER_INVALID_REPLY);
	if (decoded && type) {
		decoded->type = vmnet_broker_event_type(type);
		decoded->network = text(&decoder, KEY_NETWORK_NAME);
		decoded->fault = optional_text(&decoder, KEY_FAULT);
	}
	if (decoded && client)
		decoded->client = item(&decoder, client, sizeof(*decoded->client), fill_client);
	if (decoder.status == VMNET_BROKER_SUCCESS)
		*event = decoded;
	else
		vmnet_broker_event_free(decoded);
	return decoder.status;
}
