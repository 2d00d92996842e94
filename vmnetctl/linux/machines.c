/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines on Linux: the broker knows interfaces and leases, the kernel who has answered on the
 * bridge, and /proc whose devices they are. Of machines on other hosts the kernel knows MAC
 * addresses, and from whomever it was told, or has heard, IP addresses; the network's name server
 * has their names.
 */
#include "vmnetctl/machines.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "config/config.h"
#include "dns.h"
#include "host/names.h"
#include "host/neighbours.h"
#include "hosts.h"
#include "machine.h"
#include "openers.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* So many machines on other hosts are asked for their names. */
#define NAMES_MAX 1024

/* Whom the kernel knows on one bridge, sorted by MAC address. */
struct neighbours {
	const char *bridge;
	struct neighbour *items;
	size_t n_items;
};

static int compare_neighbours(const void *left, const void *right)
{
	const struct neighbour *a = left, *b = right;
	const int order = memcmp(&a->mac, &b->mac, sizeof(a->mac));

	if (order != 0)
		return order;
	return a->family != b->family ? a->family - b->family
				      : memcmp(&a->address, &b->address, address_size(a->family));
}

static bool is_of_link(const struct neighbour *neighbour)
{
	return neighbour->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&neighbour->address.ipv6);
}

static int append(struct neighbours *neighbours, const struct neighbour *neighbour)
{
	struct neighbour *items =
		array_grow(neighbours->items, neighbours->n_items, sizeof(*items));

	if (!items)
		return -ENOMEM;
	neighbours->items = items;
	items[neighbours->n_items++] = *neighbour;
	return 0;
}

/* Adds those of a link that list() has, and takes them. */
static int add_some(struct neighbours *neighbours, const char *link,
		    int (*list)(int link, struct neighbour **list, size_t *n))
{
	const unsigned int index = if_nametoindex(link);
	const bool is_bridge = strcmp(link, neighbours->bridge) == 0;
	struct neighbour *items = NULL;
	size_t n = 0;
	int result = index ? list((int)index, &items, &n) : 0;

	/* Addresses of a link alone are shown with the bridge's name. */
	for (size_t i = 0; i < n && result == 0; i++)
		if (is_bridge || !is_of_link(&items[i]))
			result = append(neighbours, &items[i]);
	free(items);
	return result;
}

static int read_neighbours(const char *bridge, struct neighbours *neighbours)
{
	char own[INTERFACE_NAME_SIZE];
	int result;

	*neighbours = (struct neighbours){ .bridge = bridge };
	if (!bridge)
		return DONE;
	result = add_some(neighbours, bridge, neighbours_list);
	if (result == 0)
		result = add_some(neighbours, bridge, neighbours_list_told);
	/* By its own end the host has talked with machines on other hosts. */
	own_name(bridge, own);
	if (result == 0)
		result = add_some(neighbours, own, neighbours_list);
	if (result == 0 && neighbours->n_items > 0)
		qsort(neighbours->items, neighbours->n_items, sizeof(*neighbours->items),
		      compare_neighbours);
	if (result == 0)
		return DONE;
	complain("the kernel does not tell its neighbours: %s", strerror(-result));
	return FAILED;
}

