/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker says to a network's DHCP server in a machine's stead. */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_DHCP_MESSAGE_H
#define VMNET_BROKER_LINUX_DNSMASQ_DHCP_MESSAGE_H

#include "leases.h"

/*
 * A socket whose packets reach the server as if they came from the bridge, and
 * that nobody waits for. Returns a descriptor or a negative errno.
 */
int dhcp_message_socket(const char *bridge);

/*
 * Asks for a lease of an address, or for more time of one that there is. The
 * server refuses what is another machine's, or reserved for one. The name in a
 * lease stays.
 *
 * fd: of dhcp_message_socket(); server: the host's address on the bridge.
 * lease: whose, and which address. Returns 0 or a negative errno: what the
 * server makes of it is in the leases.
 */
int dhcp_message_request(int fd, struct in_addr server, const struct dhcp_lease *lease);

/*
 * The same for a lease of RESERVED_SECONDS. One that is reserved is the machine's as soon as that
 * asks; until then it is none of its leases.
 */
int dhcp_message_reserve(int fd, struct in_addr server, const struct dhcp_lease *lease);

/* Gives an address back. As dhcp_message_request(). */
int dhcp_message_release(int fd, struct in_addr server, const struct dhcp_lease *lease);

#endif
