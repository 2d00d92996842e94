/* SPDX-License-Identifier: Apache-2.0 */
/* Giving an IPv6 address back in the stead of a machine that has gone. */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_DHCPV6_RELEASE_H
#define VMNET_BROKER_LINUX_DNSMASQ_DHCPV6_RELEASE_H

#include <netinet/in.h>

/*
 * Has the server forget the lease of an address, if there is one: it gives it to
 * no other identity than the one that had it, and a machine may have a new one
 * at each start. leases: the text of its lease file. Waits for nobody.
 */
void dhcpv6_release(const char *bridge, const char *leases, const struct in6_addr *address);

#endif
