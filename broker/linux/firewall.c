/* SPDX-License-Identifier: Apache-2.0 */
/* Has nftables take a network's rules. */
#include "firewall.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "../broker.h"
#include "firewall_rules.h"
#include "nftables.h"
#include "sysctl.h"

int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error)
{
	unsigned int bridge_index;

	if (config->mode == NETWORK_BRIDGED)
		return 0;
	if (config->external_interface && !firewall_name_is_plain(config->external_interface))
		return error_set(error, ERROR_CREATE_FAILED,
				 "the name of its \"external_interface\" means something else to "
				 "nftables; rename the interface");
	bridge_index = if_nametoindex(addresses->bridge);
	if (!bridge_index)
		return error_set(error, ERROR_CREATE_FAILED, "cannot look up bridge %s: %s",
				 addresses->bridge, strerror(errno));
	return nftables_run(firewall_rules(config, addresses, firewall_port_group(bridge_index),
					   !sysctl_bridges_filter(AF_INET6)),
			    error);
}

int firewall_remove(const char *network, struct error *error)
{
	return nftables_remove(firewall_rules_removal(network), error);
}
