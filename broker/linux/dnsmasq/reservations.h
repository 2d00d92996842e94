/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and addresses that interfaces have asked for, made good with the network's dnsmasq.
 * They are in a file that it reads anew when it is told to; and each address is leased from the
 * start, so that its name is found, and is nobody else's: by a hardware type of its own, for which
 * dnsmasq has the machine's line of the file, too. So it gives that lease up to the machine when
 * that asks. On the policy's thread; waits for nobody.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_RESERVATIONS_H
#define VMNET_BROKER_LINUX_DNSMASQ_RESERVATIONS_H

#include "broker/interface.h"
#include "leases.h"

/* What a machine has by its leases: one by DHCP, and some that it has taken. */
#define FORMER_MAX 16

/* Addresses of a former life of a machine. */
struct former_addresses {
	struct in_addr items[FORMER_MAX];
	size_t n;
};

/* The text of the file, to be freed. Returns NULL when memory is short. */
char *reservations_text(const struct network *network);

/* Whether something is in it for an interface. */
static inline bool interface_reserves(const struct interface *interface)
{
	const struct interface_options *options = &interface->options;

	return options->name[0] || options->has_ipv4 || options->has_ipv6;
}

/* Writes the file. Returns 0 or a negative errno. Its readers are told by dnsmasq_reread(). */
int reservations_write(const struct network *network);

/*
 * Begins an interface's life: what its machine had by DHCP in a former one is kept
 * for it, until it could have asked, or given back when it asks for another. What a
 * machine that has gone had of what it asks for is given back.
 * former: gets what was its own, or may have been.
 */
void reservations_begin(const struct network *network, struct interface *interface,
			struct former_addresses *former);

/* Its end: what was reserved for it is free. */
void reservations_end(const struct network *network, const struct interface *interface);

/*
 * Leases what interfaces have asked for again where it is not: a machine gives its address back
 * when it is shut down in order. leases: all that there are.
 */
void reservations_keep(const struct network *network, const struct dhcp_lease *leases,
		       size_t n_leases);

#endif