/* The first of a MAC address, or of the next one. */
static size_t first_of(const struct neighbours *neighbours, const struct mac_address *mac)
{
	size_t first = 0, end = neighbours->n_items;

	while (first < end) {
		const size_t middle = first + (end - first) / 2;

		if (memcmp(&neighbours->items[middle].mac, mac, sizeof(*mac)) < 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

static bool is_ipv6(const char *address)
{
	return strchr(address, ':') != NULL;
}

static void add_leases(struct machine_facts *machine, const struct mac_address *mac, bool ipv6)
{
	for (size_t i = 0; i < machine->network->n_leases; i++) {
		const struct vmnet_broker_lease *lease = machine->network->leases[i];

		if (machine_has_mac(lease->mac_address, mac) && is_ipv6(lease->address) == ipv6)
			addresses_add(&machine->addresses, lease->address);
	}
}

/* Those of one family that are good everywhere, or those that are good on the bridge alone. */
static void add_neighbours(struct machine_facts *machine, const struct mac_address *mac,
			   const struct neighbours *neighbours, int family, bool of_link)
{
	for (size_t i = first_of(neighbours, mac);
	     i < neighbours->n_items && mac_address_equal(&neighbours->items[i].mac, mac); i++) {
		const struct neighbour *neighbour = &neighbours->items[i];
		char text[INET6_ADDRSTRLEN], scoped[ADDRESS_TEXT_SIZE];

		if (neighbour->family != family || is_of_link(neighbour) != of_link)
			continue;
		(void)inet_ntop(family, &neighbour->address, text, sizeof(text));
		(void)snprintf(scoped, sizeof(scoped), of_link ? "%s%%%s" : "%s", text,
			       neighbours->bridge);
		addresses_add(&machine->addresses, scoped);
	}
}

static void add_addresses(struct machine_facts *machine, const struct mac_address *mac,
			  const struct neighbours *neighbours)
{
	const struct vmnet_broker_interface *interface = machine->interface;

	if (interface && interface->ipv4_address)
		addresses_add(&machine->addresses, interface->ipv4_address);
	add_leases(machine, mac, false);
	add_neighbours(machine, mac, neighbours, AF_INET, false);
	if (interface && interface->ipv6_address)
		addresses_add(&machine->addresses, interface->ipv6_address);
	add_leases(machine, mac, true);
	add_neighbours(machine, mac, neighbours, AF_INET6, false);
	add_neighbours(machine, mac, neighbours, AF_INET6, true);
}

/* What it asked to be called, or calls itself. */
static void set_name(struct machine_facts *machine, const struct mac_address *mac)
{
	const char *name = machine->interface->name;

	if (!name)
		name = machine_hostname(machine->network, mac);
	(void)snprintf(machine->name, sizeof(machine->name), "%s", name ? name : "");
}

static int add_local(const struct vmnet_broker_inspection *inspection,
		     const struct host_list *hosts, const struct neighbours *neighbours,
		     struct machine_list *machines)
{
	const struct host_facts *own = hosts_own(hosts);

	for (size_t i = 0; i < inspection->n_interfaces; i++) {
		struct machine_facts *machine = machines_append(machines, inspection);
		struct mac_address mac;

		if (!machine)
			return FAILED;
		machine->interface = inspection->interfaces[i];
		(void)snprintf(machine->host, sizeof(machine->host), "%s", own ? own->name : "");
		(void)snprintf(machine->mac, sizeof(machine->mac), "%s",
			       machine->interface->mac_address);
		if (mac_address_parse(machine->mac, &mac) < 0)
			continue;
		set_name(machine, &mac);
		add_addresses(machine, &mac, neighbours);
	}
	return DONE;
}

/* On other hosts */

/* Whether it is what a host has for itself on the network. */
static bool is_host(const struct host_list *hosts, const struct mac_address *mac)
{
	for (size_t i = 0; i < hosts->n_items; i++) {
		const struct mac_address own =
			vxlan_mac(ipv4_subnet_host(&hosts->items[i].pool, 1));

		if (mac_address_equal(mac, &own))
			return true;
	}
	return false;
}

/* machines: those of this host begin at first, and have come from there, perhaps. */
static bool is_local(const struct machine_list *machines, size_t first, size_t end, const char *mac)
{
	for (size_t i = first; i < end; i++)
		if (strcasecmp(machines->items[i].mac, mac) == 0)
			return true;
	return false;
}

/* Of a name server that does not answer, nothing more is asked. */
static void ask_names(const struct vmnet_broker_inspection *inspection,
		      struct machine_list *machines, size_t first)
{
	const char *gateway = inspection->network->ipv4_gateway;
	struct in_addr server, address;
	char name[DNS_TEXT_SIZE];
	int answered = gateway && inet_pton(AF_INET, gateway, &server) == 1 ? 0 : -1;

	for (size_t i = first; i < machines->n_items && i - first < NAMES_MAX && answered >= 0;
	     i++) {
		struct machine_facts *machine = &machines->items[i];

		if (machine->addresses.n == 0 ||
		    inet_pton(AF_INET, machine->addresses.items[0], &address) != 1)
			continue;
		answered = dns_ask_name(server, address, name);
		if (answered > 0)
			(void)snprintf(machine->name, sizeof(machine->name), "%.*s",
				       (int)strcspn(name, "."), name);
	}
}

/* first: where this network's machines begin. Entries of one MAC address follow each other. */
static int add_elsewhere(const struct vmnet_broker_inspection *inspection,
			 const struct host_list *hosts, const struct neighbours *neighbours,
			 struct machine_list *machines, size_t first)
{
	const size_t end = machines->n_items;
	char mac[MAC_TEXT_SIZE] = "", address[INET6_ADDRSTRLEN];
	struct fdb_entry *list;
	int result;
	size_t n;

	result = fdb_take(inspection->network, &list, &n);
	for (size_t i = 0; i < n && result == DONE; i++) {
		struct machine_facts *machine;
		const struct host_facts *host;

		if (fdb_is_flood(&list[i]) || is_host(hosts, &list[i].mac) ||
		    (i > 0 && mac_address_equal(&list[i].mac, &list[i - 1].mac)) ||
		    is_local(machines, first, end, mac_address_format(&list[i].mac, mac)))
			continue;
		machine = machines_append(machines, inspection);
		if (!machine) {
			result = FAILED;
			break;
		}
		host = fdb_host(hosts, &list[i], address);
		(void)snprintf(machine->host, sizeof(machine->host), "%s",
			       host ? host->name : address);
		(void)snprintf(machine->mac, sizeof(machine->mac), "%s", mac);
		add_addresses(machine, &list[i].mac, neighbours);
	}
	free(list);
	if (result == DONE)
		ask_names(inspection, machines, end);
	return result;
}

int machines_add(const struct vmnet_broker_inspection *inspection, struct machine_list *machines)
{
	const size_t first = machines->n_items;
	struct neighbours neighbours;
	struct host_list hosts;
	int result = read_neighbours(inspection->network->bridge, &neighbours);

	if (result == DONE) {
		result = hosts_take(inspection->network, &hosts);
		if (result == DONE)
			result = add_local(inspection, &hosts, &neighbours, machines);
		if (result == DONE && hosts.n_items > 0)
			result = add_elsewhere(inspection, &hosts, &neighbours, machines, first);
		hosts_clear(&hosts);
	}
	free(neighbours.items);
	return result;
}

static void read_command(pid_t pid, char *command, size_t size)
{
	char path[32];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(command, (int)size, file))
		command[0] = '\0';
	command[strcspn(command, "\n")] = '\0';
	if (file)
		(void)fclose(file);
}

/* Of several processes the last one is taken: what starts a machine comes before it. */
static void take(const char *device, pid_t pid, void *userdata)
{
	struct machine_list *machines = userdata;
	char command[sizeof(machines->items->command)];

	for (size_t i = 0; i < machines->n_items; i++) {
		struct machine_facts *machine = &machines->items[i];

		if (!machine->interface || strcmp(machine->interface->device, device) != 0 ||
		    machine->pid == pid)
			continue;
		read_command(pid, command, sizeof(command));
		if (machine->pid && strcmp(command, "vmnetctl") == 0)
			continue;
		machine->pid = pid;
		memcpy(machine->command, command, sizeof(command));
	}
}

void machines_find_processes(struct machine_list *machines)
{
	if (machines->n_items > 0)
		openers_each_device(take, machines);
}
