/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds a machine's address on macOS, by its name or MAC address. No call tells it, but the
 * system's DHCP server keeps its leases in a file of records like
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
 *
 * A machine that gives the DHCP server an identifier of its own has
 * hw_address=ff,..., without its MAC address. The ARP table knows that, and of
 * machines that have no lease at all. It is read by arp(8), which is smaller than
 * reading the kernel's routing messages, and is the system's own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "vmnetctl/system.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

#define LEASES_FILE "/var/db/dhcpd_leases"
#define ARP "/usr/sbin/arp -an 2>/dev/null"

/* A machine that is looked for. */
struct wanted {
	const char *name; /* as given, which may be a MAC address */
	struct ipv4_subnet subnet;
	struct mac_address mac;
	bool has_mac;
	/* Of this MAC address by the ARP table; beyond that many, which nobody has, are left. */
	struct in_addr neighbours[16];
	size_t n_neighbours;
};

struct record {
	char name[256];
	char address[INET_ADDRSTRLEN];
	struct mac_address mac;
	bool has_mac;
	unsigned long long lease; /* when it ends */
};

/* Bytes are written without leading zeros. */
static bool read_mac(const char *text, struct mac_address *mac)
{
	unsigned int bytes[6];

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
		   &bytes[4], &bytes[5]) != 6)
		return false;
	for (size_t i = 0; i < 6; i++)
		mac->bytes[i] = (uint8_t)bytes[i];
	return true;
}

/* A line of arp -an: ? (192.168.64.2) at 52:54:0:12:34:56 on bridge100 ifscope [bridge] */
static void read_neighbour(struct wanted *wanted, const char *line)
{
	char text[INET_ADDRSTRLEN];
	struct mac_address mac;
	struct in_addr address;
	int at = 0;

	(void)sscanf(line, "%*s (%15[0-9.]) at %n", text, &at);
	if (at == 0 || !read_mac(line + at, &mac) || !mac_address_equal(&mac, &wanted->mac) ||
	    inet_pton(AF_INET, text, &address) != 1 ||
	    !ipv4_subnet_contains(&wanted->subnet, address))
		return;
	if (wanted->n_neighbours < sizeof(wanted->neighbours) / sizeof(wanted->neighbours[0]))
		wanted->neighbours[wanted->n_neighbours++] = address;
}

/* Without the table there are leases still. */
static void read_neighbours(struct wanted *wanted)
{
	FILE *table = popen(ARP, "r");
	char line[1024];

	if (!table)
		return;
	while (fgets(line, sizeof(line), table))
		read_neighbour(wanted, line);
	(void)pclose(table);
}

static bool is_neighbour(const struct wanted *wanted, struct in_addr address)
{
	for (size_t i = 0; i < wanted->n_neighbours; i++) {
		if (wanted->neighbours[i].s_addr == address.s_addr)
			return true;
	}
	return false;
}

/* Takes what a line says into the record: KEY=VALUE. What is not known is no concern. */
static void read_line(struct record *record, const char *line)
{
	static const char ethernet[] = "hw_address=1,"; /* hardware of type 1 */

	if (sscanf(line, " name=%255[^\n]", record->name) == 1 ||
	    sscanf(line, " ip_address=%15[0-9.]", record->address) == 1 ||
	    sscanf(line, " lease=%llx", &record->lease) == 1)
		return;
	line += strspn(line, " \t");
	if (strncmp(line, ethernet, sizeof(ethernet) - 1) == 0)
		record->has_mac = read_mac(line + sizeof(ethernet) - 1, &record->mac);
}

static bool is_of(const struct record *record, const struct wanted *wanted)
{
	struct in_addr address;

	if (inet_pton(AF_INET, record->address, &address) != 1 ||
	    !ipv4_subnet_contains(&wanted->subnet, address))
		return false;
	if (strcasecmp(record->name, wanted->name) == 0)
		return true;
	if (!record->has_mac)
		return is_neighbour(wanted, address);
	return wanted->has_mac && mac_address_equal(&record->mac, &wanted->mac);
}

/* The newest record of the machine into found; its address is "" when there is none. */
static void find_record(FILE *file, const struct wanted *wanted, struct record *found)
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
		if (line[0] == '}' && is_of(&record, wanted) &&
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

/*
 * The machine's address by its lease into text; "" when there is none. Returns DONE, or
 * FAILED after complaining.
 */
static int find_lease(const struct wanted *wanted, char text[INET_ADDRSTRLEN])
{
	FILE *file = fopen(LEASES_FILE, "r");
	struct record found;

	text[0] = '\0';
	if (!file) {
		/* The file is made with the first lease. */
		if (errno == ENOENT)
			return DONE;
		complain("cannot read %s: %s", LEASES_FILE, strerror(errno));
		return FAILED;
	}
	find_record(file, wanted, &found);
	(void)fclose(file);
	memcpy(text, found.address, INET_ADDRSTRLEN);
	return DONE;
}

int find_address(struct vmnet_broker *broker, const char *network, const char *machine,
		 char **address)
{
	struct wanted wanted = { .name = machine };
	char text[INET_ADDRSTRLEN];

	*address = NULL;
	if (subnet_of(broker, network, &wanted.subnet) != DONE)
		return FAILED;
	if (wanted.subnet.length == 0)
		return DONE;
	wanted.has_mac = mac_address_parse(machine, &wanted.mac) == 0;
	if (wanted.has_mac)
		read_neighbours(&wanted);
	if (find_lease(&wanted, text) != DONE)
		return FAILED;
	if (text[0] == '\0' && wanted.n_neighbours > 0)
		(void)inet_ntop(AF_INET, &wanted.neighbours[0], text, sizeof(text));
	if (text[0] == '\0')
		return DONE;
	*address = strdup(text);
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
