/* SPDX-License-Identifier: Apache-2.0 */
/* The choice of a network's addresses on macOS, and what is kept of it for its next life. */
#ifndef VMNET_BROKER_DARWIN_ADDRESSES_H
#define VMNET_BROKER_DARWIN_ADDRESSES_H

#include <vmnet/vmnet.h>

#include "base/subnet.h"
#include "broker/broker.h"
#include "broker/state.h"

/* What the choice depends on, beside the network's configuration. */
struct address_request {
	struct network_state_kept kept; /* of its life before */
	struct ranges configured; /* other networks' */
	struct ranges kept_by_others;
	struct ranges used; /* by the Mac itself: addresses_create() finds out */
};

/*
 * Gathers it, on the policy's thread. Cleared by address_request_clear()
 * whatever is returned. Returns 0, or -1 with error.
 */
int address_request_gather(const struct network *network, struct address_request *request,
			   struct error *error);
void address_request_clear(struct address_request *request);

/*
 * Has vmnet make the network, with addresses as they are configured, or were
 * kept, or with others. On any other thread: it may take its time.
 *
 * addresses: gets what the network has.
 * Returns the network, which CFRelease() ends, or NULL with error (ERROR_CREATE_FAILED).
 */
vmnet_network_ref addresses_create(const struct network_config *config,
				   struct address_request *request,
				   struct network_addresses *addresses, struct error *error);

/* Keeps them for the network's next life, and says so when they are not its own. */
void addresses_keep(const struct network_config *config, const struct address_request *request,
		    const struct network_addresses *addresses);

#endif
