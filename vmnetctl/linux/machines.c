/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines on Linux: the broker knows interfaces and leases, the kernel who has answered on the
 * bridge, and /proc whose devices they are.
 */
#include "vmnetctl/machines.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "host/neighbours.h"
#include "machine.h"
#include "openers.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* Whom the kernel knows on one bridge. */
struct neighbours {
	const char *bridge;
	struct neighbour *items;
	size_t n_items;
};

static int read_neighbours(const char *bridge, struct neighbours *neighbours)
{
	const unsigned int index = bridge ? if_nametoindex(bridge) : 0;
	int result;

	*neighbours = (struct neighbours){ .bridge = bridge };
	if (!index)
		return DONE;
	result = neighbours_list((int)index, &neighbours->items, &neighbours->n_items);
	if (result == 0)
		return DONE;
	complain("the kernel does not tell its neighbours: %s", strerror(-result));
	return FAILED;
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

static bool is_of_link(const struct neighbour *neighbour)
{
	return neighbour->family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&neighbour->address.ipv6);
}

/* Those of one family that are good everywhere, or those that are good on the bridge alone. */
static void add_neighbours(struct machine_facts *machine, const struct mac_address *mac,
			   const struct neighbours *neighbours, int family, bool of_link)
{
	for (size_t i = 0; i < neighbours->n_items; i++) {
		const struct neighbour *neighbour = &neighbours->items[i];
		char text[INET6_ADDRSTRLEN], scoped[ADDRESS_TEXT_SIZE];

		if (!mac_address_equal(&neighbour->mac, mac) || neighbour->family != family ||
		    is_of_link(neighbour) != of_link)
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
	if (machine->interface->ipv4_address)
		addresses_add(&machine->addresses, machine->interface->ipv4_address);
	add_leases(machine, mac, false);
	add_neighbours(machine, mac, neighbours, AF_INET, false);
	if (machine->interface->ipv6_address)
		addresses_add(&machine->addresses, machine->interface->ipv6_address);
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

int machines_add(const struct vmnet_broker_inspection *inspection, struct machine_list *machines)
{
	struct neighbours neighbours;
	int result = read_neighbours(inspection->network->bridge, &neighbours);

	for (size_t i = 0; i < inspection->n_interfaces && result == DONE; i++) {
		struct machine_facts *machine = machines_append(machines, inspection);
		struct mac_address mac;

		if (!machine) {
			result = FAILED;
			break;
		}
		machine->interface = inspection->interfaces[i];
		(void)snprintf(machine->mac, sizeof(machine->mac), "%s",
			       machine->interface->mac_address);
		if (mac_address_parse(machine->mac, &mac) < 0)
			continue;
		set_name(machine, &mac);
		add_addresses(machine, &mac, &neighbours);
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

		if (strcmp(machine->interface->device, device) != 0 || machine->pid == pid)
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
