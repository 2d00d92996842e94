/* SPDX-License-Identifier: Apache-2.0 */
/* Which machines macOS knows on a network: by its DHCP server's leases, and by its ARP table. */
#ifndef VMNET_VMNETCTL_DARWIN_LEASES_H
#define VMNET_VMNETCTL_DARWIN_LEASES_H

#include "base/address.h"

struct lease_record {
	char name[256]; /* what the machine claims to be called; "": nothing */
	struct in_addr address;
	struct mac_address mac;
	bool has_mac;
	unsigned long long lease; /* when it ends, in seconds since 1970 */
};

/*
 * Calls each() with the records of addresses in the subnet, old ones too. Returns DONE, also when
 * there was never one, or FAILED after complaining.
 */
int leases_each(const struct ipv4_subnet *subnet,
		void (*each)(const struct lease_record *record, void *userdata), void *userdata);

/* Calls each() with those in the subnet that the host has heard of; with none where it cannot. */
void neighbours_each(const struct ipv4_subnet *subnet,
		     void (*each)(struct in_addr address, const struct mac_address *mac,
				  void *userdata),
		     void *userdata);

#endif
