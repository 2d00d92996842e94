/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker's links are called, and the aliases by which the next broker
 * and the administrator know them:
 *
 *	bridge		vmb-NETWORK	"vmnet-broker NETWORK"
 *	interface	vmt0, vmt1 ...	"vmnet-broker NETWORK MAC"
 *
 * MAC is the address of the machine's network device.
 */
#ifndef VMNET_BROKER_NAMES_H
#define VMNET_BROKER_NAMES_H

#include "../broker.h"

/* What every bridge's name starts with: rules know other networks by it. */
#define BRIDGE_PREFIX "vmb-"

#define ALIAS_SIZE (sizeof("vmnet-broker  ") + NETWORK_NAME_MAX + MAC_TEXT_SIZE)

/* Whose a link is. */
struct alias {
	char network[NETWORK_NAME_MAX + 1];
	bool is_interface; /* or the bridge */
	struct mac_address mac; /* of an interface */
};

/* A link's name has room for 15 bytes: a longer network name is hashed. */
void bridge_name(const char *network, char name[INTERFACE_NAME_SIZE]);

/* mac: NULL for the bridge's. */
void alias_format(const char *network, const struct mac_address *mac, char text[ALIAS_SIZE]);

/* Returns 0, or -1 when the text is not such an alias. */
int alias_parse(const char *text, struct alias *alias);

/* The name of one of the broker's links, or of what looks like one. */
bool is_own_link_name(const char *name);

#endif
