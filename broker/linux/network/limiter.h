/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much passes an interface in the long run: a token bucket of tc(8) on its TAP for what is to
 * the machine, and one on a device of its own (vmtr-INDEX), to which ingress.c redirects what is
 * from it. Below port.h, whose ports are limited so. On either worker's thread.
 *
 * Functions return 0 or a negative errno: -ENOENT when the kernel lacks what it takes.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_LIMITER_H
#define VMNET_BROKER_LINUX_NETWORK_LIMITER_H

#include "config/config.h"

/* Limits what a link sends, for as long as it is there. One that is limited so stays as it is. */
int limiter_limit(int index, const struct rate_limit *rate, unsigned int mtu);

/*
 * Makes the device that limits what comes from a port, or puts right the one that is there. It
 * stays when the port goes.
 * index: gets the device's index.
 */
int limiter_make(int port, const struct rate_limit *rate, unsigned int mtu, int *index);

/* Nothing happens where there is none. */
int limiter_remove(int port);

#endif
