/* SPDX-License-Identifier: Apache-2.0 */
/* Which name server knows a name, and what it says. Each question is one of its own. */
#ifndef VMNET_NSS_SERVER_H
#define VMNET_NSS_SERVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a machine that has more, the others are not found. */
#define ADDRESSES_MAX 16

struct answer {
	size_t n;
	struct {
		int family;
		struct in6_addr bytes; /* of AF_INET the first four */
	} addresses[ADDRESSES_MAX];
	int32_t ttl; /* seconds */
};

/*
 * Finds the active network whose machines' names end as this one does.
 * server: gets the address of its name server, which is the one of its bridge.
 * Returns false when there is none.
 */
bool server_find(const char *name, struct in_addr *server);

/*
 * Asks for addresses, and waits two seconds at the most.
 * family: AF_INET, AF_INET6, or AF_UNSPEC for both.
 * Returns NETDB_SUCCESS, and answer has at least one; or HOST_NOT_FOUND, NO_DATA, TRY_AGAIN or
 * NO_RECOVERY, as the C library does.
 */
int server_ask(struct in_addr server, const char *name, int family, struct answer *answer);

#endif
