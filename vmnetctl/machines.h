/* SPDX-License-Identifier: Apache-2.0 */
/* The machines of networks, as people are shown them. */
#ifndef VMNET_VMNETCTL_MACHINES_H
#define VMNET_VMNETCTL_MACHINES_H

#include <jansson.h>
#include <stdio.h>

#include "base/address.h"
#include "inspections.h"
#include "system.h"

struct machine_facts {
	const struct vmnet_broker_inspection *network;
	const struct vmnet_broker_interface *interface; /* NULL where the broker has none (macOS) */
	char name[256]; /* asked for, or its own; "": none */
	char mac[MAC_TEXT_SIZE]; /* "": not known */
	struct machine_addresses addresses; /* IPv4 first, those of a link alone last */
	char host[64]; /* that it is on, of a network on several; "": the network is not */
	pid_t pid; /* whose network device it is; 0: not known */
	char command[64]; /* that process's name */
	json_t *ports; /* of the host, that lead to it: a list of the protocol's objects */
};

struct machine_list {
	struct machine_facts *items;
	size_t n_items;
};

/*
 * All that are on these networks.
 *
 * machines: for machines_clear(), also after a failure. It points into inspections.
 *
 * Returns DONE, or FAILED after complaining.
 */
int machines_take(const struct inspections *inspections, struct machine_list *machines);

void machines_clear(struct machine_list *machines);

/* Writes them as a table. Returns DONE, or FAILED after complaining. */
int machines_write(const struct machine_list *machines, bool with_network, FILE *stream);

/* A list of objects, or NULL when memory is short. */
json_t *machines_json(const struct machine_list *machines);

/* What differs between the systems. */

/*
 * Appends the machines of a network, with their names, MAC addresses and addresses; what else is
 * known of them is looked up by others. Returns DONE, or FAILED after complaining.
 */
int machines_add(const struct vmnet_broker_inspection *inspection, struct machine_list *machines);

/* Fills in pid and command of those whose processes this user may look at. */
void machines_find_processes(struct machine_list *machines);

/* For these: a new machine of the network at the end, or NULL after complaining. */
struct machine_facts *machines_append(struct machine_list *machines,
				      const struct vmnet_broker_inspection *inspection);

#endif
