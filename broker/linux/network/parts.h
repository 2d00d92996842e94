/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network is made of in the kernel: made, repaired and removed, in steps. Above stands
 * network.h; below it each step's own: addresses.h, record.h, bridge.h, the firewall, the uplink,
 * forwarding, dnsmasq. All of it runs on network_worker, the second thread. Interfaces are no
 * part of it: attach.h makes them, beside it.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_PARTS_H
#define VMNET_BROKER_LINUX_NETWORK_PARTS_H

#include "bridge.h"
#include "vxlan.h"

/* How much of a network is looked at. */
enum repair {
	REPAIR_NOTHING,
	REPAIR_ROUTING, /* where its packets are led */
	REPAIR_BRIDGE, /* that, the bridge, its addresses and ports */
	REPAIR_EVERYTHING,
};

/* Ports that an interface has asked for: a repair has them lead there before its device is made. */
struct port_request {
	struct port_request *next;
	struct interface *interface; /* the policy's thread alone */
	const struct port_forwarding *ports;
	size_t n_ports;
	bool is_granted;
	struct error error; /* why not */
	void (*done)(struct port_request *request); /* on the policy's thread; may free it */
};

struct network_parts {
	char name[NETWORK_NAME_MAX + 1];
	struct network_config *config; /* NULL: a leftover of which nothing is known */
	struct network_config now; /* a copy, which forwards what the interfaces have, too */
	struct port_forwarding *ports; /* of the copy, with room for those of requests; or NULL */
	struct port_request *requests; /* that a repair is to look at */
	struct port_forwarding *left; /* what interfaces that have gone had */
	size_t n_left;
	bool ports_changed; /* the rules are of others yet */
	struct network_addresses addresses;
	struct other_network *others; /* for the choice of addresses */
	size_t n_others;
	struct dnsmasq *dnsmasq; /* NULL: none runs */
	bool has_begun; /* a repair has: it is another, and has no hosts to read */
	enum repair repair; /* under way; REPAIR_NOTHING: they are made or removed */
	struct bridge bridge;
	struct vxlan_devices vxlan;
	struct link *rejoined; /* by a repair; whoever asked for that frees them */
	size_t n_rejoined;
	struct error error; /* of the last step that failed */
	struct error faults[N_FAULTS]; /* what the network is without; code 0: nothing */
};

/* Returns 0, or -1 with error set, and nothing is left behind. */
int network_parts_make(struct network_parts *parts);

/* As far as repair says. Sets faults. */
void network_parts_repair(struct network_parts *parts);

/* Those of n networks, which is quicker at once. What cannot be removed is logged. */
void network_parts_remove(struct network_parts *const *all, size_t n);

#endif
