/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases of DHCP, as clients are told of them: all that there are of a network, and what has
 * changed in them. Who reads them where is the platform's.
 */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "platform.h"

void leases_free(struct lease *leases)
{
	while (leases) {
		struct lease *next = leases->next;

		free(leases);
		leases = next;
	}
}

int lease_compare(const struct lease *a, const struct lease *b)
{
	int order = strcmp(a->address, b->address);

	return order ? order : memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static void lease_event(const struct network *network, enum event_type type,
			const struct lease *lease)
{
	platform_event(&(struct event){ .type = type, .network = network, .lease = lease });
}

/* An event for each lease that is not among others. */
static void tell_missing(struct network *network, const struct lease *leases,
			 const struct lease *others, enum event_type type)
{
	for (; leases; leases = leases->next) {
		while (others && lease_compare(others, leases) < 0)
			others = others->next;
		if (!others || lease_compare(others, leases) != 0)
			lease_event(network, type, leases);
	}
}

void broker_leases_forget(struct network *network, const struct mac_address *mac)
{
	struct lease **link = &network->leases;

	while (*link) {
		struct lease *lease = *link;

		if (!mac_address_equal(&lease->mac, mac)) {
			link = &lease->next;
			continue;
		}
		*link = lease->next;
		lease_event(network, EVENT_LEASE_REMOVED, lease);
		free(lease);
	}
}

void broker_leases_changed(struct network *network, struct lease *leases)
{
	struct lease *old = network->leases;

	network->leases = leases;
	tell_missing(network, old, leases, EVENT_LEASE_REMOVED);
	tell_missing(network, leases, old, EVENT_LEASE_ADDED);
	leases_free(old);
}
