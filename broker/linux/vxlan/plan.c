/* SPDX-License-Identifier: Apache-2.0 */
/*
 * If another host says that it has a machine that is attached here, it has begun later, and is
 * believed until it says so no more.
 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "broker/interface_options.h"
#include "broker/platform.h"

/* How long an interface counts as one that has just been attached. */
#define FRESH_USEC ((int64_t)5 * 1000 * 1000)

/* Routes to what a machine is heard with, beside those to what it was given. */
#define HEARD_MAX 8

/* A machine that is here. */
struct machine {
	struct mac_address mac;
	struct interface *interface; /* NULL: the host itself */
	unsigned int n_heard;
};

static int compare_machines(const void *left, const void *right)
{
	const struct machine *a = left;
	const struct machine *b = right;

	return memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

static struct machine *machine_of(const struct plan *plan, const struct mac_address *mac)
{
	const struct machine wanted = { .mac = *mac };

	return bsearch(&wanted, plan->here, plan->n_here, sizeof(*plan->here), compare_machines);
}

static void list_here(struct plan *plan)
{
	const struct network *network = plan->network;
	size_t n = 1;

	for (const struct interface *i = network->interfaces; i; i = i->next)
		n++;
	plan->here = calloc(n, sizeof(*plan->here));
	if (!plan->here) {
		plan->failed = true;
		return;
	}
	plan->here[plan->n_here++].mac = network->addresses.own_mac;
	for (struct interface *i = network->interfaces; i; i = i->next)
		if (i->state == INTERFACE_ATTACHED)
			plan->here[plan->n_here++] = (struct machine){ i->mac, i, 0 };
	qsort(plan->here, plan->n_here, sizeof(*plan->here), compare_machines);
}

/* It is given by the DHCP server of another host. */
static bool is_of_other_host(const struct network *network, const struct neighbour *neighbour)
{
	return neighbour->family == AF_INET &&
	       network_other_host(network->config, &network->addresses, neighbour->address.ipv4);
}

static bool has_lease(const struct network *network, const struct mac_address *mac)
{
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		if (mac_address_equal(&lease->mac, mac) && !strchr(lease->address, ':'))
			return true;
	return false;
}

/* Until its end an interface has what its machine has brought along. */
static void keep_address(struct plan *plan, const struct machine *machine, struct in_addr address)
{
	struct interface *interface = machine->interface;

	if (!interface || (interface->options.has_ipv4 && !interface->options.is_ipv4_chosen) ||
	    has_lease(plan->network, &machine->mac) || !interface_may_have_ipv4(interface, address))
		return;
	plan->on_brought(interface, address);
	plan->is_outdated = true;
}

static void give(struct plan *plan, const struct mac_address *mac, int family, const void *address)
{
	struct neighbour neighbour = { .family = family, .mac = *mac };

	memcpy(&neighbour.address, address, address_size(family));
	plan->failed |= address_list_add(&plan->given, &neighbour) < 0;
}

/* What was known of one that comes from another host may have come later than it. */
static void keep_moved(struct plan *plan)
{
	const struct network *network = plan->network;
	const struct known_addresses *all = elsewhere_known(plan->elsewhere);
	struct in_addr address;

	for (size_t i = 0; i < plan->n_here; i++)
		if (known_ipv4(all, &network->addresses.ipv4_subnet, &plan->here[i].mac, &address))
			keep_address(plan, &plan->here[i], address);
}

/* What was asked for and is leased, of those that are here; and the host's own. */
static void list_given(struct plan *plan)
{
	const struct network *network = plan->network;
	const struct network_addresses *addresses = &network->addresses;
	struct in6_addr address;

	keep_moved(plan);
	give(plan, &addresses->own_mac, AF_INET, &addresses->own_ipv4);
	give(plan, &addresses->own_mac, AF_INET6, &addresses->own_ipv6);
	for (size_t i = 0; i < plan->n_here; i++) {
		const struct interface *interface = plan->here[i].interface;

		if (interface && interface->options.has_ipv4)
			give(plan, &interface->mac, AF_INET, &interface->options.ipv4);
		if (interface && interface->options.has_ipv6)
			give(plan, &interface->mac, AF_INET6, &interface->options.ipv6);
	}
	for (const struct lease *lease = network->leases; lease; lease = lease->next) {
		const int family = strchr(lease->address, ':') ? AF_INET6 : AF_INET;

		if (machine_of(plan, &lease->mac) &&
		    inet_pton(family, lease->address, &address) == 1)
			give(plan, &lease->mac, family, &address);
	}
	address_list_sort(&plan->given);
}

static void add_change(struct plan *plan, enum change_kind kind, const struct neighbour *neighbour)
{
	struct change *changes = array_grow(plan->changes, plan->n_changes, sizeof(*changes));

	if (!changes) {
		plan->failed = true;
		return;
	}
	plan->changes = changes;
	changes[plan->n_changes++] = (struct change){ .kind = kind, .neighbour = *neighbour };
}

static bool is_fresh(const struct machine *machine)
{
	return machine && machine->interface &&
	       platform_now() - machine->interface->attached < FRESH_USEC;
}

/*
 * What is said of another host may have gone while the port was joined, which is told of before it
 * is known whose machine's that is.
 */
static void plan_claims(struct plan *plan)
{
	if (plan->network->config->vxlan.control != VXLAN_EVPN)
		return;
	for (size_t i = 0; i < plan->n_here; i++) {
		const struct neighbour neighbour = { .mac = plan->here[i].mac };

		if (!is_fresh(&plan->here[i]))
			continue;
		add_change(plan, CLAIM_MACHINE, &neighbour);
		if (!plan->failed)
			strcpy(plan->changes[plan->n_changes - 1].port,
			       plan->here[i].interface->name);
	}
}

static void add_route(struct plan *plan, const struct neighbour *neighbour)
{
	plan->failed |= address_list_add(&plan->routes, neighbour) < 0;
}

/*
 * It was told of, and has gone to another host, which said so later. What is said of one that has
 * just come is of before: zebra may write that when it has read of this already.
 */
static bool has_left(const struct plan *plan, const struct neighbour *given,
		     const struct known *known)
{
	const struct neighbour *last = address_list_find(plan->last_given, given);

	return known && known->place == KNOWN_ELSEWHERE && last &&
	       !is_fresh(machine_of(plan, &given->mac)) &&
	       mac_address_equal(&known->neighbour.mac, &given->mac) &&
	       mac_address_equal(&last->mac, &given->mac);
}

static void plan_given(struct plan *plan)
{
	const struct known_addresses *all = elsewhere_known(plan->elsewhere);
	const struct mac_address *own = &plan->network->addresses.own_mac;

	for (size_t i = 0; i < plan->given.n; i++) {
		const struct neighbour *given = &plan->given.items[i];
		const struct known *known = known_find(all, given);

		if (has_left(plan, given, known))
			continue;
		if (!known || known->place != KNOWN_HERE ||
		    !mac_address_equal(&known->neighbour.mac, &given->mac))
			add_change(plan, WRITE_NEIGHBOUR, given);
		else if (plan->is_to_be_confirmed)
			add_change(plan, CONFIRM_NEIGHBOUR, given);
		if (!mac_address_equal(&given->mac, own))
			add_route(plan, given);
	}
}

static bool is_in_network(const struct network *network, const struct neighbour *neighbour)
{
	const struct network_addresses *addresses = &network->addresses;

	if (neighbour->family == AF_INET)
		return ipv4_subnet_contains(&addresses->ipv4_subnet, neighbour->address.ipv4);
	return addresses->ipv6_prefix.length &&
	       ipv6_prefix_contains(&addresses->ipv6_prefix, &neighbour->address.ipv6);
}

static void plan_heard(struct plan *plan)
{
	const struct network *network = plan->network;
	struct known *known = elsewhere_known(plan->elsewhere)->here;

	for (; known; known = known->next_here) {
		const struct neighbour *heard = &known->neighbour;
		struct machine *machine = machine_of(plan, &heard->mac);

		/* Without a routing daemon that is all that is heard of those elsewhere. */
		if (machine || network->config->vxlan.control == VXLAN_STATIC)
			known->is_kept = is_of_other_host(network, heard);
		if (!machine)
			add_change(plan, FORGET_NEIGHBOUR, heard);
		if (!machine || address_list_find(&plan->given, heard) ||
		    !is_in_network(network, heard) || machine->n_heard++ >= HEARD_MAX)
			continue;
		add_route(plan, heard);
		if (is_of_other_host(network, heard))
			keep_address(plan, machine, heard->address.ipv4);
	}
}

static void plan_routes(struct plan *plan)
{
	const struct address_list *former = plan->last_routes;

	address_list_sort(&plan->routes);
	for (size_t i = 0; i < former->n; i++)
		if (!address_list_find(&plan->routes, &former->items[i]))
			add_change(plan, REMOVE_ROUTE, &former->items[i]);
	for (size_t i = 0; i < plan->routes.n; i++)
		if (!address_list_find(former, &plan->routes.items[i]))
			add_change(plan, ADD_ROUTE, &plan->routes.items[i]);
}

int plan_make(struct plan *plan)
{
	list_here(plan);
	if (!plan->failed)
		list_given(plan);
	if (!plan->failed) {
		plan_claims(plan);
		plan_given(plan);
		plan_heard(plan);
		plan_routes(plan);
	}
	return plan->failed ? -ENOMEM : 0;
}

void plan_clear(struct plan *plan)
{
	free(plan->here);
	free(plan->changes);
	address_list_clear(&plan->given);
	address_list_clear(&plan->routes);
}
