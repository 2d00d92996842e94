/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way out of networks that have an "external_interface", their uplink: by that alone, wherever
 * the host's own packets go. uplink_open() and uplink_close() are for network_worker.
 */
#ifndef VMNET_BROKER_LINUX_ROUTING_UPLINK_H
#define VMNET_BROKER_LINUX_ROUTING_UPLINK_H

#include <linux/netlink.h>

#include "broker/broker.h"

/* The interface by which alone a network's packets leave, or NULL. */
const char *uplink_of(const struct network_config *config);

/*
 * Leads a network's packets to its uplink, as it is now; its bridge is there.
 * To be called again when something of it has changed.
 *
 * Returns 0, or -1 with error, also when there is nothing to lead them to at
 * the moment. What could be made stays.
 */
int uplink_open(const struct network_config *config, const struct network_addresses *addresses,
		struct error *error);

/*
 * Takes it back, also what an earlier broker did.
 * is_on_hosts: it may be on several. Returns 0 or a negative errno.
 */
int uplink_close(const char *network, const char *bridge, bool is_on_hosts);

/*
 * Whether such a message of rtnetlink, of what somebody else has done, is about
 * what the networks' ways out are made of, or about what was made of it.
 */
bool uplink_route_is_concerned(const struct broker *broker, const struct nlmsghdr *message);

/* Whether one of the networks leaves by an interface of this name. */
bool uplink_is_used(const struct broker *broker, const char *name);

#endif
