/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Switches forwarding on where machines' packets come in, and guards what that would open.
 *
 * A packet that is not for the host is routed if forwarding is on where it
 * comes in. So machines reach the outside once it is on for their bridge; for
 * the answers it has to be on for the interface that the outside is behind,
 * which may be any. That would make the host a router from there to anywhere.
 *
 * What was not routed before is therefore kept from being routed now:
 *
 *	1. The host's one switch (net.ipv4.ip_forward) stays as it is. If it
 *	   is on, others want the host to be a router, and all is done.
 *	2. Else forwarding is switched on for each interface that has it off,
 *	   and those are remembered.
 *	3. A table of nftables, the guard, drops what came in by one of them
 *	   and would leave by anything but a bridge of ours. It is there before
 *	   they are switched on, and goes after they are switched off.
 *
 * With the last network the remembered ones are switched off again. Interfaces
 * that come later are treated the same when they come. When somebody turns the
 * host's switch on meanwhile (Docker does), those interfaces are theirs: we
 * forget them, and the guard goes; when the switch goes off again, which turns
 * all interfaces off, we start over.
 *
 * IPv6 has no such setting of each interface before Linux 6.17, which brought
 * force_forwarding. (The older one named forwarding only makes an interface
 * behave as a router's in other ways: a bridge of ours needs that, too, or
 * machines would not keep it as their router.) On older kernels the one switch
 * has to be turned on; the guard then is for all interfaces. That others turn
 * the switch on as well cannot be seen then.
 *
 * Whoever makes a router of the host, or of one bridge alone, has all of its
 * interfaces forget the default routes that they learned from router
 * advertisements, unless their accept_ra is 2. Those that take advertisements and
 * had 1 have 2 meanwhile, which is the same for one that is no router's.
 */
#include "forwarding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memstream.h"
#include "broker/linux/shortage.h"
#include "host/forwarding_state.h"
#include "host/link.h"
#include "host/names.h"
#include "host/nftables.h"
#include "host/sysctl.h"

static struct forwarding_state state;
static char *guard_rules; /* the guard's text, as nftables has taken it last; NULL: unknown */

/* Others have made the host a router; or it does not know the family at all. */
static bool is_settled(int family)
{
	int value;

	if (sysctl_read(family, "all", "forwarding", &value) < 0)
		return true;
	return value && !(family == AF_INET6 && state.ipv6_all);
}

static bool is_bridge_port(const struct link *link, const struct link *links, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++)
		if (link->master && links[i].index == link->master)
			return strcmp(links[i].kind, "bridge") == 0;
	return false;
}

/* What is a router's takes none. When all are, that is our doing: see is_settled(). */
static bool takes_router_advertisements(const char *name)
{
	int all = 0;
	int forwarding = 0;
	int accept_ra = 0;

	(void)sysctl_read(AF_INET6, "all", "forwarding", &all);
	(void)sysctl_read(AF_INET6, name, "forwarding", &forwarding);
	(void)sysctl_read(AF_INET6, name, "accept_ra", &accept_ra);
	return accept_ra == 1 && (all || !forwarding);
}

/* Remembers an interface that has to be changed for a family. */
static int look_at_interface(const struct link *link, int family)
{
	struct routed_interface interface = { .family = family, .index = link->index };
	int all;
	int result;

	result = sysctl_read(family, link->name, forwarding_own_switch(family),
			     &interface.forwarding);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	interface.accept_ra = family == AF_INET6 && takes_router_advertisements(link->name);
	if (forwarding_has_own_switch(family)) {
		interface.is_off = !interface.forwarding;
		if (!interface.is_off && !interface.accept_ra)
			return 0;
	} else if (sysctl_read(family, "all", "forwarding", &all) == 0 && all) {
		/* One that comes after the switch was turned on has its value from there. */
		interface.forwarding = 0;
	}
	return forwarding_state_add_interface(&state, &interface);
}

static int look_at_interfaces(int family, const struct link *links, size_t n_links)
{
	int result = 0;

	if (!forwarding_has_own_switch(family))
		state.ipv6_all = true;
	for (size_t i = 0; i < n_links && result == 0; i++) {
		if (strcmp(links[i].name, "lo") != 0 && !is_own_link_name(links[i].name) &&
		    !is_bridge_port(&links[i], links, n_links))
			result = look_at_interface(&links[i], family);
	}
	return result;
}

static int switch_on(int family, struct error *error)
{
	int result = 0;

	for (struct routed_interface *interface = state.interfaces; interface && result == 0;
	     interface = interface->next) {
		if (interface->family != family)
			continue;
		if (interface->is_off)
			result = forwarding_set(interface, forwarding_own_switch(family), 1, error);
		if (result == 0)
			result = forwarding_replace_accept_ra(interface, 1, 2, error);
		if (result == 0)
			interface->is_off = false;
	}
	if (result < 0 || forwarding_has_own_switch(family))
		return result;
	return sysctl_set(family, "all", "forwarding", 1, error);
}

