/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network keeps from one life to the next, its addresses: one small JSON file per network
 * in the state directory, which stays for good. What the next broker needs to know of a network
 * that is active is elsewhere (broker/linux/network/record.h).
 */
#ifndef VMNET_BROKER_STATE_H
#define VMNET_BROKER_STATE_H

#include "base/address.h"

struct network_state_kept {
	struct ipv4_subnet ipv4_subnet; /* length 0: none yet */
	struct ipv6_prefix ipv6_prefix; /* length 0: none yet */
	/* What it last had in their place, when they were not to be had (macOS). Length 0: none. */
	struct ipv4_subnet ipv4_subnet_instead;
	struct ipv6_prefix ipv6_prefix_instead;
	struct mac_address bridge_mac; /* all zero: none yet */
};

/*
 * Reads what is kept of a network into kept, which is zeroed where nothing is.
 * A damaged file is logged, set aside as NAME.json.damaged, and counts as none.
 *
 * Returns 0, or a negative errno (-ENOMEM, -EMFILE, -ENFILE) when it cannot be
 * known for the moment what is kept.
 */
int state_load(const char *state_dir, const char *network, struct network_state_kept *kept);

/* Writes it: atomically, and on the disk when it returns. Returns 0 or a negative errno. */
int state_save(const char *state_dir, const char *network, const struct network_state_kept *kept);

#endif
