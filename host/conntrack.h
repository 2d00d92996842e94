/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's list of tracked connections. What NAT does to one is decided with its first
 * packet, and holds for as long as there are more: so there are some to be forgotten. On a worker.
 */
#ifndef VMNET_HOST_CONNTRACK_H
#define VMNET_HOST_CONNTRACK_H

#include <netinet/in.h>
#include <netlink/msg.h>
#include <stdbool.h>

/* An IPv4 address is the first four bytes of one. */
struct tracked_connection {
	int family; /* AF_INET or AF_INET6 */
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP or another */
	struct in6_addr to; /* what its first packet was sent to */
	uint16_t to_port; /* host byte order */
	struct in6_addr led_to; /* the same, or where NAT has led it */
	bool is_led; /* NAT has changed it */
};

/*
 * Forgets connections that is_wanted() of the host's own zone: with their next packet
 * they begin anew.
 *
 * wanted: is_wanted() gets it.
 * error: gets why it failed, a text for ever.
 *
 * Returns 0, or -1 when some may be left.
 */
int conntrack_forget(int family,
		     bool (*is_wanted)(const struct tracked_connection *connection,
				       const void *wanted),
		     const void *wanted, const char **error);

/* Reads a listed connection. Returns whether it is the host's own zone's, and has ports. */
bool conntrack_parse(const struct nlmsghdr *message, struct tracked_connection *connection);

#endif
