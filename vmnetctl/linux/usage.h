/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What networks and machines there are, and what they have sent and received. The broker is asked
 * for the networks and for names, the kernel for machines and their counters.
 */
#ifndef VMNET_VMNETCTL_LINUX_USAGE_H
#define VMNET_VMNETCTL_LINUX_USAGE_H

#include "host/traffic.h"
#include "vmnetctl/inspections.h"

struct usage {
	struct inspections networks;
	struct traffic *machines; /* of these networks alone */
	size_t n_machines;
};

/*
 * Looks at all networks that this user may acquire, or at one.
 *
 * network: its name, or an alias of it; NULL: all.
 * usage: for usage_clear(), also after a failure.
 *
 * Returns DONE, or FAILED after complaining.
 */
int usage_take(struct vmnet_broker *broker, const char *network, struct usage *usage);

void usage_clear(struct usage *usage);

/*
 * What the machine is called on its network: what was asked for, else what it calls itself. NULL:
 * it has no name. Belongs to usage.
 */
const char *usage_name(const struct usage *usage, const struct traffic *machine);

#endif
