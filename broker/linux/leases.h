/* SPDX-License-Identifier: Apache-2.0 */
/* dnsmasq's lease file as the policy's leases. */
#ifndef VMNET_BROKER_LEASES_H
#define VMNET_BROKER_LEASES_H

#include "../broker.h"

/*
 * The leases in the text of a lease file. Machines choose what is in it: a
 * line that is no lease is passed over, a host name that is none is left out.
 * IPv6 addresses are made by the machines themselves and have no lease.
 *
 * Returns 0 with the list, for leases_free(), or -1 when memory is short.
 */
int leases_parse(const char *text, size_t length, struct lease **leases);

#endif
