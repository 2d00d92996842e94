/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's DHCP server keeps its leases in a file of records like
 *
 *	{
 *		name=db
 *		ip_address=192.168.64.2
 *		hw_address=1,52:54:0:12:34:56
 *		lease=0x6a0f2c41
 *	}
 *
 * Those of all networks are there.
 *
 * A machine that gives the DHCP server an identifier of its own has
 * hw_address=ff,..., without its MAC address. The ARP table knows that, and of
 * machines that have no lease at all. It is read by arp(8), which is smaller than
 * reading the kernel's routing messages, and is the system's own.
 */
#include "leases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

#define LEASES_FILE "/var/db/dhcpd_leases"
#define ARP "/usr/sbin/arp -an 2>/dev/null"

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
static bool read_neighbour(const char *line, struct in_addr *address, struct mac_address *mac)
{
	char text[INET_ADDRSTRLEN];
	int at = 0;

	(void)sscanf(line, "%*s (%15[0-9.]) at %n", text, &at);
	return at != 0 && read_mac(line + at, mac) && inet_pton(AF_INET, text, address) == 1;
}

void neighbours_each(const struct ipv4_subnet *subnet,
		     void (*each)(struct in_addr address, const struct mac_address *mac,
				  void *userdata),
		     void *userdata)
{
	FILE *table = popen(ARP, "r");
	struct in_addr address;
	struct mac_address mac;
	char line[1024];

	if (!table)
		return;
	while (fgets(line, sizeof(line), table))
		if (read_neighbour(line, &address, &mac) && ipv4_subnet_contains(subnet, address))
			each(address, &mac, userdata);
	(void)pclose(table);
}

/* Takes what a line says into the record: KEY=VALUE. What is not known is no concern. */
static void read_line(struct lease_record *record, const char *line)
{
	static const char ethernet[] = "hw_address=1,"; /* hardware of type 1 */
	char address[INET_ADDRSTRLEN];

	if (sscanf(line, " name=%255[^\n]", record->name) == 1 ||
	    sscanf(line, " lease=%llx", &record->lease) == 1)
		return;
	if (sscanf(line, " ip_address=%15[0-9.]", address) == 1) {
		(void)inet_pton(AF_INET, address, &record->address);
		return;
	}
	line += strspn(line, " \t");
	if (strncmp(line, ethernet, sizeof(ethernet) - 1) == 0)
		record->has_mac = read_mac(line + sizeof(ethernet) - 1, &record->mac);
}

static void read_records(FILE *file, const struct ipv4_subnet *subnet,
			 void (*each)(const struct lease_record *record, void *userdata),
			 void *userdata)
{
	struct lease_record record = { 0 };
	char line[1024];

	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '{') {
			record = (struct lease_record){ 0 };
			continue;
		}
		read_line(&record, line);
		if (line[0] == '}' && ipv4_subnet_contains(subnet, record.address))
			each(&record, userdata);
	}
}

int leases_each(const struct ipv4_subnet *subnet,
		void (*each)(const struct lease_record *record, void *userdata), void *userdata)
{
	FILE *file = fopen(LEASES_FILE, "r");

	if (file) {
		read_records(file, subnet, each, userdata);
		(void)fclose(file);
		return DONE;
	}
	/* The file is made with the first lease. */
	if (errno == ENOENT)
		return DONE;
	complain("cannot read %s: %s", LEASES_FILE, strerror(errno));
	return FAILED;
}
