/* SPDX-License-Identifier: Apache-2.0 */
/* What both doubles of the system say of a host: its key, and that it is alone. */
#include <stddef.h>

#include "broker/platform.h"

int platform_host_key(struct host_key *key, struct error *error)
{
	(void)error;
	*key = (struct host_key){ "a fake host's k" };
	return 0;
}

const struct mac_address *platform_known_ipv4(const struct network *network, struct in_addr address,
					      bool *is_elsewhere)
{
	(void)network;
	(void)address;
	*is_elsewhere = false;
	return NULL;
}

const struct mac_address *platform_known_ipv6(const struct network *network,
					      const struct in6_addr *address, bool *is_elsewhere)
{
	(void)network;
	(void)address;
	*is_elsewhere = false;
	return NULL;
}

bool platform_moved_ipv4(const struct network *network, const struct mac_address *mac,
			 struct in_addr *address)
{
	(void)network;
	(void)mac;
	(void)address;
	return false;
}

const struct mac_address *platform_taken_ipv4(const struct network *network, struct in_addr address)
{
	(void)network;
	(void)address;
	return NULL;
}
