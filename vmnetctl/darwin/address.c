/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a machine's address on macOS, by its name or MAC address. No call tells it, but the
 * system's leases do: the newest one in the network's subnet counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "leases.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

/* A machine that is looked for. */
struct wanted {
	const char *name; /* as given, which may be a MAC address */
	struct ipv4_subnet subnet;
	struct mac_address mac;
	bool has_mac;
	/* Of this MAC address by the ARP table; beyond that many, which nobody has, are left. */
	struct in_addr neighbours[16];
	size_t n_neighbours;
	struct lease_record found; /* its newest record; the address is 0 when there is none */
};

static void add_neighbour(struct in_addr address, const struct mac_address *mac, void *userdata)
{
	struct wanted *wanted = userdata;

	if (mac_address_equal(mac, &wanted->mac) &&
	    wanted->n_neighbours < ARRAY_SIZE(wanted->neighbours))
		wanted->neighbours[wanted->n_neighbours++] = address;
}

static bool is_neighbour(const struct wanted *wanted, struct in_addr address)
{
	for (size_t i = 0; i < wanted->n_neighbours; i++) {
		if (wanted->neighbours[i].s_addr == address.s_addr)
			return true;
	}
	return false;
}

static bool is_of(const struct lease_record *record, const struct wanted *wanted)
{
	if (strcasecmp(record->name, wanted->name) == 0)
		return true;
	if (!record->has_mac)
		return is_neighbour(wanted, record->address);
	return wanted->has_mac && mac_address_equal(&record->mac, &wanted->mac);
}

static void take_newer(const struct lease_record *record, void *userdata)
{
	struct wanted *wanted = userdata;

	if (is_of(record, wanted) &&
	    (!wanted->found.address.s_addr || record->lease >= wanted->found.lease))
		wanted->found = *record;
}

/* The network's subnet: of length 0 while it is not active. Returns DONE or FAILED. */
static int subnet_of(struct vmnet_broker *broker, const char *network, struct ipv4_subnet *subnet)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);

	*subnet = (struct ipv4_subnet){ 0 };
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	if (inspection->network->ipv4_subnet)
		(void)ipv4_subnet_parse(inspection->network->ipv4_subnet, subnet);
	vmnet_broker_inspection_free(inspection);
	return DONE;
}

int find_address(struct vmnet_broker *broker, const char *network, const char *machine,
		 char **address)
{
	struct wanted wanted = { .name = machine };
	struct in_addr found;
	char text[INET_ADDRSTRLEN];

	*address = NULL;
	if (subnet_of(broker, network, &wanted.subnet) != DONE)
		return FAILED;
	if (wanted.subnet.length == 0)
		return DONE;
	wanted.has_mac = mac_address_parse(machine, &wanted.mac) == 0;
	if (wanted.has_mac)
		neighbours_each(&wanted.subnet, add_neighbour, &wanted);
	if (leases_each(&wanted.subnet, take_newer, &wanted) != DONE)
		return FAILED;
	found = wanted.found.address.s_addr ? wanted.found.address : wanted.neighbours[0];
	if (!found.s_addr)
		return DONE;
	*address = strdup(inet_ntop(AF_INET, &found, text, sizeof(text)));
	if (*address)
		return DONE;
	complain("out of memory");
	return FAILED;
}

int find_addresses(struct vmnet_broker *broker, const char *network, const char *machine,
		   struct machine_addresses *addresses)
{
	char *address;
	int result = find_address(broker, network, machine, &address);

	addresses->n = 0;
	if (result != DONE || !address)
		return result;
	(void)snprintf(addresses->items[addresses->n++], ADDRESS_TEXT_SIZE, "%s", address);
	free(address);
	return DONE;
}
