/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines on macOS join networks without the broker: what is known of them is whose lease has not
 * ended, and who is in the ARP table.
 */
#include "vmnetctl/machines.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "leases.h"
#include "vmnetctl/hosts.h"
#include "vmnetctl/vmnetctl.h"

struct gathering {
	const struct vmnet_broker_inspection *inspection;
	struct machine_list *machines;
	size_t first; /* of this network's */
	int result;
};

static struct machine_facts *machine_at(const struct gathering *gathering, const char *address)
{
	for (size_t i = gathering->first; i < gathering->machines->n_items; i++)
		if (strcmp(gathering->machines->items[i].addresses.items[0], address) == 0)
			return &gathering->machines->items[i];
	return NULL;
}

/* The machine at this address, which is not the host; NULL also when memory is short. */
static struct machine_facts *get(struct gathering *gathering, struct in_addr address)
{
	const char *gateway = gathering->inspection->network->ipv4_gateway;
	struct machine_facts *machine;
	char text[INET_ADDRSTRLEN];

	(void)inet_ntop(AF_INET, &address, text, sizeof(text));
	if (gateway && strcmp(gateway, text) == 0)
		return NULL;
	machine = machine_at(gathering, text);
	if (machine)
		return machine;
	machine = machines_append(gathering->machines, gathering->inspection);
	if (machine)
		addresses_add(&machine->addresses, text);
	else
		gathering->result = FAILED;
	return machine;
}

static void add_neighbour(struct in_addr address, const struct mac_address *mac, void *userdata)
{
	struct machine_facts *machine = get(userdata, address);

	if (machine)
		(void)mac_address_format(mac, machine->mac);
}

static bool is_of(const struct lease_record *record, const struct machine_facts *machine)
{
	char mac[MAC_TEXT_SIZE];

	return !record->has_mac || strcmp(mac_address_format(&record->mac, mac), machine->mac) == 0;
}

/* Of those that have ended, only that of a machine which is there still. */
static void add_lease(const struct lease_record *record, void *userdata)
{
	struct gathering *gathering = userdata;
	char text[INET_ADDRSTRLEN];
	struct machine_facts *machine =
		machine_at(gathering, inet_ntop(AF_INET, &record->address, text, sizeof(text)));

	if (record->lease < (unsigned long long)time(NULL)) {
		if (!machine || !is_of(record, machine))
			return;
	} else if (!machine) {
		machine = get(gathering, record->address);
	}
	if (!machine)
		return;
	(void)snprintf(machine->name, sizeof(machine->name), "%s", record->name);
	if (record->has_mac)
		(void)mac_address_format(&record->mac, machine->mac);
}

int machines_add(const struct vmnet_broker_inspection *inspection, struct machine_list *machines)
{
	const char *text = inspection->network->ipv4_subnet;
	struct gathering gathering = { inspection, machines, machines->n_items, DONE };
	struct ipv4_subnet subnet;

	if (!text || ipv4_subnet_parse(text, &subnet) < 0)
		return DONE;
	neighbours_each(&subnet, add_neighbour, &gathering);
	if (leases_each(&subnet, add_lease, &gathering) != DONE)
		return FAILED;
	return gathering.result;
}

/* No interface of theirs is known. */
void machines_find_processes(struct machine_list *machines)
{
	(void)machines;
}

/* No network is on several. */
int hosts_look(const struct vmnet_broker_network *network, struct host_list *hosts)
{
	(void)network;
	(void)hosts;
	return DONE;
}
