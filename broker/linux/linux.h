/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the Linux platform share: the loop, the policy, the places of files. */
#ifndef VMNET_BROKER_LINUX_LINUX_H
#define VMNET_BROKER_LINUX_LINUX_H

#include <systemd/sd-event.h>

#include "broker/broker.h"
#include "broker/platform.h"
#include "privilege.h"

/*
 * The host's link-local address on every bridge with an IPv6 prefix: where
 * machines send what leaves their network. The same for life, whatever the
 * bridge's MAC address. Beside it the bridge has the prefix's address 1.
 */
#define GATEWAY_LINK_LOCAL "fe80::1"

struct linux_platform {
	sd_event *event;
	struct broker *broker;
	const struct options *options; /* state_dir, runtime_dir */
	struct dnsmasq_user dnsmasq; /* set when privileges have shrunk */
};

/* Set by platform_run() before anything is served, constant afterwards. */
extern struct linux_platform linux_platform;

/* What rogue_packets() says of a network: the protocol's folder does not know the firewall's. */
int64_t linux_platform_rogue_packets(const char *network);

/* Has connections_reload() called once the names in the configuration are known. */
void linux_platform_reload(void);

#endif
