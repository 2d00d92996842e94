/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of rates as they are written in options. */
#ifndef VMNET_VMNETCTL_LINUX_RATE_H
#define VMNET_VMNETCTL_LINUX_RATE_H

#include <vmnet-broker.h>

/*
 * Reads RATE[:BURST]: bits per second, with k, M, G or T for thousands of them, and bytes, with k
 * or M for 1024 and 1024 * 1024 of them. Which ones can be had is the broker's to say.
 * Returns 0, or -1 when the text is something else.
 */
int rate_parse(const char *text, struct vmnet_broker_rate_limit *rate);

#endif
