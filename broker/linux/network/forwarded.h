/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's forwarded ports, as far as others on the host have to do with them: who listens
 * there, and who has sent there before. Their rules are firewall/inet_table.c's. On network_worker.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_FORWARDED_H
#define VMNET_BROKER_LINUX_NETWORK_FORWARDED_H

#include "base/error.h"
#include "config/config.h"

/* Some of the ports that lead to machines of a network. */
struct forwarded_ports {
	const char *network;
	const struct port_forwarding *items;
	size_t n;
	bool is_asked; /* by a client, which knows nothing of the configuration's keys */
};

/*
 * Whether they can be had: the host has their addresses, and no program that is not the
 * broker's listens there. Returns 0, or -1 with error (ERROR_CREATE_FAILED).
 */
int forwarded_check(const struct forwarded_ports *ports, struct error *error);

/*
 * To be called when the rules are there, and when they have gone: who sends all the time,
 * and began before that, goes on where it led then, unless the kernel forgets it. Failing is
 * logged.
 */
void forwarded_begin(const struct forwarded_ports *ports);
void forwarded_end(const struct forwarded_ports *ports);

#endif
