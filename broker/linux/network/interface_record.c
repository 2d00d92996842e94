/* SPDX-License-Identifier: Apache-2.0 */
/* Records of interfaces as JSON, which only ever grow by members. */
#include "interface_record.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "broker/linux/shortage.h"

#define SUFFIX ".interface"
/* Of the digits of an address in a file's name. */
#define MAC_DIGITS 12

static int make_path(char path[PATH_MAX], const char *runtime_dir, const char *network,
		     const struct mac_address *mac)
{
	const uint8_t *bytes = mac->bytes;
	int length = snprintf(path, PATH_MAX, "%s/%s.%02x%02x%02x%02x%02x%02x" SUFFIX, runtime_dir,
			      network, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* To JSON */

/* NULL stands for an address that was not asked for. */
static json_t *address_json(bool is_given, int family, const void *address)
{
	char text[INET6_ADDRSTRLEN];

	return is_given ? json_string(inet_ntop(family, address, text, sizeof(text))) : json_null();
}

static json_t *rate_json(const struct rate_limit *rate)
{
	return json_pack("{s:I, s:I}", "bits_per_second", (json_int_t)rate->bits_per_second,
			 "burst_bytes", (json_int_t)rate->burst_bytes);
}

static json_t *forwarding_json(const struct port_forwarding *forwarding)
{
	const bool is_ipv6 = forwarding->family == AF_INET6;

	return json_pack("{s:i, s:b, s:o, s:o, s:i, s:i, s:i}", "protocols",
			 (int)forwarding->protocols, "ipv6", is_ipv6, "external_address",
			 address_json(forwarding->has_external_address, forwarding->family,
				      &forwarding->external_address),
			 "internal_address",
			 address_json(true, forwarding->family, &forwarding->internal_address),
			 "external_port", (int)forwarding->external_port, "internal_port",
			 (int)forwarding->internal_port, "ports", (int)forwarding->n_ports);
}

static json_t *forwardings_json(const struct interface_options *options)
{
	json_t *list = json_array();

	for (size_t i = 0; i < options->n_port_forwardings && list; i++) {
		if (json_array_append_new(list, forwarding_json(&options->port_forwardings[i])) ==
		    0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

char *interface_record_text(const struct interface_options *options)
{
	json_t *root = json_pack(
		"{s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "name", options->name, "ipv4_address",
		address_json(options->has_ipv4, AF_INET, &options->ipv4), "ipv4_is_chosen",
		options->is_ipv4_chosen, "ipv6_address",
		address_json(options->has_ipv6, AF_INET6, &options->ipv6), "port_forwarding",
		forwardings_json(options), "rate_limit_in", rate_json(&options->rate_in),
		"rate_limit_out", rate_json(&options->rate_out));
	char *text = json_text_dump(root, JSON_INDENT(2));

	json_decref(root);
	return text;
}

/* From JSON */

/* Returns 0, or -1 when there is something else than null, nothing or an address. */
static int take_address(const json_t *value, int family, bool *is_given, void *address)
{
	*is_given =
		json_is_string(value) && inet_pton(family, json_string_value(value), address) == 1;
	return *is_given || !value || json_is_null(value) ? 0 : -1;
}

static int take_rate(json_t *value, struct rate_limit *rate)
{
	json_int_t bits, bytes;

	if (!value)
		return 0;
	if (json_unpack(value, "{s:I, s:I}", "bits_per_second", &bits, "burst_bytes", &bytes) < 0 ||
	    bits < 0 || bytes < 0 || bytes > UINT32_MAX)
		return -1;
	*rate = (struct rate_limit){ (uint64_t)bits, (uint32_t)bytes };
	return 0;
}

static bool are_ports(int first, int n)
{
	return first >= 1 && n >= 1 && n <= UINT16_MAX && first + n - 1 <= UINT16_MAX;
}

static int take_forwarding(json_t *value, struct port_forwarding *forwarding)
{
	int protocols, ipv6, external, internal, n;
	bool is_given;

	if (json_unpack(value, "{s:i, s:b, s:i, s:i, s:i}", "protocols", &protocols, "ipv6", &ipv6,
			"external_port", &external, "internal_port", &internal, "ports", &n) < 0 ||
	    protocols < 1 || protocols > (int)(FORWARD_TCP | FORWARD_UDP) ||
	    !are_ports(external, n) || !are_ports(internal, n))
		return -1;
	forwarding->protocols = (unsigned int)protocols;
	forwarding->family = ipv6 ? AF_INET6 : AF_INET;
	forwarding->external_port = (uint16_t)external;
	forwarding->internal_port = (uint16_t)internal;
	forwarding->n_ports = (uint16_t)n;
	if (take_address(json_object_get(value, "external_address"), forwarding->family,
			 &forwarding->has_external_address, &forwarding->external_address) < 0)
		return -1;
	return take_address(json_object_get(value, "internal_address"), forwarding->family,
			    &is_given, &forwarding->internal_address);
}

static int take_forwardings(json_t *list, struct interface_options *options)
{
	const size_t n = json_array_size(list);

	if (n == 0)
		return 0;
	options->port_forwardings = calloc(n, sizeof(*options->port_forwardings));
	if (!options->port_forwardings)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (take_forwarding(json_array_get(list, i),
				    &options->port_forwardings[options->n_port_forwardings++]) < 0)
			return -1;
	return 0;
}

static int take_options(const json_t *root, struct interface_options *options)
{
	const char *name = json_string_value(json_object_get(root, "name"));

	if (name && strlen(name) < sizeof(options->name) && name[strspn(name, ALNUM "-")] == '\0')
		strcpy(options->name, name);
	else if (name)
		return -1;
	options->is_ipv4_chosen = json_is_true(json_object_get(root, "ipv4_is_chosen"));
	if (take_address(json_object_get(root, "ipv4_address"), AF_INET, &options->has_ipv4,
			 &options->ipv4) < 0 ||
	    take_address(json_object_get(root, "ipv6_address"), AF_INET6, &options->has_ipv6,
			 &options->ipv6) < 0 ||
	    take_rate(json_object_get(root, "rate_limit_in"), &options->rate_in) < 0 ||
	    take_rate(json_object_get(root, "rate_limit_out"), &options->rate_out) < 0)
		return -1;
	return take_forwardings(json_object_get(root, "port_forwarding"), options);
}

/* Files */

int interface_record_save(const char *runtime_dir, const char *network,
			  const struct mac_address *mac, const char *text)
{
	char path[PATH_MAX];

	if (make_path(path, runtime_dir, network, mac) < 0)
		return -ENAMETOOLONG;
	return file_replace(path, text, 0);
}

int interface_record_remove(const char *runtime_dir, const char *network,
			    const struct mac_address *mac)
{
	char path[PATH_MAX];

	if (make_path(path, runtime_dir, network, mac) < 0)
		return -ENAMETOOLONG;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

void interface_record_load(const char *runtime_dir, const char *network,
			   const struct mac_address *mac, struct interface_options *options)
{
	char path[PATH_MAX];
	json_t *root;

	*options = (struct interface_options){ 0 };
	if (make_path(path, runtime_dir, network, mac) < 0 || access(path, F_OK) < 0)
		return;
	root = json_text_load_file(path);
	if (!json_is_object(root) || take_options(root, options) < 0) {
		if (errno == ENOMEM)
			shortage_end();
		log_warning(network, "the record of an interface, %s, is damaged", path);
		free(options->port_forwardings);
		*options = (struct interface_options){ 0 };
	}
	json_decref(root);
}

/* Takes a record's file name apart. */
static int parse_file(const char *file, char network[NETWORK_NAME_MAX + 1], struct mac_address *mac)
{
	const size_t rest = 1 + MAC_DIGITS + strlen(SUFFIX);
	size_t length = strlen(file);
	const char *digits;

	if (length <= rest || length - rest > NETWORK_NAME_MAX ||
	    strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0)
		return -1;
	length -= rest;
	memcpy(network, file, length);
	network[length] = '\0';
	digits = file + length + 1;
	for (size_t i = 0; i < sizeof(mac->bytes); i++)
		if (sscanf(digits + 2 * i, "%2hhx", &mac->bytes[i]) != 1)
			return -1;
	return network_name_is_valid(network) && digits[-1] == '.' &&
			       strspn(digits, "0123456789abcdef") == MAC_DIGITS
		       ? 0
		       : -1;
}

int interface_records_sweep(const char *runtime_dir,
			    bool (*is_wanted)(const char *network, const struct mac_address *mac,
					      const void *userdata),
			    const void *userdata)
{
	DIR *directory = opendir(runtime_dir);
	char network[NETWORK_NAME_MAX + 1];
	const struct dirent *entry;
	struct mac_address mac;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		if (parse_file(entry->d_name, network, &mac) == 0 &&
		    !is_wanted(network, &mac, userdata))
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
	(void)closedir(directory);
	return 0;
}
