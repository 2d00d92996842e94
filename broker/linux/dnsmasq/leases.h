/* SPDX-License-Identifier: Apache-2.0 */
/* dnsmasq's lease file as plain data. Machines choose some of what is in it. */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_LEASES_H
#define VMNET_BROKER_LINUX_DNSMASQ_LEASES_H

#include "broker/broker.h"

/* How long an address is given for. */
#define LEASE_SECONDS 3600

/*
 * How long it is reserved for, for a machine that has not asked for it yet. Nothing that a machine
 * would ask for: what it had in a former life is known by this.
 */
#define RESERVED_SECONDS 550

/* Of a network of any size: a server takes the square of their number of time to start. */
#define LEASES_MAX 4096U

/* How many leases a network has at most. */
static inline unsigned int leases_max(const struct ipv4_subnet *subnet)
{
	return subnet->length > 20 ? 1U << (32 - subnet->length) : LEASES_MAX;
}

/*
 * The hardware type, of no machine here, and so the start of the hardware address, in a lease that
 * no machine has asked for. The rest is the MAC address; and the address, if its machine has taken
 * that by itself beside its own.
 */
#define UNASKED_HARDWARE_TYPE 6

/* An IPv4 address that a machine has by DHCP. It makes its IPv6 addresses itself. */
struct dhcp_lease {
	struct mac_address mac;
	struct in_addr address;
	bool is_taken; /* it has not asked for it: see taken.h */
	bool is_reserved; /* the same: see reservations.h */
	char hostname[HOSTNAME_TEXT_MAX + 1]; /* "": none */
	time_t expires; /* by the clock of preload.c; 0: never */
};

/*
 * The leases in the text of a lease file, in an array that the caller frees. A
 * line that is no lease is passed over, a host name that is none is left out.
 * There are at most LEASES_MAX of them: a server that was taken over may have
 * written more.
 *
 * Returns 0, or -1 when memory is short.
 */
int leases_parse(const char *text, size_t length, struct dhcp_lease **leases, size_t *n_leases);

/*
 * Those that machines have asked for, for broker_leases_changed(), which is told the time of day:
 * of an attached one no such as is reserved for it.
 *
 * now: of the server's clock; ahead: how far the time of day is ahead of that.
 * Returns 0, or -1 when memory is short.
 */
int leases_list(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
		time_t now, time_t ahead, struct lease **list);

/* Whether it is an interface's that has asked for its address. */
bool lease_is_asked_for(const struct network *network, const struct dhcp_lease *lease);

/*
 * Whether its machine has not asked for it: it is reserved, or ends as what an interface's machine
 * had in a former life, which was kept for it when it was attached.
 */
bool lease_is_reserved(const struct network *network, const struct dhcp_lease *lease, time_t now);

/* Whether a machine is on another host now, with this address. */
bool lease_has_gone_on(const struct network *network, const struct mac_address *mac,
		       struct in_addr address);

/* Whether its machine is attached, or has gone on with the address on another host. */
bool lease_is_used(const struct network *network, const struct dhcp_lease *lease);

/*
 * The text of a lease file for a server that starts: without leases that are
 * not of a subnet, or are very many. What was written in an earlier life of the
 * host, or of the server, may be of another clock: the last one ends in a whole
 * LEASE_SECONDS from now, and the others before it as they did, but none within
 * half of that.
 *
 * now: of the server's clock.
 * Returns a text that the caller frees, or NULL when memory is short.
 */
char *leases_prepare(const char *text, size_t length, const struct ipv4_subnet *subnet, time_t now);

#endif
