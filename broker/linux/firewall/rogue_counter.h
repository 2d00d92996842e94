/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counter of rogue packets: what a network's rules (bridge_table.c) dropped because a machine
 * acted as the network's gateway or DHCP server.
 */
#ifndef VMNET_BROKER_LINUX_FIREWALL_ROGUE_COUNTER_H
#define VMNET_BROKER_LINUX_FIREWALL_ROGUE_COUNTER_H

#include <stdint.h>

struct nl_msg;

/*
 * How many frames of the network's machines were dropped because they would
 * have given addresses, advertised a router, or claimed the gateway's address.
 * Starts at 0 with each life of the network. Returns -1 when nothing counts
 * them (it is bridged, or somebody has removed its rules). On the policy's
 * thread only.
 */
int64_t rogue_packets(const char *network);

/*
 * Adds the attributes that name it to a message of nftables'. network: the name, a
 * char *. Returns 0, or negative when memory is short. On any thread.
 */
int rogue_counter_put(struct nl_msg *message, const void *network);

#endif
