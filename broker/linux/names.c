/* SPDX-License-Identifier: Apache-2.0 */
/* Names and aliases of links, to text and back. */
#include "names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TAP_PREFIX "vmt"
#define ALIAS_PREFIX "vmnet-broker "
/* As many hexadecimal digits as there is room for after the prefix. */
#define HASH_MASK UINT64_C(0xfffffffffff)

/* FNV-1a: names are the administrator's own, nobody gains by a collision. */
static uint64_t hash(const char *text)
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
			       hash(network) & HASH_MASK);
}

uint32_t routing_table(const char *network)
{
	return ROUTING_TABLES | (uint32_t)(hash(network) & 0xffffff);
}

void alias_format(const char *network, const struct mac_address *mac, char text[ALIAS_SIZE])
{
	char mac_text[MAC_TEXT_SIZE];

	if (mac)
		(void)snprintf(text, ALIAS_SIZE, ALIAS_PREFIX "%s %s", network,
			       mac_address_format(mac, mac_text));
	else
		(void)snprintf(text, ALIAS_SIZE, ALIAS_PREFIX "%s", network);
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
	if (parsed.is_interface && (mac_address_parse(name + length + 1, &parsed.mac) < 0 ||
				    !mac_address_is_unicast(&parsed.mac)))
		return -1;
	*alias = parsed;
	return 0;
}

bool is_own_link_name(const char *name)
{
	return strncmp(name, BRIDGE_PREFIX, strlen(BRIDGE_PREFIX)) == 0 ||
	       strncmp(name, TAP_PREFIX, strlen(TAP_PREFIX)) == 0;
}
