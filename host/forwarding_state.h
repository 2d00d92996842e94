/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker switched on to route, and for whom, in a file of the runtime directory, so that
 * whoever comes next can switch it off again. What is switched on, and when, is decided in
 * broker/linux/routing/forwarding.c.
 */
#ifndef VMNET_HOST_FORWARDING_STATE_H
#define VMNET_HOST_FORWARDING_STATE_H

#include <stdbool.h>

#include "base/error.h"
#include "link.h"

/* The setting by which each interface is switched on for IPv6, where there is one. */
#define FORCE_FORWARDING "force_forwarding"

/* A network that routes. */
struct routed_bridge {
	struct routed_bridge *next;
	char name[INTERFACE_NAME_SIZE];
};

/*
 * An interface of the host that packets are taken from to be routed, since we said
 * so; or that had forwarding before, and accept_ra changed alone.
 */
struct routed_interface {
	struct routed_interface *next;
	int family; /* AF_INET or AF_INET6 */
	int index;
	int forwarding; /* the setting's value before */
	bool accept_ra; /* was 1, and is 2 for as long as this lasts; of IPv6 alone */
	bool is_off; /* seen, and to be switched on; not kept */
};

struct forwarding_state {
	struct routed_bridge *bridges;
	struct routed_interface *interfaces;
	bool ipv6_all; /* the setting of all interfaces was switched on */
};

/*
 * Reads what was kept into state, which is empty before and where nothing was.
 * Lines that are damaged are skipped. Returns 0 or a negative errno.
 */
int forwarding_state_load(const char *runtime_dir, struct forwarding_state *state);

/* Keeps it, replacing what was kept; an empty one removes the file. The same. */
int forwarding_state_save(const char *runtime_dir, const struct forwarding_state *state);

/*
 * Both return 0 or -ENOMEM, and add nothing twice. Of an interface that is known,
 * is_off is taken over: somebody has switched it off, and off it will be again. So
 * is accept_ra, unless the interface was a router's before.
 */
int forwarding_state_add_bridge(struct forwarding_state *state, const char *name);
int forwarding_state_add_interface(struct forwarding_state *state,
				   const struct routed_interface *interface);

struct routed_interface *forwarding_state_interface(const struct forwarding_state *state,
						    int family, int index);

void forwarding_state_remove_bridge(struct forwarding_state *state, const char *name);

/* Frees the interfaces of a family, or of all families with AF_UNSPEC. */
void forwarding_state_forget(struct forwarding_state *state, int family);

/* Frees the interfaces that are not among the host's links. */
void forwarding_state_forget_gone(struct forwarding_state *state, const struct link *links,
				  size_t n_links);

void forwarding_state_clear(struct forwarding_state *state);

/* Whether each interface can be switched on by itself: IPv6's from Linux 6.17 on. */
bool forwarding_has_own_switch(int family);

/* What the setting is called by which an interface is switched on. */
const char *forwarding_own_switch(int family);

/*
 * Both return 0, also of an interface that has gone, or with error
 * (ERROR_CREATE_FAILED) a negative errno. The first gives a setting a value; the
 * second accept_ra, unless somebody has made something else of it than before.
 */
int forwarding_set(const struct routed_interface *interface, const char *name, int value,
		   struct error *error);
int forwarding_replace_accept_ra(const struct routed_interface *interface, int before, int value,
				 struct error *error);

/*
 * Switches a family off again where it was switched on, and forgets that. Returns 0, or
 * with error a negative errno: then all of it stays remembered, for the next time.
 */
int forwarding_switch_off(struct forwarding_state *state, int family, struct error *error);

#endif
