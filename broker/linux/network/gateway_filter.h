/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine's device does not take from other machines: the last look at a frame, when its
 * checksum is complete. Attached by tap.h; before the bridge, frames are filtered by nftables
 * (broker/linux/firewall/bridge_table.c).
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_GATEWAY_FILTER_H
#define VMNET_BROKER_LINUX_NETWORK_GATEWAY_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

#include "broker/broker.h"

#define GATEWAY_FILTER_MAX 320

struct gateway_filter {
	struct sock_filter code[GATEWAY_FILTER_MAX];
	unsigned short n;
};

/*
 * Makes the program of a network of ours, for a TAP device or any socket that gets its frames.
 * is_led_to: forwarded ports lead to the machine, as those of the network may to any.
 */
void gateway_filter_make(const struct network_config *config,
			 const struct network_addresses *addresses, bool is_led_to,
			 struct gateway_filter *filter);

#endif
