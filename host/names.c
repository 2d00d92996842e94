/* SPDX-License-Identifier: Apache-2.0 */
/* Names and aliases of links, to text and back. */
#include "names.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define TAP_PREFIX "vmt"
#define LIMITER_PREFIX "vmtr-" /* an interface's, too, to who knows them by TAP_PREFIX */
#define ALIAS_PREFIX "vmnet-broker "
#define CAPTURE_PREFIX "vmnet-broker-capture "
/* As many hexadecimal digits as there is room for after the prefix. */
#define HASH_MASK UINT64_C(0xfffffffffff)

/* FNV-1a */
uint64_t text_hash(const char *text)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		value = (value ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return value;
}

void bridge_name(const char *network, char name[INTERFACE_NAME_SIZE])
{
	if (strlen(network) + sizeof(BRIDGE_PREFIX) <= INTERFACE_NAME_SIZE)
		(void)snprintf(name, INTERFACE_NAME_SIZE, BRIDGE_PREFIX "%s", network);
	else
		(void)snprintf(name, INTERFACE_NAME_SIZE, BRIDGE_PREFIX "%011" PRIx64,
			       text_hash(network) & HASH_MASK);
}

static void name_beside(const char *prefix, const char *bridge, char name[INTERFACE_NAME_SIZE])
{
	(void)snprintf(name, INTERFACE_NAME_SIZE, "%s%s", prefix, bridge + strlen(BRIDGE_PREFIX));
}

void checksums_name(const char *bridge, char name[INTERFACE_NAME_SIZE])
{
	name_beside(CHECKSUMS_PREFIX, bridge, name);
}

void vxlan_name(const char *bridge, char name[INTERFACE_NAME_SIZE])
{
	name_beside(VXLAN_PREFIX, bridge, name);
}

void own_name(const char *bridge, char name[INTERFACE_NAME_SIZE])
{
	name_beside(OWN_PREFIX, bridge, name);
}

void own_port_name(const char *bridge, char name[INTERFACE_NAME_SIZE])
{
	name_beside(OWN_PORT_PREFIX, bridge, name);
}

/* Each part between dots is one that a host may have in its name. */
static bool is_domain(const char *name)
{
	for (const char *label = name; label; label = strchr(label, '.')) {
		size_t length;

		label += *label == '.';
		length = strcspn(label, ".");
		if (!length || label[0] == '-' || label[length - 1] == '-')
			return false;
	}
	return true;
}

const char *network_domain(const char *network, char domain[NETWORK_DOMAIN_SIZE])
{
	bool is_whole = is_domain(network);
	char *end = domain;

	for (const char *c = network; *c; c++)
		if (is_whole || isalnum((unsigned char)*c))
			*end++ = (char)tolower((unsigned char)*c);
	strcpy(end, ".internal");
	return domain;
}

void limiter_name(int port, char name[INTERFACE_NAME_SIZE])
{
	(void)snprintf(name, INTERFACE_NAME_SIZE, LIMITER_PREFIX "%d", port);
}

int limiter_port(const char *name)
{
	char again[INTERFACE_NAME_SIZE];
	long port;

	if (strncmp(name, LIMITER_PREFIX, strlen(LIMITER_PREFIX)) != 0)
		return 0;
	port = strtol(name + strlen(LIMITER_PREFIX), NULL, 10);
	if (port <= 0 || port > INT_MAX)
		return 0;
	limiter_name((int)port, again);
	return strcmp(again, name) == 0 ? (int)port : 0;
}

uint32_t routing_table(const char *network)
{
	return ROUTING_TABLES | (uint32_t)(text_hash(network) & 0xffffff);
}

void alias_format(const struct alias *alias, char text[ALIAS_SIZE])
{
	char mac[MAC_TEXT_SIZE];
	char host_mac[MAC_TEXT_SIZE];

	if (alias->is_interface)
		(void)snprintf(text, ALIAS_SIZE, ALIAS_PREFIX "%s %s %u %s %" PRId64,
			       alias->network, mac_address_format(&alias->mac, mac), alias->owner,
			       mac_address_format(&alias->host_mac, host_mac), alias->attached);
	else
		(void)snprintf(text, ALIAS_SIZE, ALIAS_PREFIX "%s", alias->network);
}

/* Takes an address off the front of the text. */
static int parse_mac(const char **text, struct mac_address *mac)
{
	char copy[MAC_TEXT_SIZE] = "";
	size_t length = strcspn(*text, " ");

	if (length >= sizeof(copy))
		return -1;
	memcpy(copy, *text, length);
	*text += length;
	return mac_address_parse(copy, mac) == 0 && mac_address_is_unicast(mac) ? 0 : -1;
}

static int parse_owner(const char **text, uid_t *owner)
{
	unsigned long long value;
	char *end;

	if (**text < '0' || **text > '9')
		return -1;
	value = strtoull(*text, &end, 10);
	if (*end != ' ' || value > UINT32_MAX)
		return -1;
	*owner = (uid_t)value;
	*text = end + 1;
	return 0;
}

static int parse_time(const char *text, int64_t *time)
{
	long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	value = strtoll(text, &end, 10);
	if (*end != '\0')
		return -1;
	*time = value;
	return 0;
}

static int parse_interface(const char *text, struct alias *alias)
{
	if (parse_mac(&text, &alias->mac) < 0)
		return -1;
	if (*text == '\0')
		return 0;
	text++;
	alias->is_whole = true;
	if (parse_owner(&text, &alias->owner) < 0 || parse_mac(&text, &alias->host_mac) < 0)
		return -1;
	return *text == '\0' ? 0 : parse_time(text + 1, &alias->attached);
}

int alias_parse(const char *text, struct alias *alias)
{
	struct alias parsed = { 0 };
	const char *name = text + strlen(ALIAS_PREFIX);
	size_t length;

	if (strncmp(text, ALIAS_PREFIX, strlen(ALIAS_PREFIX)) != 0)
		return -1;
	length = strcspn(name, " ");
	if (length > NETWORK_NAME_MAX)
		return -1;
	memcpy(parsed.network, name, length);
	if (!network_name_is_valid(parsed.network))
		return -1;
	parsed.is_interface = name[length] == ' ';
	if (parsed.is_interface && parse_interface(name + length + 1, &parsed) < 0)
		return -1;
	*alias = parsed;
	return 0;
}

void capture_alias_format(const struct capture_alias *alias, char text[ALIAS_SIZE])
{
	(void)snprintf(text, ALIAS_SIZE, CAPTURE_PREFIX "%d %u", alias->port, alias->owner);
}

int capture_alias_parse(const char *text, struct capture_alias *alias)
{
	char copy[ALIAS_SIZE];
	int port = 0;
	uid_t owner = 0;

	if (sscanf(text, CAPTURE_PREFIX "%d %u", &port, &owner) != 2 || port <= 0)
		return -1;
	*alias = (struct capture_alias){ port, owner };
	capture_alias_format(alias, copy);
	return strcmp(copy, text) == 0 ? 0 : -1; /* nothing else is ours */
}

bool is_own_link_name(const char *name)
{
	static const char *const prefixes[] = { BRIDGE_PREFIX, CHECKSUMS_PREFIX, VXLAN_PREFIX,
						OWN_PREFIX,    OWN_PORT_PREFIX,	 TAP_PREFIX };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}
