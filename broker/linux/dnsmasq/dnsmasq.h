/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DHCP, DNS and router advertisements: one dnsmasq per network, supervised, and able to outlive
 * the broker. Nothing is served by the broker itself. Started and stopped on network_worker,
 * watched on the loop.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_DNSMASQ_H
#define VMNET_BROKER_LINUX_DNSMASQ_DNSMASQ_H

#include "broker/broker.h"

struct dnsmasq;
struct lease_owner;

/*
 * Begins to start it, or adopts the one that an earlier broker left if it runs with
 * the same configuration. On network_worker: returns while it gets ready. It reads
 * no request yet, and does not outlive a broker that ends now.
 *
 * Copies what it needs of config and addresses. Returns the server, or NULL
 * with error (ERROR_CREATE_FAILED, and nothing is left behind).
 */
struct dnsmasq *dnsmasq_begin(const struct network_config *config,
			      const struct network_addresses *addresses, const char *state_dir,
			      const char *runtime_dir, struct error *error);

/*
 * Lets it serve. On network_worker: returns when it does, so that no request of a
 * machine is lost. Returns 0, or -1 with error, and dnsmasq is stopped and freed.
 */
int dnsmasq_finish(struct dnsmasq *dnsmasq, struct error *error);

/* Whether it could not be started because its bridge has gone, or has no address. */
bool dnsmasq_lacks_bridge(const struct error *error);

/*
 * From now on network is told of its leases (broker_leases_changed()), and the
 * server is started again, with backoff, when it dies; while it cannot be, that
 * is the network's FAULT_SERVERS. On the policy's thread.
 *
 * bridge: the index of the network's bridge, for as long as this lasts.
 * rereads: it is to read what interfaces have asked for anew, as by dnsmasq_reread().
 * owner: of its leases (lease_watch.h); may be told from within this call.
 *
 * Returns 0, or a negative errno when not all of that will be: for another try,
 * after dnsmasq_unsupervise().
 */
int dnsmasq_supervise(struct dnsmasq *dnsmasq, struct network *network, int bridge, bool rereads,
		      const struct lease_owner *owner);

/* Its network, which is supervised, has got an interface: from now on it has to serve. */
void dnsmasq_has_machines(struct dnsmasq *dnsmasq);

/*
 * It is to read the hosts that interfaces have asked for anew: it is supervised. When it
 * cannot be told now, it is at the next look at it.
 */
void dnsmasq_reread(struct dnsmasq *dnsmasq);

/*
 * Whose an address is that its machine has taken beside its lease, as far as is known; NULL:
 * nobody's. It is supervised.
 */
const struct mac_address *dnsmasq_taken(const struct dnsmasq *dnsmasq, struct in_addr address);

/* Ends the supervision. On the policy's thread, before dnsmasq_stop(). */
void dnsmasq_unsupervise(struct dnsmasq *dnsmasq);

/*
 * Whether it writes its leases to a file that somebody has removed, and could
 * have a new one. On network_worker.
 */
bool dnsmasq_has_lost_leases(const struct dnsmasq *dnsmasq, const char *state_dir);

/* Begins to end one of several, before dnsmasq_stop() waits for each. On network_worker. */
void dnsmasq_ask_to_end(const struct dnsmasq *dnsmasq);

/*
 * Stops the server, waits for its end, removes its files (the leases stay),
 * and frees it. On network_worker. NULL is allowed.
 */
void dnsmasq_stop(struct dnsmasq *dnsmasq);

/*
 * Stops the server that an earlier broker left for a network that is not to be
 * adopted, if one runs, and removes its files (the leases stay). On
 * network_worker. Returns 0 or a negative errno.
 */
int dnsmasq_stop_leftover(const char *network, const char *runtime_dir);

/* Frees the record and lets the server run on, for the next broker. */
void dnsmasq_forget(struct dnsmasq *dnsmasq);

#endif
