/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces in the operating system, from attaching to their end. Above stands
 * broker/interface.h, which decides; below are tap.h (the device), port.h (its place on the
 * bridge) and ingress.h. On the policy's thread: what blocks is a job for attach_worker, the
 * third thread.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_ATTACH_H
#define VMNET_BROKER_LINUX_NETWORK_ATTACH_H

#include "broker/broker.h"
#include "broker/interface.h"
#include "host/link.h"
#include "host/names.h"

/*
 * Takes over an interface that an earlier broker left on an adopted network.
 * Returns 0 or -ENOMEM.
 */
int interface_adopt(struct network *network, const struct link *link, const struct alias *alias);

/* A link has gone, or (link_changed) is not as it was: if it is an interface, that follows. */
void interface_link_gone(int index);
void interface_link_changed(const struct link *link);

/* A bridge's own message (RTM_NEWLINK of AF_BRIDGE) has come, which says what a port of it does. */
void interface_port_changed(const struct nlmsghdr *message);

/* What redirects the frames of a link has been removed. */
void interface_filters_gone(int index);

/*
 * Interfaces that were found cut off from their networks, and that still are
 * there, are joined again. For a moment later: all that end are cut off first.
 */
void interfaces_join(struct broker *broker);

/* A repair of the network had to join these links, of which it may have none, again. */
void interfaces_rejoined(const struct network *network, const struct link *links, size_t n_links);

/* Looks for all interfaces whether their links are still there. */
void interfaces_look(struct broker *broker);

/* The index of an attached interface's link. */
int interface_link(const struct interface *interface);

/* Whether the link with this index is an interface. */
bool interface_is_link(int index);

/* As networks_forget(). */
void interfaces_forget(struct broker *broker);

#endif
