/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runs of vmnet's networks: a network runs while there are interfaces on
 * it, and has a bridge meanwhile. They follow from what there is of networks
 * and interfaces, and are brought up to that by whoever looks next.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmnet_registry.h"

#define BRIDGE_FIRST 100

struct mac {
	struct folder networks;
	struct folder interfaces;
	struct folder bridges;
};

static bool is_of(const struct entry *entry, const char *network_id)
{
	char of[LINE_SIZE];

	return strcmp(value_of(entry->text, "network", of), network_id) == 0;
}

static bool is_released(const struct entry *network)
{
	__block bool released = false;

	each_line(network->text, ^(const char *line) {
		if (strcmp(line, RELEASED) == 0)
			released = true;
	});
	return released;
}

/* Whether machines have it: its maker lives, or has let go of it in order. */
static bool exists(const struct entry *network)
{
	return network->locked || is_released(network);
}

static bool has_interface(const struct mac *mac, const char *network_id)
{
	for (size_t i = 0; i < mac->interfaces.n; i++)
		if (is_of(&mac->interfaces.entries[i], network_id))
			return true;
	return false;
}

static struct entry *find_network(const struct mac *mac, const char *id)
{
	for (size_t i = 0; i < mac->networks.n; i++)
		if (strcmp(mac->networks.entries[i].name, id) == 0)
			return &mac->networks.entries[i];
	return NULL;
}

static const struct entry *find_bridge(const struct mac *mac, const char *network_id)
{
	for (size_t i = 0; i < mac->bridges.n; i++)
		if (is_of(&mac->bridges.entries[i], network_id))
			return &mac->bridges.entries[i];
	return NULL;
}

static bool is_service(const char *line)
{
	return begins_with(line, "dhcp_reservation ") || begins_with(line, "port_forwarding ");
}

/* Ends */

/* With the end of a run its reservations and forwardings are lost to the network. */
static void forget_services(struct entry *network)
{
	char *rest;
	size_t size;
	FILE *file = open_memstream(&rest, &size);

	if (!file)
		broken("double: open_memstream");
	each_line(network->text, ^(const char *line) {
		if (!is_service(line))
			(void)fprintf(file, "%s\n", line);
	});
	if (fclose(file) != 0)
		broken("double: open_memstream");
	registry_write("networks", network->name, rest);
	free(network->text);
	network->text = rest;
}

static void end_interfaces(struct mac *mac)
{
	for (size_t i = mac->interfaces.n; i-- > 0;) {
		if (mac->interfaces.entries[i].locked)
			continue;
		(void)unlink(registry_path("interfaces", mac->interfaces.entries[i].name));
		folder_drop(&mac->interfaces, i);
	}
}

static void end_runs(struct mac *mac)
{
	for (size_t i = mac->bridges.n; i-- > 0;) {
		char id[LINE_SIZE];
		struct entry *network =
			find_network(mac, value_of(mac->bridges.entries[i].text, "network", id));

		if (network && exists(network) && has_interface(mac, id))
			continue;
		(void)unlink(registry_path("bridges", mac->bridges.entries[i].name));
		folder_drop(&mac->bridges, i);
		if (network)
			forget_services(network);
	}
}

static void end_networks(struct mac *mac)
{
	for (size_t i = mac->networks.n; i-- > 0;) {
		struct entry *network = &mac->networks.entries[i];

		if (!is_released(network) || has_interface(mac, network->name))
			continue;
		(void)unlink(registry_path("networks", network->name));
		folder_drop(&mac->networks, i);
	}
}

/* Runs */

static void put_members(const struct mac *mac, const char *network_id, FILE *file)
{
	for (size_t i = 0; i < mac->interfaces.n; i++) {
		const struct entry *interface = &mac->interfaces.entries[i];
		char name[LINE_SIZE];
		char address[LINE_SIZE];

		if (is_of(interface, network_id))
			(void)fprintf(file, "member %s %s\n",
				      value_of(interface->text, "name", name),
				      value_of(interface->text, "mac", address));
	}
}

static char *bridge_text(const struct mac *mac, const struct entry *network)
{
	struct network_addresses addresses = { 0 };
	char host[LINE_SIZE];
	char mask[INET_ADDRSTRLEN];
	uint32_t mtu = 0;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		broken("double: open_memstream");
	read_addresses(network->text, &addresses, &mtu);
	(void)fprintf(file, "network %s\ninet %s\nnetmask %s\nmtu %u\n", network->name,
		      value_of(network->text, "host", host),
		      inet_ntop(AF_INET, &addresses.mask, mask, sizeof(mask)), mtu);
	each_line(network->text, ^(const char *line) {
		if (begins_with(line, "subnet ") || begins_with(line, "host ") ||
		    begins_with(line, "prefix ") || is_service(line))
			(void)fprintf(file, "%s\n", line);
	});
	put_members(mac, network->name, file);
	if (fclose(file) != 0)
		broken("double: open_memstream");
	return text;
}

static void run_network(const struct mac *mac, const struct entry *network)
{
	const struct entry *bridge = find_bridge(mac, network->name);
	char *text = bridge_text(mac, network);
	char name[32];

	if (!bridge) {
		unsigned int number = BRIDGE_FIRST;

		do
			(void)snprintf(name, sizeof(name), "bridge%u", number++);
		while (access(registry_path("bridges", name), F_OK) == 0);
		registry_write("bridges", name, text);
	} else if (strcmp(bridge->text, text) != 0) {
		registry_write("bridges", bridge->name, text);
	}
	free(text);
}

void registry_sweep(void)
{
	struct mac mac;

	folder_load(&mac.networks, "networks");
	folder_load(&mac.interfaces, "interfaces");
	folder_load(&mac.bridges, "bridges");
	end_interfaces(&mac);
	end_runs(&mac);
	end_networks(&mac);
	for (size_t i = 0; i < mac.networks.n; i++)
		if (exists(&mac.networks.entries[i]) &&
		    has_interface(&mac, mac.networks.entries[i].name))
			run_network(&mac, &mac.networks.entries[i]);
	folder_clear(&mac.networks);
	folder_clear(&mac.interfaces);
	folder_clear(&mac.bridges);
}

/* Looking */

void registry_each_bridge(void (^visit)(const char *name, const char *network_id,
					const struct network_addresses *addresses))
{
	struct folder bridges;

	registry_sweep();
	folder_load(&bridges, "bridges");
	for (size_t i = 0; i < bridges.n; i++) {
		struct network_addresses addresses = { 0 };
		char network_id[LINE_SIZE];
		uint32_t mtu;

		(void)value_of(bridges.entries[i].text, "network", network_id);
		read_addresses(bridges.entries[i].text, &addresses, &mtu);
		visit(bridges.entries[i].name, network_id, &addresses);
	}
	folder_clear(&bridges);
}

bool registry_bridge(const char *network_id, struct in_addr *host)
{
	__block struct in_addr found = { 0 };
	__block bool runs = false;

	registry_each_bridge(
		^(const char *name, const char *of, const struct network_addresses *addresses) {
			(void)name;
			if (strcmp(of, network_id) != 0)
				return;
			found = addresses->host;
			runs = true;
		});
	*host = found;
	return runs;
}
