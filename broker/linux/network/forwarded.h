/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's forwarded ports, as far as others on the host have to do with them: who listens
 * there, and who has sent there before. Their rules are firewall/inet_table.c's. On network_worker.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_FORWARDED_H
#define VMNET_BROKER_LINUX_NETWORK_FORWARDED_H

#include "base/error.h"
#include "config/config.h"

/*
 * Whether they can be had: the host has their addresses, and no program that is not the
 * broker's listens there. Returns 0, or -1 with error (ERROR_CREATE_FAILED).
 */
int forwarded_check(const struct network_config *config, struct error *error);

/*
 * To be called when the rules are there, and when they have gone: who sends all the time,
 * and began before that, goes on where it led then, unless the kernel forgets it. Failing is
 * logged.
 */
void forwarded_begin(const struct network_config *config);
void forwarded_end(const struct network_config *config);

#endif
