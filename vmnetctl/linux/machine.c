/* SPDX-License-Identifier: Apache-2.0 */
/* Machines as the broker has them: interfaces, with the names of the leases of their addresses. */
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmnetctl/machines.h"
#include "vmnetctl/text.h"

/* What is listed in a complaint; more is cut. */
#define LIST_SIZE 1024

bool machine_has_mac(const char *text, const struct mac_address *mac)
{
	struct mac_address parsed;

	return mac_address_parse(text, &parsed) == 0 && mac_address_equal(&parsed, mac);
}

const char *machine_hostname(const struct vmnet_broker_inspection *inspection,
			     const struct mac_address *mac)
{
	for (size_t i = 0; i < inspection->n_leases; i++)
		if (inspection->leases[i]->hostname &&
		    machine_has_mac(inspection->leases[i]->mac_address, mac))
			return inspection->leases[i]->hostname;
	return NULL;
}

void machine_of(const struct vmnet_broker_inspection *inspection,
		const struct vmnet_broker_interface *interface, struct machine *machine)
{
	const char *name;

	*machine = (struct machine){ .uid = (uid_t)interface->uid };
	(void)mac_address_parse(interface->mac_address, &machine->mac);
	(void)snprintf(machine->device, sizeof(machine->device), "%s", interface->device);
	name = interface->name ? interface->name : machine_hostname(inspection, &machine->mac);
	(void)snprintf(machine->name, sizeof(machine->name), "%s", name ? name : "");
}

void machine_describe(const struct machine *machine, char text[MACHINE_TEXT_SIZE])
{
	char mac[MAC_TEXT_SIZE];

	(void)mac_address_format(&machine->mac, mac);
	if (machine->name[0])
		(void)snprintf(text, MACHINE_TEXT_SIZE, "%s (%s, %s)", machine->name, mac,
			       machine->device);
	else
		(void)snprintf(text, MACHINE_TEXT_SIZE, "%s (%s)", mac, machine->device);
}

/* own: by what it calls itself, which any machine may; otherwise by what is its alone. */
static bool fits(const struct vmnet_broker_inspection *inspection,
		 const struct vmnet_broker_interface *interface, const char *word, bool own)
{
	struct mac_address mac;
	const char *name = interface->name;
	const bool has_address = mac_address_parse(interface->mac_address, &mac) == 0;

	if (own)
		name = has_address ? machine_hostname(inspection, &mac) : NULL;
	else if (strcmp(interface->device, word) == 0 ||
		 (has_address && machine_has_mac(word, &mac)))
		return true;
	return name && strcasecmp(name, word) == 0;
}

static void append(char list[LIST_SIZE], const struct vmnet_broker_inspection *inspection,
		   const struct vmnet_broker_interface *interface)
{
	const size_t length = strlen(list);
	char text[MACHINE_TEXT_SIZE];
	struct machine machine;

	machine_of(inspection, interface, &machine);
	machine_describe(&machine, text);
	(void)snprintf(list + length, LIST_SIZE - length, "%s%s", length > 0 ? ", " : "", text);
}

/* Returns how many fit, which are listed; found gets the last of them. */
static size_t look(const struct vmnet_broker_inspection *inspection, const char *word, bool own,
		   const struct vmnet_broker_interface **found, char list[LIST_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < inspection->n_interfaces; i++) {
		if (!fits(inspection, inspection->interfaces[i], word, own))
			continue;
		*found = inspection->interfaces[i];
		append(list, inspection, *found);
		n++;
	}
	return n;
}

int machine_look(const struct vmnet_broker_inspection *inspection, const char *word,
		 const struct vmnet_broker_interface **found)
{
	char list[LIST_SIZE] = "";
	size_t n;

	*found = NULL;
	n = look(inspection, word, false, found, list);
	if (n == 0)
		n = look(inspection, word, true, found, list);
	if (n <= 1)
		return DONE;
	complain("network \"%s\": more than one machine is \"%s\": %s; say which by its MAC "
		 "address",
		 inspection->network->name, word, list);
	return FAILED;
}

/* Returns whether it is on another of the network's hosts, and that has been said. */
static bool complain_of_elsewhere(const struct vmnet_broker_inspection *inspection,
				  const char *word)
{
	struct machine_list machines = { 0 };
	struct mac_address mac;
	const bool is_mac = mac_address_parse(word, &mac) == 0;
	bool found = machines_add(inspection, &machines) != DONE;

	for (size_t i = 0; i < machines.n_items && !found; i++) {
		const struct machine_facts *machine = &machines.items[i];

		if (machine->interface || (is_mac ? !machine_has_mac(machine->mac, &mac)
						  : strcasecmp(machine->name, word) != 0))
			continue;
		found = true;
		complain("network \"%s\": machine \"%s\" is on host \"%s\"; do that there",
			 inspection->network->name, word, machine->host);
	}
	machines_clear(&machines);
	return found;
}

static void complain_of_none(const struct vmnet_broker_inspection *inspection, const char *word)
{
	char list[LIST_SIZE] = "";

	if (complain_of_elsewhere(inspection, word))
		return;
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		append(list, inspection, inspection->interfaces[i]);
	if (list[0])
		complain("network \"%s\" has no machine \"%s\"; it has %s",
			 inspection->network->name, word, list);
	else
		complain("network \"%s\" has no machine", inspection->network->name);
}

int find_machine(struct vmnet_broker *broker, const char *network, const char *word,
		 struct machine *machine)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	const struct vmnet_broker_interface *interface;
	int result;

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = machine_look(inspection, word, &interface);
	if (result == DONE && interface) {
		machine_of(inspection, interface, machine);
	} else if (result == DONE) {
		complain_of_none(inspection, word);
		result = FAILED;
	}
	vmnet_broker_inspection_free(inspection);
	return result;
}
