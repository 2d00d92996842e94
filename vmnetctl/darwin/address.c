/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's address on macOS: no call tells it, but the system's DHCP server
 * keeps its leases in a file of records like
 *
 *	{
 *		name=db
 *		ip_address=192.168.64.2
 *		hw_address=1,52:54:0:12:34:56
 *		lease=0x6a0f2c41
 *	}
 *
 * Those of all networks are there, and old ones, too: the newest one in the
 * network's subnet counts. Names are what machines claim to be called.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../broker/address.h"
#include "../system.h"
#include "../text.h"
#include "../vmnetctl.h"

#define LEASES_FILE "/var/db/dhcpd_leases"

struct record {
	char name[256];
	char address[INET_ADDRSTRLEN];
	struct mac_address mac;
	bool has_mac;
	unsigned long long lease; /* when it ends */
};

/* Takes what a line says into the record: KEY=VALUE. What is not known is no concern. */
static void read_line(struct record *record, const char *line)
{
	unsigned int bytes[6];

	if (sscanf(line, " name=%255[^\n]", record->name) == 1 ||
	    sscanf(line, " ip_address=%15[0-9.]", record->address) == 1 ||
	    sscanf(line, " lease=%llx", &record->lease) == 1)
		return;
	/* Hardware of type 1 is Ethernet; its bytes are written without leading zeros. */
	if (sscanf(line, " hw_address=1,%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2],
		   &bytes[3], &bytes[4], &bytes[5]) != 6)
		return;
	for (size_t i = 0; i < 6; i++)
		record->mac.bytes[i] = (uint8_t)bytes[i];
	record->has_mac = true;
}

static bool is_of(const struct record *record, const char *machine,
		  const struct ipv4_subnet *subnet)
{
	struct in_addr address;
	struct mac_address mac;

	if (inet_pton(AF_INET, record->address, &address) != 1 ||
	    !ipv4_subnet_contains(subnet, address))
		return false;
	if (strcasecmp(record->name, machine) == 0)
		return true;
	return record->has_mac && mac_address_parse(machine, &mac) == 0 &&
	       mac_address_equal(&record->mac, &mac);
}

/* The newest record of the machine into found; its address is "" when there is none. */
static void find_record(FILE *file, const char *machine, const struct ipv4_subnet *subnet,
			struct record *found)
{
	struct record record = { 0 };
	char line[1024];

	*found = record;
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '{') {
			record = (struct record){ 0 };
			continue;
		}
		read_line(&record, line);
		if (line[0] == '}' && is_of(&record, machine, subnet) &&
		    (found->address[0] == '\0' || record.lease >= found->lease))
			*found = record;
	}
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
	struct ipv4_subnet subnet;
	struct record found;
	FILE *file;

	*address = NULL;
	if (subnet_of(broker, network, &subnet) != DONE)
		return FAILED;
	if (subnet.length == 0)
		return DONE;
	file = fopen(LEASES_FILE, "r");
	if (!file) {
		/* The file is made with the first lease. */
		if (errno == ENOENT)
			return DONE;
		complain("cannot read %s: %s", LEASES_FILE, strerror(errno));
		return FAILED;
	}
	find_record(file, machine, &subnet, &found);
	(void)fclose(file);
	if (found.address[0] == '\0')
		return DONE;
	*address = strdup(found.address);
	if (*address)
		return DONE;
	complain("out of memory");
	return FAILED;
}
