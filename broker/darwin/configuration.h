/* SPDX-License-Identifier: Apache-2.0 */
/* What vmnet is asked for. On any thread but the policy's: vmnet takes its time. */
#ifndef VMNET_BROKER_DARWIN_CONFIGURATION_H
#define VMNET_BROKER_DARWIN_CONFIGURATION_H

#include <vmnet/vmnet.h>

#include "base/error.h"
#include "config/config.h"

/* Addresses to ask for. A length of 0 leaves one to vmnet. */
struct wish {
	struct ipv4_subnet subnet;
	struct ipv6_prefix prefix;
};

/*
 * Has vmnet make a network.
 * status: gets what vmnet says of it; VMNET_FAILURE is all it says of addresses
 *	   that somebody has.
 * Returns the network, which CFRelease() ends, or NULL with error (ERROR_CREATE_FAILED).
 */
vmnet_network_ref configuration_create(const struct network_config *config, const struct wish *wish,
				       vmnet_return_t *status, struct error *error);

/* "vmnet WHAT: why, status 1001", for the calls that follow. Returns -1. */
__attribute__((format(printf, 3, 4))) int
vmnet_error_set(struct error *error, vmnet_return_t status, const char *format, ...);

#endif
