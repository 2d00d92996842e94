/* SPDX-License-Identifier: Apache-2.0 */
/* Several networks as the broker tells of them. */
#ifndef VMNET_VMNETCTL_INSPECTIONS_H
#define VMNET_VMNETCTL_INSPECTIONS_H

#include <vmnet-broker.h>

struct inspections {
	struct vmnet_broker_inspection **items; /* also of networks that are not active */
	size_t n_items;
};

/*
 * Inspects all networks that this user may acquire, or one.
 *
 * network: its name, or an alias of it; NULL: all.
 * inspections: for inspections_clear(), also after a failure.
 *
 * Returns DONE, or FAILED after complaining.
 */
int inspections_take(struct vmnet_broker *broker, const char *network,
		     struct inspections *inspections);

void inspections_clear(struct inspections *inspections);

#endif
