/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The devices of a network that is on several hosts: made, repaired and removed. Above stands
 * parts.h, of whose steps this is two; below are host/vxlan_link.h, host/fdb.h and
 * host/bridge_port.h. On network_worker, but for what tells whether something is right.
 *
 * Functions that return int return 0, or -1 with error (ERROR_CREATE_FAILED).
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_VXLAN_H
#define VMNET_BROKER_LINUX_NETWORK_VXLAN_H

#include "broker/broker.h"
#include "host/fdb.h"
#include "host/link.h"

/* Their indices; 0: none. */
struct vxlan_devices {
	int vxlan; /* the way to the other hosts */
	int own; /* this host's own end on the network */
	int own_port; /* the other end of that, a port of the bridge */
	bool is_new; /* VXLAN or the host's own end was made by the last vxlan_make() */
};

/*
 * Makes what is missing of them, joined to nothing yet. The host's own end is up, and has its
 * addresses and routes.
 *
 * devices: the indices that they were last seen with, or 0; gets those that they have.
 *
 * Nothing that is new is left behind after an error.
 */
int vxlan_make(const struct network_config *config, const struct network_addresses *addresses,
	       struct vxlan_devices *devices, struct error *error);

/* Makes them ports of the bridge, and has frames pass: what is there already loses none. */
int vxlan_join(const struct network_config *config, const struct network_addresses *addresses,
	       int bridge, const struct vxlan_devices *devices, struct error *error);

/* From then on no frame comes in by them. */
void vxlan_part(const char *bridge);

/*
 * Has those that are there go with others, as bridge_leave() says. Returns 0, or a negative errno.
 * Of a network that has none this is no error.
 */
int vxlan_leave(const char *bridge, int *group);

/* Removes those that are there. Returns 0 or a negative errno. */
int vxlan_remove(const char *bridge);

/*
 * Whether one of them is still as vxlan_join() has left it, as far as a message about it tells,
 * which is one of RTM_NEWLINK or RTM_DELLINK.
 */
bool vxlan_is_right(const struct network *network, int bridge, const struct vxlan_devices *devices,
		    const struct nlmsghdr *message);

/*
 * Somebody has added or removed an entry of one of them, as a message of RTM_NEWNEIGH or
 * RTM_DELNEIGH tells: puts back at once what has to be there, until which all frames to a host are
 * lost, and gives a machine that was on another host its place here, if it is attached here, too.
 * Returns 0, or a negative errno: only a repair will do.
 */
int vxlan_mend_entry(const struct network *network, const struct vxlan_devices *devices,
		     const struct nlmsghdr *message);

#endif
