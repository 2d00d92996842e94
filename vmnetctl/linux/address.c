/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a machine's address on Linux: the broker knows the leases. Of a machine on another host the
 * kernel knows it by the MAC address, and the network's name server by the name.
 */
#include "base/address.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "dns.h"
#include "host/names.h"
#include "machine.h"
#include "vmnetctl/hosts.h"
#include "vmnetctl/machines.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

static bool is_of(const struct vmnet_broker_lease *lease,
		  const struct vmnet_broker_interface *interface)
{
	return strcasecmp(lease->mac_address, interface->mac_address) == 0;
}

static bool is_ipv6(const struct vmnet_broker_lease *lease)
{
	return strchr(lease->address, ':') != NULL;
}

/* The machine's lease, or NULL; of several an IPv4 one, which every program can use. */
static const struct vmnet_broker_lease *find_lease(const struct vmnet_broker_inspection *inspection,
						   const struct vmnet_broker_interface *interface)
{
	const struct vmnet_broker_lease *found = NULL;

	for (size_t i = 0; i < inspection->n_leases; i++) {
		const struct vmnet_broker_lease *lease = inspection->leases[i];

		if (is_of(lease, interface) && (!found || is_ipv6(found)))
			found = lease;
	}
	return found;
}

static bool is_on_several(const struct vmnet_broker_network *network)
{
	struct host_list hosts;
	const bool is = hosts_take(network, &hosts) == DONE && hosts.n_items > 0;

	hosts_clear(&hosts);
	return is;
}

/* The name server has machines of this host, too, also those that are detached. */
static bool is_of_this_host(const struct vmnet_broker_inspection *inspection, const char *address)
{
	for (size_t i = 0; i < inspection->n_leases; i++)
		if (strcmp(inspection->leases[i]->address, address) == 0)
			return true;
	return strcmp(address, inspection->network->ipv4_gateway) == 0;
}

static void ask_for_name(struct machine_addresses *addresses,
			 const struct vmnet_broker_inspection *inspection, const char *machine)
{
	const char *gateway = inspection->network->ipv4_gateway;
	char name[DNS_LABEL_MAX + sizeof(".") + NETWORK_DOMAIN_SIZE], text[DNS_TEXT_SIZE];
	char domain[NETWORK_DOMAIN_SIZE];
	struct in_addr server;

	if (!dns_label_is_valid(machine) || !gateway || inet_pton(AF_INET, gateway, &server) != 1)
		return;
	(void)snprintf(name, sizeof(name), "%s.%s", machine,
		       network_domain(inspection->network->name, domain));
	if (dns_ask(server, name, ns_t_a, text) > 0 && !is_of_this_host(inspection, text))
		addresses_add(addresses, text);
}

/* Adds those of a machine on another host. Returns DONE, or FAILED after complaining. */
static int add_elsewhere(struct machine_addresses *addresses,
			 const struct vmnet_broker_inspection *inspection, const char *word)
{
	struct machine_list machines = { 0 };
	struct mac_address mac;
	int result;

	if (!is_on_several(inspection->network))
		return DONE;
	if (mac_address_parse(word, &mac) < 0) {
		ask_for_name(addresses, inspection, word);
		return DONE;
	}
	result = machines_add(inspection, &machines);
	for (size_t i = 0; i < machines.n_items && result == DONE; i++)
		if (!machines.items[i].interface && machine_has_mac(machines.items[i].mac, &mac))
			for (size_t j = 0; j < machines.items[i].addresses.n; j++)
				addresses_add(addresses, machines.items[i].addresses.items[j]);
	machines_clear(&machines);
	return result;
}

/* Returns DONE with what find_address() gives, or FAILED after complaining. */
static int take_address(const struct vmnet_broker_inspection *inspection, const char *machine,
			char **address)
{
	const struct vmnet_broker_interface *interface;
	const struct vmnet_broker_lease *lease;
	struct machine_addresses elsewhere = { 0 };
	const char *found = NULL;

	if (inspection->network->mode == VMNET_BROKER_BRIDGED) {
		complain("network \"%s\" is bridged: its machines get their addresses from the "
			 "outside, and the broker cannot know them",
			 inspection->network->name);
		return FAILED;
	}
	if (machine_look(inspection, machine, &interface) != DONE)
		return FAILED;
	lease = interface ? find_lease(inspection, interface) : NULL;
	if (lease)
		found = lease->address;
	if (!interface && add_elsewhere(&elsewhere, inspection, machine) != DONE)
		return FAILED;
	if (elsewhere.n > 0)
		found = elsewhere.items[0];
	if (!found)
		return DONE;
	*address = strdup(found);
	if (*address)
		return DONE;
	complain("out of memory");
	return FAILED;
}

int find_address(struct vmnet_broker *broker, const char *network, const char *machine,
		 char **address)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	int result;

	*address = NULL;
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = take_address(inspection, machine, address);
	vmnet_broker_inspection_free(inspection);
	return result;
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
	addresses_add(addresses, scoped);
}

static void add_leases(struct machine_addresses *addresses,
		       const struct vmnet_broker_inspection *inspection,
		       const struct vmnet_broker_interface *interface, bool ipv6)
{
	for (size_t i = 0; i < inspection->n_leases; i++) {
		const struct vmnet_broker_lease *lease = inspection->leases[i];

		if (is_of(lease, interface) && is_ipv6(lease) == ipv6)
			addresses_add(addresses, lease->address);
	}
}

static void add_all(struct machine_addresses *addresses,
		    const struct vmnet_broker_inspection *inspection,
		    const struct vmnet_broker_interface *interface)
{
	if (interface->ipv4_address)
		addresses_add(addresses, interface->ipv4_address);
	if (interface->ipv6_address)
		addresses_add(addresses, interface->ipv6_address);
	add_leases(addresses, inspection, interface, false);
	add_leases(addresses, inspection, interface, true);
	add_link_local(addresses, interface->mac_address, inspection->network->bridge);
}

int find_addresses(struct vmnet_broker *broker, const char *network, const char *machine,
		   struct machine_addresses *addresses)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, network, &inspection);
	const struct vmnet_broker_interface *interface;
	int result;

	addresses->n = 0;
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = machine_look(inspection, machine, &interface);
	if (result == DONE && interface)
		add_all(addresses, inspection, interface);
	else if (result == DONE)
		result = add_elsewhere(addresses, inspection, machine);
	vmnet_broker_inspection_free(inspection);
	return result;
}
