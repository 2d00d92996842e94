/* SPDX-License-Identifier: Apache-2.0 */
/* Has nftables take the text that rules.h makes, or remove the tables. */
#include "firewall.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <string.h>

#include "broker/broker.h"
#include "broker/linux/linux.h"
#include "host/nft_query.h"
#include "host/nftables.h"
#include "host/sysctl.h"
#include "rules.h"

int firewall_create(const struct network_config *config, const struct network_addresses *addresses,
		    struct error *error)
{
	const uid_t server = linux_platform.dnsmasq.is_own ? linux_platform.dnsmasq.uid : 0;
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
					   !sysctl_bridges_filter(AF_INET6), server),
			    error);
}

struct listing {
	int (*each)(const char *network, void *userdata);
	void *userdata;
	int result;
};

static void on_table(const struct nlmsghdr *message, void *userdata)
{
	const struct nlattr *attribute = nlmsg_find_attr((struct nlmsghdr *)message,
							 sizeof(struct nfgenmsg), NFTA_TABLE_NAME);
	char name[sizeof(FIREWALL_TABLE_PREFIX) + NETWORK_NAME_MAX + 1] = "";
	const char *network = name + strlen(FIREWALL_TABLE_PREFIX);
	struct listing *listing = userdata;

	if (attribute)
		(void)nla_strlcpy(name, attribute, sizeof(name));
	if (listing->result >= 0 &&
	    strncmp(name, FIREWALL_TABLE_PREFIX, strlen(FIREWALL_TABLE_PREFIX)) == 0 &&
	    network_name_is_valid(network))
		listing->result = listing->each(network, listing->userdata);
}

int firewall_list(int (*each)(const char *network, void *userdata), void *userdata)
{
	struct listing listing = { .each = each, .userdata = userdata };
	static struct nl_sock *socket;
	int result;

	do
		result = nft_query(&(struct nft_query){
			.socket = &socket,
			.type = NFT_MSG_GETTABLE,
			.all = true,
			.each = on_table,
			.userdata = &listing,
		});
	while (result == -EAGAIN);
	return listing.result < 0 ? listing.result : result;
}

int firewall_remove(const char *network, struct error *error)
{
	return nftables_run(firewall_rules_removal(network), error);
}
