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

/*
 * Who has one of these, or any other range, in words: it follows "is in use by". A
 * link's name is looked up only now, for hardly anybody asks; text has room for both.
 */
const char *range_owner(const struct range *range, char text[RANGE_OWNER_SIZE]);

#endif
