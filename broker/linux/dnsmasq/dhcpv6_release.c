/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds who had the address in the lease file, in which are
 *
 *	duid SERVER-DUID
 *	EXPIRES IAID ADDRESS HOSTNAME CLIENT-DUID
 *
 * and writes a message of DHCPv6 (RFC 8415). The answer reaches nobody.
 */
#include "dhcpv6_release.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_PORT 547
#define RELEASE 8
#define OPTION_CLIENT 1
#define OPTION_SERVER 2
#define OPTION_IA_NA 3
#define OPTION_IA_ADDRESS 5
#define OPTION_ELAPSED 8
/* A DUID has up to 130 bytes, "00:" in text. */
#define DUID_MAX 130U
#define DUID_TEXT_SIZE (3 * DUID_MAX)

struct duid {
	uint8_t bytes[DUID_MAX];
	uint16_t length;
};

static int parse_duid(const char *text, struct duid *duid)
{
	unsigned int byte;
	int n;

	duid->length = 0;
	while (duid->length < DUID_MAX && sscanf(text, "%2x%n", &byte, &n) == 1 && n == 2) {
		duid->bytes[duid->length++] = (uint8_t)byte;
		if (text[2] != ':')
			return text[2] == '\0' ? 0 : -1;
		text += 3;
	}
	return -1;
}

/* Of its line; the lease's, or of the server alone. Returns whether there is one. */
static bool find_lease(const char *leases, const struct in6_addr *address, struct duid *server,
		       uint32_t *identity, struct duid *client)
{
	char duid[DUID_TEXT_SIZE + 1];
	char ia[16];
	char text[INET6_ADDRSTRLEN];
	bool is_server_known = false;

	for (const char *line = leases; line; line = strchr(line, '\n')) {
		struct in6_addr found;

		line += *line == '\n';
		if (sscanf(line, "duid %390s", duid) == 1)
			is_server_known = parse_duid(duid, server) == 0;
		else if (sscanf(line, "%*s %15s %45s %*s %390s", ia, text, duid) == 3 &&
			 inet_pton(AF_INET6, text, &found) == 1 &&
			 memcmp(&found, address, sizeof(found)) == 0) {
			*identity = (uint32_t)strtoul(ia, NULL, 10);
			return is_server_known && parse_duid(duid, client) == 0;
		}
	}
	return false;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

static uint8_t *put_header(uint8_t *to, uint16_t option, size_t size)
{
	const uint16_t header[] = { htons(option), htons((uint16_t)size) };

	return put(to, header, sizeof(header));
}

static uint8_t *put_duid(uint8_t *to, uint16_t option, const struct duid *duid)
{
	return put(put_header(to, option, duid->length), duid->bytes, duid->length);
}

static void send_message(const char *bridge, const uint8_t *message, size_t size)
{
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(SERVER_PORT),
		.sin6_scope_id = if_nametoindex(bridge),
	};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)inet_pton(AF_INET6, "ff02::1:2", &to.sin6_addr);
	if (fd < 0)
		return;
	(void)sendto(fd, message, size, 0, (const struct sockaddr *)&to, sizeof(to));
	(void)close(fd);
}

void dhcpv6_release(const char *bridge, const char *leases, const struct in6_addr *address)
{
	const uint32_t none[2] = { 0 };
	uint8_t message[4 + 6 + 2 * (4 + DUID_MAX) + (4 + 12) + (4 + 24)] = { RELEASE, 0, 0, 1 };
	struct duid server, client;
	uint8_t *end = message + 4;
	uint32_t identity;

	if (!find_lease(leases, address, &server, &identity, &client))
		return;
	identity = htonl(identity);
	end = put(put_header(end, OPTION_ELAPSED, 2), none, 2);
	end = put_duid(end, OPTION_CLIENT, &client);
	end = put_duid(end, OPTION_SERVER, &server);
	end = put(put_header(end, OPTION_IA_NA, 12 + 4 + 24), &identity, sizeof(identity));
	end = put(end, none, sizeof(none));
	end = put(put_header(end, OPTION_IA_ADDRESS, 24), address, sizeof(*address));
	end = put(end, none, sizeof(none));
	send_message(bridge, message, (size_t)(end - message));
}
