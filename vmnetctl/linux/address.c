/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a machine's address on Linux: the broker knows the leases. */
#include "base/address.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

static bool is_of(const struct vmnet_broker_lease *lease, const char *machine)
{
	struct mac_address wanted, mac;

	if (lease->hostname && strcasecmp(lease->hostname, machine) == 0)
		return true;
	return mac_address_parse(machine, &wanted) == 0 &&
	       mac_address_parse(lease->mac_address, &mac) == 0 && mac_address_equal(&wanted, &mac);
}

/* The interface that was attached with that name or MAC address, or NULL. */
static const struct vmnet_broker_interface *
find_interface(const struct vmnet_broker_inspection *inspection, const char *machine)
{
	struct mac_address wanted, mac;
	bool has_mac = mac_address_parse(machine, &wanted) == 0;

	for (size_t i = 0; i < inspection->n_interfaces; i++) {
		const struct vmnet_broker_interface *interface = inspection->interfaces[i];

		if ((interface->name && strcasecmp(interface->name, machine) == 0) ||
		    (has_mac && mac_address_parse(interface->mac_address, &mac) == 0 &&
		     mac_address_equal(&wanted, &mac)))
			return interface;
	}
	return NULL;
}

/* A lease outlives its machine, for the next one of that address. */
static bool is_attached(const struct vmnet_broker_inspection *inspection,
			const struct vmnet_broker_lease *lease)
{
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		if (strcasecmp(inspection->interfaces[i]->mac_address, lease->mac_address) == 0)
			return true;
	return false;
}

/* What finds its leases: its name is its own, whatever others call themselves. */
static const char *key_of(const struct vmnet_broker_inspection *inspection, const char *machine)
{
	const struct vmnet_broker_interface *interface = find_interface(inspection, machine);

	return interface ? interface->mac_address : machine;
}

/* The machine's lease, or NULL; of several an IPv4 one, which every program can use. */
static const struct vmnet_broker_lease *find_lease(const struct vmnet_broker_inspection *inspection,
						   const char *machine)
{
	const struct vmnet_broker_lease *found = NULL;

	machine = key_of(inspection, machine);
	for (size_t i = 0; i < inspection->n_leases; i++) {
		const struct vmnet_broker_lease *lease = inspection->leases[i];

		if (is_of(lease, machine) && is_attached(inspection, lease) &&
		    (!found || strchr(found->address, ':')))
			found = lease;
	}
	return found;
}

int find_address(struct vmnet_broker *broker, const char *network, const char *machine,
		 char **address)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	const struct vmnet_broker_lease *lease;
	int result = DONE;

	*address = NULL;
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	lease = find_lease(inspection, machine);
	if (inspection->network->mode == VMNET_BROKER_BRIDGED) {
		complain("network \"%s\" is bridged: its machines get their addresses from the "
			 "outside, and the broker cannot know them",
			 network);
		result = FAILED;
	} else if (lease) {
		*address = strdup(lease->address);
		if (!*address) {
			complain("out of memory");
			result = FAILED;
		}
	}
	vmnet_broker_inspection_free(inspection);
	return result;
}

static void add(struct machine_addresses *addresses, const char *address)
{
	for (size_t i = 0; i < addresses->n; i++)
		if (strcmp(addresses->items[i], address) == 0)
			return;
	if (addresses->n < ARRAY_SIZE(addresses->items))
		(void)snprintf(addresses->items[addresses->n++], ADDRESS_TEXT_SIZE, "%s", address);
}

/* What a machine's IPv6 has made of its MAC address on the bridge (RFC 4291, appendix A). */
static void add_link_local(struct machine_addresses *addresses, const char *text,
			   const char *bridge)
{
	struct in6_addr address = { .s6_addr = { 0xfe, 0x80 } };
	char numeric[INET6_ADDRSTRLEN], scoped[ADDRESS_TEXT_SIZE];
	struct mac_address mac;

	if (!bridge || mac_address_parse(text, &mac) < 0)
		return;
	memcpy(&address.s6_addr[8], mac.bytes, 3);
	memcpy(&address.s6_addr[13], mac.bytes + 3, 3);
	address.s6_addr[8] ^= 0x02;
	address.s6_addr[11] = 0xff;
	address.s6_addr[12] = 0xfe;
	(void)snprintf(scoped, sizeof(scoped), "%s%%%s",
		       inet_ntop(AF_INET6, &address, numeric, sizeof(numeric)), bridge);
	add(addresses, scoped);
}

/* is_ipv6: of that family alone. */
static void add_leases(struct machine_addresses *addresses,
		       const struct vmnet_broker_inspection *inspection, const char *machine,
		       bool attached, bool is_ipv6)
{
	for (size_t i = 0; i < inspection->n_leases; i++) {
		const struct vmnet_broker_lease *lease = inspection->leases[i];

		if (is_of(lease, machine) &&
		    (find_interface(inspection, lease->mac_address) != NULL) == attached &&
		    (strchr(lease->address, ':') != NULL) == is_ipv6)
			add(addresses, lease->address);
	}
}

static void add_asked_for(struct machine_addresses *addresses,
			  const struct vmnet_broker_interface *interface)
{
	if (interface->ipv4_address)
		add(addresses, interface->ipv4_address);
	if (interface->ipv6_address)
		add(addresses, interface->ipv6_address);
}

/* One that is there goes before those that have been. */
static void add_all(struct machine_addresses *addresses,
		    const struct vmnet_broker_inspection *inspection, const char *machine)
{
	const struct vmnet_broker_interface *interface = find_interface(inspection, machine);
	const char *bridge = inspection->network->bridge;

	machine = key_of(inspection, machine);
	if (interface)
		add_asked_for(addresses, interface);
	add_leases(addresses, inspection, machine, true, false);
	add_leases(addresses, inspection, machine, true, true);
	for (size_t i = 0; i < inspection->n_leases; i++)
		if (is_of(inspection->leases[i], machine))
			add_link_local(addresses, inspection->leases[i]->mac_address, bridge);
	if (interface)
		add_link_local(addresses, machine, bridge);
	add_leases(addresses, inspection, machine, false, false);
	add_leases(addresses, inspection, machine, false, true);
}

int find_addresses(struct vmnet_broker *broker, const char *network, const char *machine,
		   struct machine_addresses *addresses)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);

	addresses->n = 0;
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	add_all(addresses, inspection, machine);
	vmnet_broker_inspection_free(inspection);
	return DONE;
}
