/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may ask for with an interface, and what the interface gets where it has left that
 * to the broker. Each refusal says who has what was asked for, or what is free.
 */
#ifndef VMNET_BROKER_INTERFACE_OPTIONS_H
#define VMNET_BROKER_INTERFACE_OPTIONS_H

#include "interface.h"

struct host_key;

/*
 * Judges the name and the addresses. mac: the interface's, NULL when it is to
 * be a new one. Returns 0, or -1 with error.
 */
int interface_options_check(const struct network *network, const struct mac_address *mac,
			    const struct interface_options *options, struct error *error);

/* Whether an interface, in its machine's stead, may ask for this address now. */
bool interface_may_have_ipv4(const struct interface *interface, struct in_addr address);

/*
 * Judges the limits of rates, and fills in what was not asked for: the network's own, and the
 * bursts. Returns 0, or -1 with error.
 */
int interface_options_set_rates(const struct network *network, struct interface_options *options,
				struct error *error);

/*
 * The MAC address of a user's machine of this name: the same each time, on this
 * host alone. attempt: 0, and more for as long as it is used or reserved.
 * key: the host's.
 */
struct mac_address interface_named_mac(const struct network *network, const struct host_key *key,
				       uid_t uid, const char *name, unsigned int attempt);

/*
 * Chooses an address for an interface that has asked for none: what is reserved for its
 * MAC address, or what that has on another host or has leased, or one that is made of it
 * and free. Returns 0, or -1 with error.
 */
int interface_choose_ipv4(const struct network *network, const struct mac_address *mac,
			  struct in_addr *address, struct error *error);

/*
 * The same of IPv6: the address that the machine makes itself by SLAAC, where it makes it of
 * its MAC address. The network has a prefix.
 */
struct in6_addr interface_choose_ipv6(const struct network *network, const struct mac_address *mac);

/* Whether a network gives addresses by DHCP, and by DHCPv6. */
bool network_gives_ipv4(const struct network_config *config);
bool network_gives_ipv6(const struct network *network);

#endif