static void switch_off(int family)
{
	struct error error;

	/* Until the next time it stays guarded. */
	if (forwarding_switch_off(&state, family, &error) < 0)
		log_warning(NULL, "forwarding cannot be switched off again: %s", error.reason);
}

/* Others route this family now: what is on stays on, and is not ours any more. */
static void hand_over(int family)
{
	if (family == AF_INET6 && forwarding_has_own_switch(family))
		switch_off(family);
	else
		forwarding_state_forget(&state, family);
}

/*
 * A bridge that has gone is its own network's fault, which makes it again.
 * ipv6_settled: what is_settled() says.
 */
static int switch_bridge_on(const struct routed_bridge *bridge, bool ipv6_settled,
			    struct error *error)
{
	int result = sysctl_set(AF_INET, bridge->name, "forwarding", 1, error);

	if (result < 0)
		return result == -ENOENT ? 0 : result;
	/* The host may have no IPv6, or an old one. */
	result = sysctl_set(AF_INET6, bridge->name, "forwarding", 1, error);
	if (result == 0 && !ipv6_settled)
		result = sysctl_set(AF_INET6, bridge->name, FORCE_FORWARDING, 1, error);
	return result == -ENOENT ? 0 : result;
}

/* One that was routed from before is remembered for router advertisements alone. */
static bool has_to_be_guarded(const struct routed_interface *interface, int family)
{
	return interface->family == family &&
	       !(forwarding_has_own_switch(family) && interface->forwarding);
}

/* The guard is another one with the first of these. */
static bool is_own_end(const char *bridge)
{
	return strncmp(bridge, OWN_PREFIX, strlen(OWN_PREFIX)) == 0;
}

static bool has_own_end(void)
{
	const struct routed_bridge *bridge = state.bridges;

	while (bridge && !is_own_end(bridge->name))
		bridge = bridge->next;
	return bridge;
}

/* What comes in by a remembered interface is dropped. */
static void write_drop(FILE *file, int family, const char *name)
{
	const char *own_end = has_own_end() ? " oifname != \"" OWN_PREFIX "*\"" : "";
	const char *before = "";

	for (const struct routed_interface *interface = state.interfaces; interface;
	     interface = interface->next) {
		if (!has_to_be_guarded(interface, family))
			continue;
		if (!*before)
			(void)fprintf(file, "iif { ");
		(void)fprintf(file, "%s%d", before, interface->index);
		before = ", ";
	}
	if (*before)
		(void)fprintf(file, " } meta nfproto %s oifname != \"" BRIDGE_PREFIX "*\"%s drop\n",
			      name, own_end);
}

static void write_guard(FILE *file)
{
	(void)fprintf(file, "table inet " FIREWALL_GUARD_TABLE " {\n"
			    "chain forward {\n"
			    "type filter hook forward priority filter; policy accept;\n");
	write_drop(file, AF_INET, "ipv4");
	write_drop(file, AF_INET6, "ipv6");
	(void)fprintf(file, "}\n"
			    "}\n");
}

/*
 * Puts the guard up for the interfaces that are remembered now, or takes it
 * down. again: also when it should be there as it has to be.
 */
static int update_guard(bool again, struct error *error)
{
	int result;
	char *text;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return nftables_run(NULL, error);
	(void)fprintf(file, "add table inet " FIREWALL_GUARD_TABLE "\n"
			    "delete table inet " FIREWALL_GUARD_TABLE "\n");
	if (state.interfaces)
		write_guard(file);
	text = memstream_close(file, &text);
	if (!again && text && guard_rules && strcmp(text, guard_rules) == 0) {
		free(text);
		return 0;
	}
	free(guard_rules);
	guard_rules = text ? strdup(text) : NULL;
	result = nftables_run(text, error);
	if (result < 0) {
		free(guard_rules);
		guard_rules = NULL;
	}
	return result;
}

static int failure(struct error *error, int result)
{
	return error_set(error, ERROR_CREATE_FAILED, "cannot switch on forwarding: %s",
			 strerror(-result));
}

static const int families[] = { AF_INET, AF_INET6 };

/* Remembers what has to be switched on. settled: of each family, what is_settled() says. */
static int look_around(bool settled[2])
{
	struct link *links;
	size_t n_links;
	int result = link_list(&links, &n_links);

	if (result < 0)
		return result;
	forwarding_state_forget_gone(&state, links, n_links);
	for (size_t i = 0; i < 2 && result == 0; i++) {
		settled[i] = is_settled(families[i]);
		if (settled[i])
			hand_over(families[i]);
		else
			result = look_at_interfaces(families[i], links, n_links);
	}
	free(links);
	return result;
}

