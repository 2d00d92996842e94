/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel is told of the machines of a network that is on several hosts, and asked about
 * routes to them: a job for network_worker. What is to be told is plan.h's, when machines.c's.
 */
#ifndef VMNET_BROKER_LINUX_VXLAN_TELLING_H
#define VMNET_BROKER_LINUX_VXLAN_TELLING_H

#include "address_list.h"
#include "broker/linux/worker.h"
#include "host/link.h"

enum change_kind {
	WRITE_NEIGHBOUR, /* it has this address, whoever had it */
	CONFIRM_NEIGHBOUR, /* it has it still */
	FORGET_NEIGHBOUR,
	ADD_ROUTE, /* to it, by the bridge */
	REMOVE_ROUTE,
	CLAIM_MACHINE, /* it is behind this port, unless it has another place, and all hear so */
};

/* Of a machine. */
struct change {
	enum change_kind kind;
	struct neighbour neighbour; /* of CLAIM_MACHINE, the MAC address alone */
	char port[INTERFACE_NAME_SIZE]; /* of that, whose machine it is */
};

/* The submitter's: to be set before, but for what is found, and freed after, with that. */
struct telling {
	struct job job; /* its run() is telling_run() */
	int bridge; /* its index */
	struct in_addr source; /* whence the host sends to machines by IPv4 */
	bool finds_routes; /* before anything is changed */
	struct address_list found; /* what there are routes to, by whichever broker; not sorted */
	struct change *changes;
	size_t n_changes;
	int result; /* of the first that failed, and could not be because something has gone */
};

/* Of a struct telling's job. */
void telling_run(struct job *job);

#endif
