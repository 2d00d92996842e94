/* SPDX-License-Identifier: Apache-2.0 */
/* What the Mac itself uses: addresses and ports that no network may be given. On any thread. */
#ifndef VMNET_BROKER_DARWIN_HOST_H
#define VMNET_BROKER_DARWIN_HOST_H

#include "base/error.h"
#include "base/subnet.h"
#include "config/config.h"

/*
 * Adds the addresses of interfaces, and where IPv4 routes lead to. vmnet's own
 * bridges do not count: who may have those addresses is for vmnet to say, and
 * one may be this network's own, about to go. Routes that are shorter than /8
 * do not count: they are the default route, or what VPNs replace it by.
 *
 * Returns 0 or a negative errno; what was added stays.
 */
int host_ranges(struct ranges *ranges);

/* Returns 0, or -1 with error when a program listens on a port that is to be forwarded. */
int host_check_ports(const struct network_config *config, struct error *error);

#endif
