/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What addresses the host uses, by its own and by its routes, for a choice of others
 * (base/subnet.h). On either worker's thread.
 */
#ifndef VMNET_HOST_RANGES_H
#define VMNET_HOST_RANGES_H

#include "base/subnet.h"

/*
 * Adds what the host uses, now: addresses and gateways, each by itself, and
 * routes, those to the neighbours of an address among them. Routes that are
 * shorter than /8 do not count: they are the default route, or the parts that
 * VPNs replace it by. Of IPv6, what is shorter than /64 does not count: a
 * prefix may well be one of those that were routed to this host.
 *
 * Returns 0 or a negative errno; what was added stays.
 */
int ranges_of_host(struct ranges *ranges);

#endif
