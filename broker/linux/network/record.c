/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records as JSON. They only ever grow by members, so that a newer broker can read what an older
 * one wrote, and the other way round. Losing one to a power cut does not matter: the network is
 * lost as well.
 */
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "addresses.h"
#include "base/json_text.h"
#include "base/log.h"
#include "broker/linux/shortage.h"
#include "host/names.h"

#define SUFFIX ".json"

static int make_path(char path[PATH_MAX], const char *runtime_dir, const char *network)
{
	int length = snprintf(path, PATH_MAX, "%s/%s" SUFFIX, runtime_dir, network);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static json_t *to_json(const struct network_config *config,
		       const struct network_addresses *addresses)
{
	char subnet[IPV4_SUBNET_TEXT_SIZE];
	char prefix[IPV6_PREFIX_TEXT_SIZE];
	char mac[MAC_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:i}", "config", config->json, "bridge",
			 addresses->bridge, "mtu", (int)addresses->mtu, "bridge_mac",
			 mac_address_format(&addresses->bridge_mac, mac), "ipv4_subnet",
			 ipv4_subnet_format(&addresses->ipv4_subnet, subnet), "ipv6_prefix",
			 ipv6_prefix_format(&addresses->ipv6_prefix, prefix), "vxlan_host",
			 (int)addresses->vxlan_host);
}

int record_save(const char *runtime_dir, const struct network_config *config,
		const struct network_addresses *addresses)
{
	char path[PATH_MAX];
	json_t *root;
	int result;

	if (make_path(path, runtime_dir, config->name) < 0)
		return -ENAMETOOLONG;
	root = to_json(config, addresses);
	result = json_text_save(path, root, JSON_INDENT(2));
	json_decref(root);
	return result;
}

int record_remove(const char *runtime_dir, const char *network)
{
	char path[PATH_MAX];

	if (make_path(path, runtime_dir, network) < 0)
		return -ENAMETOOLONG;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* A length of 0 is written as "0.0.0.0/0" and "::/0", and not an address to parse. */
static int parse_addresses(json_t *root, const struct network_config *config,
			   struct network_addresses *addresses)
{
	const char *bridge;
	const char *bridge_mac;
	const char *subnet;
	const char *prefix;
	struct ipv4_subnet ipv4 = { 0 };
	struct ipv6_prefix ipv6 = { 0 };
	int vxlan_host = 0;
	int mtu;

	if (json_unpack(root, "{s:s, s:i, s:s, s:s, s:s, s?i}", "bridge", &bridge, "mtu", &mtu,
			"bridge_mac", &bridge_mac, "ipv4_subnet", &subnet, "ipv6_prefix", &prefix,
			"vxlan_host", &vxlan_host) < 0)
		return -1;
	*addresses = (struct network_addresses){ .mtu = (unsigned int)mtu };
	if (mtu <= 0 || strlen(bridge) >= sizeof(addresses->bridge) ||
	    mac_address_parse(bridge_mac, &addresses->bridge_mac) < 0)
		return -1;
	(void)ipv4_subnet_parse(subnet, &ipv4);
	(void)ipv6_prefix_parse(prefix, &ipv6);
	addresses_set(addresses, &ipv4, &ipv6);
	addresses_set_own(config, (unsigned int)vxlan_host, addresses);
	(void)snprintf(addresses->bridge, sizeof(addresses->bridge), "%s", bridge);
	return 0;
}

/* What such a network is given, and nothing that names another's bridge. */
static bool is_possible(const struct network_config *config,
			const struct network_addresses *addresses)
{
	char bridge[INTERFACE_NAME_SIZE];

	if (config->mode == NETWORK_BRIDGED)
		return strcmp(addresses->bridge, config->external_interface) == 0;
	bridge_name(config->name, bridge);
	if (config->vxlan.vni && !addresses->vxlan_host)
		return false;
	return strcmp(addresses->bridge, bridge) == 0 && addresses->ipv4_subnet.length >= 8 &&
	       addresses->ipv4_subnet.length <= 29 &&
	       (addresses->ipv6_prefix.length == 0 || addresses->ipv6_prefix.length == 64);
}

/* Returns 0, or -1 and perhaps a configuration without addresses. */
static int load(const char *path, const char *network, struct network_config **config,
		struct network_addresses *addresses)
{
	json_t *root = json_text_load_file(path);
	const char *text;
	int result = -1;

	*config = NULL;
	if (root && json_unpack(root, "{s:s}", "config", &text) == 0)
		*config = network_config_parse(network, text);
	if (*config) {
		errno = 0;
		if (parse_addresses(root, *config, addresses) == 0 &&
		    is_possible(*config, addresses))
			result = 0;
	}
	if (result < 0 && errno == ENOMEM)
		shortage_end();
	json_decref(root);
	return result;
}

void record_load(const char *runtime_dir, const char *network, struct network_config **config,
		 struct network_addresses *addresses)
{
	char path[PATH_MAX];

	*config = NULL;
	*addresses = (struct network_addresses){ 0 };
	if (make_path(path, runtime_dir, network) < 0 || access(path, F_OK) < 0 ||
	    load(path, network, config, addresses) == 0)
		return;
	log_warning(network, "the record of an earlier broker, %s, is damaged", path);
	addresses->bridge[0] = '\0';
}

/* Writes the network's name of a record's file name. */
static int network_of_file(const char *file, char network[NETWORK_NAME_MAX + 1])
{
	size_t length = strlen(file);

	if (length <= strlen(SUFFIX) || length > NETWORK_NAME_MAX + strlen(SUFFIX) ||
	    strcmp(file + length - strlen(SUFFIX), SUFFIX) != 0)
		return -1;
	length -= strlen(SUFFIX);
	memcpy(network, file, length);
	network[length] = '\0';
	return network_name_is_valid(network) ? 0 : -1;
}

int record_list(const char *runtime_dir, int (*each)(const char *network, void *userdata),
		void *userdata)
{
	DIR *directory = opendir(runtime_dir);
	char network[NETWORK_NAME_MAX + 1];
	const struct dirent *entry;
	int result = 0;

	if (!directory)
		return -errno;
	while (result >= 0 && (entry = readdir(directory)))
		if (network_of_file(entry->d_name, network) == 0)
			result = each(network, userdata);
	(void)closedir(directory);
	return result < 0 ? result : 0;
}
