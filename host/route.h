/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes, as far as they are about where a packet that passes through the host goes next: read
 * from rtnetlink's messages, compared, and written again. Which of them a network gets is
 * decided in broker/linux/routing/uplink.c.
 */
#ifndef VMNET_HOST_ROUTE_H
#define VMNET_HOST_ROUTE_H

#include <netinet/in.h>
#include <netlink/msg.h>
#include <stdbool.h>

/*
 * Without holes: two that lead the same way are the same bytes. An IPv4 address
 * is the first four bytes of one, in network byte order.
 */
struct route {
	uint32_t table;
	uint32_t device; /* interface index */
	uint32_t priority; /* the metric */
	uint32_t mtu; /* 0: the device's */
	struct in6_addr destination;
	struct in6_addr source; /* IPv6 only: where packets have to come from */
	struct in6_addr gateway;
	struct in_addr own; /* IPv4: whence the host sends. It is written, and not read: 0 */
	uint8_t family;
	uint8_t protocol; /* who made it: RTPROT_KERNEL and the like */
	uint8_t destination_length; /* bits */
	uint8_t source_length;
	uint8_t tos;
	uint8_t scope;
	uint8_t preference; /* of an IPv6 router: ICMPV6_ROUTER_PREF_MEDIUM and the like */
	uint8_t gateway_family; /* AF_UNSPEC: none, the destination is a neighbour */
};

/*
 * Calls each() with every way that the route of an RTM_NEWROUTE or RTM_DELROUTE
 * message has: more than one, when packets are spread over several. Left out is
 * what leads nowhere, and what wraps packets into others. Returns 0, or the
 * first negative value of each().
 */
int route_parse(const struct nlmsghdr *message,
		int (*each)(const struct route *route, void *userdata), void *userdata);

/* A request about a route: RTM_NEWROUTE or RTM_DELROUTE. NULL when memory is short. */
struct nl_msg *route_message(int type, int flags, const struct route *route);

/* Adds one, ahead of others to the same. Returns 0, also when it was there, or a negative errno. */
int route_add(const struct route *route);

/* Whether what is sent to an address, a struct in_addr or in6_addr, is for the host itself. */
bool route_is_to_host(int family, const void *address);

/* The index of the interface that what is sent to an address leaves by; 0: there is no way. */
uint32_t route_device(int family, const void *address);

/*
 * The largest packet on the way from an address of the host's to another one: the route's MTU, or
 * its device's. To one of the host's own, that of the device that has it. 0: there is no way, or
 * it is the loopback, which has no end.
 */
uint32_t route_mtu(int family, const void *from, const void *to);

struct routes {
	struct route *items;
	size_t n_items;
};

/* Copies route. Returns 0 or -ENOMEM. */
int routes_add(struct routes *routes, const struct route *route);

/* To be sorted before it is asked what they have. */
void routes_sort(struct routes *routes);
bool routes_have(const struct routes *routes, const struct route *route);

void routes_clear(struct routes *routes);

#endif
