/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of machines on the other hosts: each is asked for its zone every few seconds, by DNS as any
 * secondary server does, and what it tells is in a file that this host's dnsmasq reads when it is
 * told to. So NAME and NAME.NETWORK.internal are the same machine on all hosts, whatever becomes of
 * the host that has told.
 *
 * A name that several machines have is that of the one here, or else of the host that stands first
 * in the configuration; but one that is there comes before one that has gone, whose lease keeps its
 * name for a while. The names that nobody else can take are nobody's here. A host that
 * is silent for a while has no names. On the policy's thread; waits for nobody.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_ZONES_H
#define VMNET_BROKER_LINUX_DNSMASQ_ZONES_H

#include "broker/broker.h"

struct zones;

/*
 * Begins to ask. The file that an earlier broker has left stays until all hosts were asked.
 *
 * network: outlives it, and is on several hosts. Its addresses may change.
 * on_changed: called when other names are in the file, for dnsmasq to be told.
 *
 * Returns NULL when memory is short.
 */
struct zones *zones_new(struct network *network, void (*on_changed)(struct network *network));

/* What is to be in the file may be others: machines here have other names. */
void zones_update(struct zones *zones);

/* Ends it; the file stays. NULL is allowed. */
void zones_free(struct zones *zones);

#endif
