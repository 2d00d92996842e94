/* SPDX-License-Identifier: Apache-2.0 */
/* Finds a machine's address on Linux: the broker knows the leases. */
#include "base/address.h"

#include <string.h>
#include <strings.h>

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

/* A lease outlives its machine, for the next one of that address. */
static bool is_attached(const struct vmnet_broker_inspection *inspection,
			const struct vmnet_broker_lease *lease)
{
	for (size_t i = 0; i < inspection->n_interfaces; i++)
		if (strcasecmp(inspection->interfaces[i]->mac_address, lease->mac_address) == 0)
			return true;
	return false;
}

/* The machine's lease, or NULL; of several an IPv4 one, which every program can use. */
static const struct vmnet_broker_lease *find_lease(const struct vmnet_broker_inspection *inspection,
						   const char *machine)
{
	const struct vmnet_broker_lease *found = NULL;

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
