/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has passed the interfaces of the broker's machines, by the counters that the kernel has of
 * each device for everybody. Here they are the machine's own: what the host has received from a
 * TAP device is what its machine sent.
 */
#ifndef VMNET_HOST_TRAFFIC_H
#define VMNET_HOST_TRAFFIC_H

#include <stddef.h>
#include <stdint.h>

#include "names.h"

/* In one direction, since the device was made. */
struct traffic_counters {
	uint64_t bytes;
	uint64_t packets;
	uint64_t drops; /* lost on the way, and not among the packets */
};

struct traffic {
	char device[INTERFACE_NAME_SIZE];
	struct alias alias; /* of an interface: its network, MAC address and user */
	struct traffic_counters in; /* to the machine */
	struct traffic_counters out; /* from the machine */
};

/*
 * That of all interfaces of all networks, in the order in which they were made.
 * *list is the caller's to free. Returns 0, or a negative errno.
 */
int traffic_list(struct traffic **list, size_t *n);

#endif
