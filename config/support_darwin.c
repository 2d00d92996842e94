/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a configuration may ask of macOS, and what is an error there: what vmnet's network
 * objects know and were seen to do. For most of the rest vmnet has no call; public addresses
 * and a shared network without NAT it refuses by a mere VMNET_FAILURE, when the network is made.
 */
#include "config.h"

const struct config_support config_support = {
	.subnet_length_min = 16,
	.subnet_length_max = 28,
	.no_public_subnet = "must be private on macOS, of 10.0.0.0/8, 172.16.0.0/12 or "
			    "192.168.0.0/16",
	.no_global_prefix = "must be unique local on macOS, of fd00::/8",
	.no_bridged = "cannot be \"bridged\" on macOS; choose \"shared\" or \"host\"",
	.no_unhidden = "cannot be false in a \"shared\" network on macOS; remove it, or choose "
		       "mode \"host\", which has no way to the outside",
	.no_hostname = "cannot be had on macOS, whose DNS knows no names of machines; remove it",
	.no_external_address = "cannot be had on macOS; remove it",
	.no_allow_port_forwarding = "cannot be had on macOS; remove it",
	.no_rate_limit = "cannot be had on macOS; remove it",
	.no_isolated = "cannot be had on macOS; remove it",
	.no_link_local = "cannot be had on macOS; remove it",
	.no_bypass_kill_switch = "cannot be had on macOS; remove it",
	.no_max_interfaces = "cannot be had on macOS; remove it",
	.no_vxlan = "cannot be had on macOS; remove it",
};
