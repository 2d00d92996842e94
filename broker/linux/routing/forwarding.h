/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing for shared networks without making the host a router for anything else. On
 * network_worker only. Where packets leave is uplink.h's; forwarded ports are rules
 * (broker/linux/firewall/inet_table.c).
 */
#ifndef VMNET_BROKER_LINUX_ROUTING_FORWARDING_H
#define VMNET_BROKER_LINUX_ROUTING_FORWARDING_H

#include "base/error.h"
#include "config/config.h"

/*
 * A network that routes is there (its bridge exists), or is no more. With the
 * first, forwarding is switched on and guarded; with the last, what was
 * switched on is switched off. One on several hosts is so twice, with the host's own end for
 * another bridge. What was switched on is remembered in
 * runtime_dir, so that the next broker can switch it off.
 *
 * repair: everything is looked at, and made again. Without that, one that is not the
 * first relies on what becomes of the others' being heard of.
 *
 * Both return 0, or -1 with error: the first, of ERROR_CREATE_FAILED, when nothing
 * has changed, and what a network that was there before has, it keeps; the second
 * when not all could be done, for another try.
 */
int forwarding_acquire(const char *runtime_dir, const char *bridge, bool repair,
		       struct error *error);
int forwarding_release(const char *runtime_dir, const char *bridge, struct error *error);

/* Links have come or gone, or somebody changed a setting: put it right again. */
void forwarding_refresh(const char *runtime_dir);

#endif
