/* SPDX-License-Identifier: Apache-2.0 */
/* Machines as the broker has them: interfaces, with the names of the leases of their addresses. */
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "vmnetctl/text.h"

/* What is listed in a complaint; more is cut. */
#define LIST_SIZE 1024

static bool has_mac(const char *text, const struct mac_address *mac)
{
	struct mac_address parsed;

	return mac_address_parse(text, &parsed) == 0 && mac_address_equal(&parsed, mac);
}

/* What it calls itself, or NULL. */
static const char *hostname(const struct vmnet_broker_inspection *inspection,
			    const struct mac_address *mac)
{
	for (size_t i = 0; i < inspection->n_leases; i++)
		if (inspection->leases[i]->hostname &&
		    has_mac(inspection->leases[i]->mac_address, mac))
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
	name = interface->name ? interface->name : hostname(inspection, &machine->mac);
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

/* By what the broker has of it: whatever others call themselves. */
static bool is_called(const struct vmnet_broker_inspection *inspection,
		      const struct machine *machine, const char *name, const char *word)
{
	(void)inspection;
	return strcmp(machine->device, word) == 0 || has_mac(word, &machine->mac) ||
	       (name && strcasecmp(name, word) == 0);
}

static bool calls_itself(const struct vmnet_broker_inspection *inspection,
			 const struct machine *machine, const char *name, const char *word)
{
	const char *own = hostname(inspection, &machine->mac);

	(void)name;
	return own && strcasecmp(own, word) == 0;
}

static void append(char list[LIST_SIZE], const struct machine *machine)
{
	const size_t length = strlen(list);
	char text[MACHINE_TEXT_SIZE];

	machine_describe(machine, text);
	(void)snprintf(list + length, LIST_SIZE - length, "%s%s", length > 0 ? ", " : "", text);
}

/* Who is looked for, and what was found. */
struct search {
	const struct vmnet_broker_inspection *inspection;
	const char *word;
	struct machine *machine; /* the last one that fits */
	size_t n; /* how many fit */
	char fitting[LIST_SIZE];
	char all[LIST_SIZE];
};

/* name: of each what was asked for with it, or NULL. */
static void look(struct search *self,
		 bool (*fits)(const struct vmnet_broker_inspection *inspection,
			      const struct machine *machine, const char *name, const char *word))
{
	self->fitting[0] = self->all[0] = '\0';
	for (size_t i = 0; i < self->inspection->n_interfaces; i++) {
		const struct vmnet_broker_interface *interface = self->inspection->interfaces[i];
		struct machine each;

		machine_of(self->inspection, interface, &each);
		append(self->all, &each);
		if (!fits(self->inspection, &each, interface->name, self->word))
			continue;
		append(self->fitting, &each);
		*self->machine = each;
		self->n++;
	}
}

int find_machine(struct vmnet_broker *broker, const char *network, const char *word,
		 struct machine *machine)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	struct search search = { inspection, word, machine, 0, "", "" };

	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	look(&search, is_called);
	if (search.n == 0)
		look(&search, calls_itself);
	vmnet_broker_inspection_free(inspection);
	if (search.n == 1)
		return DONE;
	if (search.n > 1)
		complain("network \"%s\": more than one machine is \"%s\": %s; say which by its "
			 "MAC address or its device",
			 network, word, search.fitting);
	else if (search.all[0])
		complain("network \"%s\" has no machine \"%s\"; it has %s", network, word,
			 search.all);
	else
		complain("network \"%s\" has no machine", network);
	return FAILED;
}
