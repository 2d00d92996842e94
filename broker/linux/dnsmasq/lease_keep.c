/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks for more time when a quarter of it has gone: sooner than a machine that asks by itself,
 * whose lease is found whole when it is detached.
 */
#include "lease_keep.h"

#include <unistd.h>

#include "broker/interface.h"
#include "dhcp_message.h"

#define ENOUGH_SECONDS (LEASE_SECONDS / 4 * 3)
/* At once: the server's socket has room for some more, and machines ask as well. */
#define REQUESTS_MAX 128

static bool is_to_be_kept(const struct network *network, const struct dhcp_lease *lease, time_t now)
{
	const bool is_reserved = lease_is_reserved(network, lease, now);
	const time_t enough = is_reserved ? RESERVED_SECONDS / 2 : ENOUGH_SECONDS;

	/* What a machine had in a former life, and has not asked for again. */
	if (is_reserved && interfaces_have_mac(network, &lease->mac) &&
	    !lease_is_asked_for(network, lease))
		return false;
	return lease->expires > 0 && lease->expires - now < enough && lease_is_used(network, lease);
}

int lease_keep(const struct network *network, const struct dhcp_lease *leases, size_t n_leases,
	       time_t now)
{
	int result = 0;
	int fd = -1;
	int n = 0;

	for (size_t i = 0; i < n_leases && n < REQUESTS_MAX && result == 0; i++) {
		if (!is_to_be_kept(network, &leases[i], now))
			continue;
		if (fd < 0)
			fd = dhcp_message_socket(network->addresses.bridge);
		if (fd < 0)
			return fd;
		result = (lease_is_reserved(network, &leases[i], now) ? dhcp_message_reserve
								      : dhcp_message_request)(
			fd, network->addresses.ipv4_gateway, &leases[i]);
		n++;
	}
	if (fd >= 0)
		(void)close(fd);
	return result;
}
