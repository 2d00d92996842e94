/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's resolvers, for a network's dnsmasq to ask: the name servers in /etc/resolv.conf,
 * copied to a file that dnsmasq reads when it starts and when it is told to. Behind them
 * stands what they are not asked about: the domains of all networks.
 *
 * dnsmasq could watch the host's own, but would not start where that is a link
 * to a directory that is not there yet (systemd-resolved's, at boot), nor see
 * when it becomes a link to somewhere else; and it would take an instance of
 * inotify for each network, of which a user has 128.
 */
#ifndef VMNET_BROKER_LINUX_DNSMASQ_RESOLVERS_H
#define VMNET_BROKER_LINUX_DNSMASQ_RESOLVERS_H

#include <systemd/sd-event.h>

#include "broker/broker.h"

#define RESOLVERS_SOURCE "/etc/resolv.conf"

/*
 * The name servers in the text of a resolv.conf, as lines of a file of servers
 * for dnsmasq. Returns a text that the caller frees, or NULL when memory is short.
 */
char *resolvers_parse(const char *text);

/*
 * Keeps from the host's resolvers, which may know it, what machines ask about another network: of
 * those that are configured, and those that are active. On the policy's thread, when either are
 * others; what is copied already is copied anew.
 */
void resolvers_keep_names(const struct broker *broker);

/*
 * Copies the host's name servers to path, as a whole or not at all; a source
 * that is not there has none. Returns 1, 0 when the same are there already, or a
 * negative errno.
 */
int resolvers_copy(const char *path);

/* Copies them now, and whenever they change. */
struct resolvers_watch;

/*
 * Starts a watch, which is the policy's thread's.
 * network: its name, for messages. path: as above. Both are the caller's and
 *	    stay while the watch does.
 * on_copied: called with userdata when others than before are there; may be from
 *	      within this call.
 * Returns 0 or a negative errno.
 */
int resolvers_watch_new(struct resolvers_watch **watch, sd_event *event, const char *network,
			const char *path, void (*on_copied)(void *userdata), void *userdata);

/* NULL is allowed. */
void resolvers_watch_free(struct resolvers_watch *watch);

/* When the loop has ended, and all watches with it. */
void resolvers_stop(void);

#endif
