/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods that list, one object a reply. A list of any length takes no more memory than a part
 * of it: the next one is made when the client has taken the last.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_LISTS_H
#define VMNET_BROKER_LINUX_VARLINK_LISTS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/broker.h"

struct connection;

/* What a list is of. */
enum list_kind {
	LIST_NETWORKS,
	LIST_CLIENTS,
	LIST_INTERFACES,
	LIST_LEASES,
	LIST_METRICS,
	LIST_METRIC_FAMILIES
};

/* A list that is under way, and the object that came last, by what it is ordered by. */
struct listing {
	enum list_kind kind;
	bool begun; /* there was one */
	union {
		char name[NETWORK_NAME_MAX + 1]; /* of networks */
		uint64_t number; /* of holds and interfaces, the highest first */
		struct {
			struct mac_address mac;
			char address[INET6_ADDRSTRLEN];
		} lease;
		struct {
			size_t family;
			char network[NETWORK_NAME_MAX + 1];
		} metric;
	} last;
};

/* Begins the list that connection->call is for: the connection is LISTING until its last reply. */
void list_start(struct connection *connection, enum list_kind kind);

/* Sends a connection that is LISTING, and has taken what it was sent, the next part. */
void list_continue(struct connection *connection);

/* Whether a client that reads has a list under way. */
bool lists_are_pending(void);

#endif