static int switch_bridges_on(const char *only, bool ipv6_settled, struct error *error)
{
	int result = 0;

	for (const struct routed_bridge *bridge = state.bridges; bridge && result == 0;
	     bridge = bridge->next)
		if (!only || strcmp(bridge->name, only) == 0)
			result = switch_bridge_on(bridge, ipv6_settled, error);
	return result;
}

/*
 * Makes everything as it has to be while there are networks that route. acquired:
 * the bridge of one, whose guard may have gone; what becomes of the others' is
 * heard of. NULL: all of them.
 */
static int put_right(const char *runtime_dir, const char *acquired, struct error *error)
{
	bool settled[2];
	int result = look_around(settled);

	if (result == 0)
		result = forwarding_state_save(runtime_dir, &state);
	if (result < 0)
		return failure(error, result);
	if (update_guard(acquired, error) < 0)
		return -1;
	for (size_t i = 0; i < 2 && result == 0; i++)
		if (!settled[i])
			result = switch_on(families[i], error);
	if (result == 0)
		result = switch_bridges_on(acquired, settled[1], error);
	return result < 0 ? -1 : 0;
}

/* Beside others, for which this broker has put all the rest right. */
static int join_others(const char *runtime_dir, const char *bridge, struct error *error)
{
	int result = forwarding_state_save(runtime_dir, &state);

	if (result < 0)
		return failure(error, result);
	return switch_bridges_on(bridge, is_settled(AF_INET6), error) < 0 ? -1 : 0;
}

/* Nothing routes any more. */
static int restore(const char *runtime_dir, struct error *error)
{
	int guard;
	int saved;

	switch_off(AF_INET);
	switch_off(AF_INET6);
	guard = update_guard(true, error);
	saved = forwarding_state_save(runtime_dir, &state);
	if (saved < 0)
		(void)error_set(error, ERROR_INTERNAL, "what was switched on to forward, in %s: %s",
				runtime_dir, strerror(-saved));
	return saved < 0 ? saved : guard;
}

/* An earlier broker may have had no room to write that a network was removed. */
static void forget_gone_bridges(void)
{
	const struct routed_bridge *next;

	for (const struct routed_bridge *bridge = state.bridges; bridge; bridge = next) {
		next = bridge->next;
		if (!link_index(bridge->name))
			forwarding_state_remove_bridge(&state, bridge->name);
	}
}

/* What an earlier broker switched on counts as ours. */
static int load(const char *runtime_dir)
{
	static bool loaded;
	int result;

	if (loaded)
		return 0;
	result = forwarding_state_load(runtime_dir, &state);
	loaded = result == 0;
	if (loaded)
		forget_gone_bridges();
	return result;
}

static bool is_routed(const char *bridge)
{
	for (const struct routed_bridge *known = state.bridges; known; known = known->next)
		if (strcmp(known->name, bridge) == 0)
			return true;
	return false;
}

int forwarding_acquire(const char *runtime_dir, const char *bridge, bool repair,
		       struct error *error)
{
	int result = load(runtime_dir);
	bool joins = !repair && state.bridges && guard_rules && !is_own_end(bridge);
	bool known = is_routed(bridge);
	struct error ignored;

	if (result == 0)
		result = forwarding_state_add_bridge(&state, bridge);
	if (result < 0)
		return failure(error, result);
	if ((joins ? join_others(runtime_dir, bridge, error)
		   : put_right(runtime_dir, bridge, error)) == 0)
		return 0;
	if (!known)
		(void)shortage_check(forwarding_release(runtime_dir, bridge, &ignored));
	return -1;
}

int forwarding_release(const char *runtime_dir, const char *bridge, struct error *error)
{
	int result = load(runtime_dir);

	if (result == 0)
		forwarding_state_remove_bridge(&state, bridge);
	if (result == 0 && !state.bridges)
		return restore(runtime_dir, error);
	if (result == 0)
		result = forwarding_state_save(runtime_dir, &state);
	if (result < 0)
		(void)error_set(error, ERROR_INTERNAL, "what it has to do with forwarding: %s",
				strerror(-result));
	return result;
}

void forwarding_refresh(const char *runtime_dir)
{
	struct error error;
	int result = load(runtime_dir);

	if (result < 0)
		return;
	if (!state.bridges && state.interfaces)
		result = restore(runtime_dir, &error);
	else if (state.bridges)
		result = put_right(runtime_dir, NULL, &error);
	if (result < 0)
		log_warning(NULL, "%s", error.reason);
}
