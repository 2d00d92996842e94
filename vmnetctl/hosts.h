/* SPDX-License-Identifier: Apache-2.0 */
/* The hosts that a network is on, by its configuration and by what the kernel knows of them. */
#ifndef VMNET_VMNETCTL_HOSTS_H
#define VMNET_VMNETCTL_HOSTS_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include <vmnet-broker.h>

#include "base/address.h"

enum host_state {
	HOST_NOT_LOOKED_AT, /* the network is not active */
	HOST_OWN, /* this one */
	HOST_KNOWN, /* the kernel was told of it */
	HOST_UNKNOWN,
	HOST_HEARD, /* of those of a list: frames of its machines came, or its own */
	HOST_SILENT,
};

struct host_facts {
	const char *name;
	const char *address; /* in the underlay */
	struct ipv4_subnet pool;
	enum host_state state;
};

struct host_list {
	json_t *configuration; /* the network's, which the texts are parts of */
	const char *network; /* its name */
	bool is_static; /* the hosts are a list, and nobody tells of them */
	unsigned int vni;
	unsigned int port; /* UDP */
	int family; /* of the hosts' addresses: AF_INET or AF_INET6 */
	struct host_facts *items;
	size_t n_items; /* 0: the network is of one host */
};

/*
 * Those of a network.
 *
 * hosts: for hosts_clear(), also after a failure. It points into network.
 *
 * Returns DONE, or FAILED after complaining.
 */
int hosts_take(const struct vmnet_broker_network *network, struct host_list *hosts);

void hosts_clear(struct host_list *hosts);

/* Writes them as a table. Returns DONE, or FAILED after complaining. */
int hosts_write(const struct host_list *hosts, FILE *stream);

/* A list of objects, or NULL when memory is short. */
json_t *hosts_json(const struct host_list *hosts);

/* This host among them, or NULL. */
const struct host_facts *hosts_own(const struct host_list *hosts);

/* What differs between the systems: fills in the states. Returns as hosts_take(). */
int hosts_look(const struct vmnet_broker_network *network, struct host_list *hosts);

#endif
