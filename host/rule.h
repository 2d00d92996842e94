/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing rules, by which the kernel chooses a table of routes for a packet: read from
 * rtnetlink's messages. Where the broker's own stand among them is decided in
 * broker/linux/routing/precedence.c.
 */
#ifndef VMNET_HOST_RULE_H
#define VMNET_HOST_RULE_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/name.h"

struct rule {
	uint32_t priority;
	uint32_t table; /* 0: it leads to none, but nowhere or to another rule */
	uint8_t protocol; /* who made it */
	bool is_general; /* for all packets, but perhaps for some; not for some alone */
	char interface[INTERFACE_NAME_SIZE]; /* that packets come in by; "": any */
};

/* What an RTM_NEWRULE or RTM_DELRULE message says. Returns 0, or -1 when it is none. */
int rule_parse(const struct nlmsghdr *message, struct rule *rule);

#endif
