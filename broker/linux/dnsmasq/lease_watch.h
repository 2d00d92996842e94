/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases of a network whose dnsmasq is supervised: the network is told of them, attached
 * machines keep theirs, others are freed when addresses are short, and addresses that machines
 * have taken are leased to them. It is all asked of dnsmasq: what is in its file is only read.
 * On the policy's thread.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_LEASE_WATCH_H
#define VMNET_BROKER_LINUX_DNSMASQ_LEASE_WATCH_H

#include "broker/broker.h"

struct lease_watch;
struct neighbours;

/* What the leases' network is asked, and told. */
struct lease_owner {
	void (*lost)(struct network *network); /* the file was removed; may free the watch */
	void (*changed)(const struct network *network); /* the network has been told of them */
	/*
	 * Of one that is on several hosts: who has been heard of here, or has gone on elsewhere with
	 * addresses of the server's.
	 */
	void (*list_here)(const struct network *network, struct neighbours *list);
	void (*list_elsewhere)(const struct network *network, struct neighbours *list);
};

/*
 * Makes one, which knows of no leases until it follows a file.
 *
 * network: whom they are of; outlives the watch.
 * bridge: the index of its bridge.
 * path: of the lease file; the caller's, and stays while the watch does.
 * owner: outlives it.
 *
 * Returns 0, with a watch for lease_watch_free(), or a negative errno.
 */
int lease_watch_new(struct lease_watch **watch, struct network *network, int bridge,
		    const char *path, const struct lease_owner *owner);

/*
 * Reads the lease file before long, and whenever it changes. To be called again
 * for each start of the server, which may have made another file. Returns 0 or
 * a negative errno.
 */
int lease_watch_follow(struct lease_watch *watch);

/*
 * Reads it now, and tells the network of what is in it (broker_leases_changed()),
 * or of its loss.
 */
void lease_watch_read(struct lease_watch *watch);

/*
 * Tells a network that was adopted of what an earlier broker knew, before its
 * server is looked at and there is a watch.
 */
void lease_watch_recall(struct network *network);

/*
 * Has the addresses leased that machines have taken by themselves: when one is
 * attached, which is to be given none of them. Waits for nobody.
 */
void lease_watch_listen(struct lease_watch *watch);

/*
 * The same, and keeps the leases of attached machines. To be called every few
 * seconds while there are any.
 */
void lease_watch_look(struct lease_watch *watch);

/* Whose an address is that its machine has taken beside its lease; NULL: nobody's. */
const struct mac_address *lease_watch_taken(const struct lease_watch *watch,
					    struct in_addr address);

/* Frees it; what is under way ends by itself. NULL is allowed. */
void lease_watch_free(struct lease_watch *watch);

#endif
