/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the next broker needs to know of an active network: RUNTIME_DIR/NAME.json, there from
 * before the first thing is made until after the last is removed. What a network keeps from one
 * life to the next is elsewhere (broker/state.h), and what a connection holds
 * (broker/linux/varlink/fdstore.h).
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_RECORD_H
#define VMNET_BROKER_LINUX_NETWORK_RECORD_H

#include "broker/broker.h"

/* Returns 0 or a negative errno. */
int record_save(const char *runtime_dir, const struct network_config *config,
		const struct network_addresses *addresses);
int record_remove(const char *runtime_dir, const char *network);

/*
 * Reads a record. What is missing or damaged in it is logged and left out:
 * *config is NULL then (else the caller's to unref), addresses->bridge is "".
 */
void record_load(const char *runtime_dir, const char *network, struct network_config **config,
		 struct network_addresses *addresses);

/*
 * Calls each() with the name of every network that has a record. Returns 0, a
 * negative errno, or the first negative value of each().
 */
int record_list(const char *runtime_dir, int (*each)(const char *network, void *userdata),
		void *userdata);

#endif
