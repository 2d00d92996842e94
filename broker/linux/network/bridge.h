/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's bridge: made, repaired, removed, and its interfaces joined to it. Above stands
 * parts.h, of whose steps it is one; below are port.h (a port of it) and host/link.h (any link).
 * On network_worker, but for bridge_has_port().
 *
 * Functions that return int return 0, or -1 with error (ERROR_CREATE_FAILED).
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_BRIDGE_H
#define VMNET_BROKER_LINUX_NETWORK_BRIDGE_H

#include "broker/broker.h"
#include "host/link.h"

struct bridge {
	int index; /* 0: none */
	int checksums; /* the device of its frames for the host, see ingress.h; 0: it is the host's */
	bool is_new; /* made by the last bridge_make() */
};

/*
 * Makes a bridge of the broker's own, with what addresses says but for IPv6, or
 * puts right the one that is there.
 *
 * repair: it was made before, and is looked for first.
 * bridge: gets the index; with repair, the one that it was last seen with helps
 * to find it.
 *
 * Nothing new is left behind after an error.
 */
int bridge_make(const struct network_config *config, const struct network_addresses *addresses,
		bool repair, struct bridge *bridge, struct error *error);

/*
 * Has machines answer what came from the host's loopback by a link, the bridge or another that
 * leads to them, where the configuration forwards from there.
 */
int bridge_route_loopback(const struct network_config *config, const char *name,
			  struct error *error);

/*
 * Takes back what machines needed to answer what came from the host's loopback, where the
 * configuration forwards nothing to it any more. Failing changes nothing for anybody.
 * link, name: the bridge's, or those of another that leads to them.
 */
void bridge_leave_loopback(const struct network_config *config,
			   const struct network_addresses *addresses, const char *name, int link);

/*
 * Has the host find the machines by a link. The kernel makes that route with the address, and that
 * of IPv6 again whenever it is told the address. Returns 0 or a negative errno.
 */
int bridge_route_subnet(const struct network_addresses *addresses, int link, struct in_addr own);

/* Gives it its IPv6 addresses, if it has any. An administrator may switch them off, and on. */
int bridge_add_ipv6(const struct network_config *config, const struct network_addresses *addresses,
		    int bridge, struct error *error);

/*
 * Finds a bridge of the host's own, which is joined and never changed.
 * addresses: names it; gets its MTU.
 */
int bridge_find_host(struct network_addresses *addresses, struct bridge *bridge,
		     struct error *error);

/*
 * Gives interfaces that have lost their bridge, or are not joined as they have
 * to be, their place on it.
 * rejoined: gets the links of those, n_rejoined how many, also with an error. To be
 * freed; NULL: they could not be listed.
 */
int bridge_join_ports(const struct network_config *config,
		      const struct network_addresses *addresses, const struct bridge *bridge,
		      struct link **rejoined, size_t *n_rejoined, struct error *error);

/* Whether the link of an interface is joined to the bridge as it has to be. */
bool bridge_has_port(const struct network_config *config, const struct network_addresses *addresses,
		     int bridge, const struct link *link);

/* Whether whoever has the device of an interface open has given it another address. */
bool bridge_port_has_moved(const struct link *link);

/*
 * Has a bridge of the broker's own go with others when link_delete_group() is called,
 * together with the device of its checksums.
 * bridge: the index that it was last seen with, or 0.
 * group: 0, or what the others have; gets what they all have then.
 * Returns 0, or -1: one of both is not there, or cannot go so, and bridge_remove() is needed.
 */
int bridge_leave(const char *network, const struct network_addresses *addresses, int bridge,
		 int *group);

/*
 * Removes a bridge of the broker's own, if it is there.
 * bridge: the index that it was last seen with, or 0. Returns 0 or a negative errno.
 */
int bridge_remove(const char *network, const struct network_addresses *addresses, int bridge);

#endif
