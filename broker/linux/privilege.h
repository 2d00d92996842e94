/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker may do on this host: only ever less. Which system calls it may make is
 * confine.h's.
 */
#ifndef VMNET_BROKER_LINUX_PRIVILEGE_H
#define VMNET_BROKER_LINUX_PRIVILEGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "broker/platform.h"

/* Whom dnsmasq runs as. */
struct dnsmasq_user {
	char name[64];
	uid_t uid;
	bool is_own; /* nothing else of the host's runs as this user */
	gid_t gid; /* files that the broker has for it are this group's */
};

/*
 * Before the first client and the second thread: makes the state and runtime
 * directories, and when started as root gives them to the service user and
 * becomes it, keeping the one capability that the broker needs. From here on
 * the process that starts dnsmasq is there.
 *
 * dnsmasq: gets set to the user that it runs as.
 * Returns 0, or -1 after logging why.
 */
int privilege_become_service(const struct options *options, struct dnsmasq_user *dnsmasq);

/*
 * For the process that starts dnsmasq: becomes its user, with what that needs
 * to start. user: NULL when it is it already. Returns 0, or -1 after logging why.
 */
int privilege_become_dnsmasq(const struct dnsmasq_user *user);

/* Where TAP devices are opened: /dev/net/tun, or the service user's own node of it. */
const char *privilege_tun_path(void);

#endif
