/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's forwarded ports, as far as others on the host have to do with them: who listens
 * there. Their rules are firewall/inet_table.c's. On network_worker.
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

#endif
