/* SPDX-License-Identifier: Apache-2.0 */
/* Objects have no member that is not known, as calls have no parameter. */
#include "attach_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define PORT_MAX 65535

int attach_take_name(const json_t *value, struct interface_options *options)
{
	const char *name = json_string_value(value);

	if (!name || !dns_label_is_valid(name))
		return -1;
	strcpy(options->name, name);
	return 0;
}

int attach_take_ipv4(const json_t *value, struct interface_options *options)
{
	const char *text = json_string_value(value);

	options->has_ipv4 = text && inet_pton(AF_INET, text, &options->ipv4) == 1;
	return options->has_ipv4 ? 0 : -1;
}

int attach_take_ipv6(const json_t *value, struct interface_options *options)
{
	const char *text = json_string_value(value);

	options->has_ipv6 = text && inet_pton(AF_INET6, text, &options->ipv6) == 1;
	return options->has_ipv6 ? 0 : -1;
}

/* Whether the object has nothing but these members, and is one. */
static bool has_only(const json_t *object, const char *const *keys, size_t n_keys)
{
	size_t known = 0;

	for (size_t i = 0; i < n_keys; i++)
		known += json_object_get(object, keys[i]) != NULL;
	return json_is_object(object) && known == json_object_size(object);
}

/* A number of 1 to max. missing: what one that may be missing is then; 0: it may not. */
static json_int_t number(const json_t *object, const char *key, json_int_t max, json_int_t missing)
{
	const json_t *value = json_object_get(object, key);
	json_int_t n = json_integer_value(value);

	if (!value || json_is_null(value))
		return missing;
	return n >= 1 && n <= max ? n : 0;
}

static unsigned int protocols_of(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "protocol"));

	if (name && strcmp(name, "tcp") == 0)
		return FORWARD_TCP;
	if (name && strcmp(name, "udp") == 0)
		return FORWARD_UDP;
	return name && strcmp(name, "both") == 0 ? FORWARD_TCP | FORWARD_UDP : 0;
}

/*
 * Takes an address that may be missing.
 * family: that of the one before, or AF_UNSPEC; gets this one's.
 * Returns 0, or -1 when it is none, or of another family.
 */
static int take_address(const json_t *object, const char *key, int *family,
			union forwarding_address *address, bool *has)
{
	const json_t *value = json_object_get(object, key);
	const char *text = json_string_value(value);
	int of_text = text && strchr(text, ':') ? AF_INET6 : AF_INET;

	*has = text != NULL;
	if (!text)
		return !value || json_is_null(value) ? 0 : -1;
	if (inet_pton(of_text, text, address) != 1 || (*family != AF_UNSPEC && *family != of_text))
		return -1;
	*family = of_text;
	return 0;
}

static int take_ports(const json_t *object, struct port_forwarding *forwarding)
{
	json_int_t external = number(object, "externalPort", PORT_MAX, 0);
	json_int_t internal = number(object, "internalPort", PORT_MAX, external);
	json_int_t count = number(object, "count", PORT_MAX, 1);

	if (external < 1 || internal < 1 || count < 1 || external + count - 1 > PORT_MAX ||
	    internal + count - 1 > PORT_MAX)
		return -1;
	forwarding->external_port = (uint16_t)external;
	forwarding->internal_port = (uint16_t)internal;
	forwarding->n_ports = (uint16_t)count;
	return 0;
}

static int take_forwarding(const json_t *object, struct port_forwarding *forwarding)
{
	static const char *const keys[] = { "protocol",	       "externalAddress", "externalPort",
					    "internalAddress", "internalPort",	  "count" };
	bool has_internal;

	*forwarding = (struct port_forwarding){ .protocols = protocols_of(object) };
	if (!has_only(object, keys, ARRAY_SIZE(keys)) || !forwarding->protocols ||
	    take_address(object, "externalAddress", &forwarding->family,
			 &forwarding->external_address, &forwarding->has_external_address) < 0 ||
	    take_address(object, "internalAddress", &forwarding->family,
			 &forwarding->internal_address, &has_internal) < 0)
		return -1;
	if (forwarding->family == AF_UNSPEC)
		forwarding->family = AF_INET;
	return take_ports(object, forwarding);
}

int attach_take_port_forwarding(const json_t *value, struct interface_options *options)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value))
		return -1;
	options->port_forwardings = calloc(n + 1, sizeof(*options->port_forwardings));
	if (!options->port_forwardings)
		return -1;
	for (; options->n_port_forwardings < n; options->n_port_forwardings++)
		if (take_forwarding(json_array_get(value, options->n_port_forwardings),
				    &options->port_forwardings[options->n_port_forwardings]) < 0)
			return -1;
	return 0;
}

int attach_take_rate_limit(const json_t *value, struct rate_limit *limit)
{
	static const char *const keys[] = { "bitsPerSecond", "burstBytes" };
	const json_t *burst = json_object_get(value, "burstBytes");

	if (!has_only(value, keys, ARRAY_SIZE(keys)))
		return -1;
	limit->bits_per_second = (uint64_t)number(value, "bitsPerSecond", INT64_MAX, 0);
	limit->burst_bytes = (uint32_t)number(value, "burstBytes", UINT32_MAX, 0);
	return limit->bits_per_second == 0 ||
			       (burst && !json_is_null(burst) && limit->burst_bytes == 0)
		       ? -1
		       : 0;
}
