/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds who had the address in the lease file, in which are
 *
 *	duid SERVER-DUID
 *	EXPIRES IAID ADDRESS HOSTNAME CLIENT-DUID
 *
 * with a T before the IAID of an address that was asked for as a temporary one,
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
#define OPTION_IA_TA 4
#define OPTION_IA_ADDRESS 5
#define OPTION_ELAPSED 8
/* A DUID may have 130 bytes; a server takes as many as there is room for in a frame. */
#define DUID_MAX 1500U
#define DUID_TEXT_SIZE (3 * DUID_MAX) /* "00:" each */
/* With numbers, address and name. */
#define LINE_SIZE (DUID_TEXT_SIZE + 512)

struct duid {
	uint8_t bytes[DUID_MAX];
	uint16_t length;
};

struct lease6 {
	struct duid server;
	struct duid client;
	bool is_temporary;
	uint32_t identity;
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

/* Copies a line, as far as it fits. Returns the next one, or NULL. */
static const char *take_line(const char *text, char line[LINE_SIZE])
{
	size_t length = strcspn(text, "\n");

	(void)snprintf(line, LINE_SIZE, "%.*s", (int)length, text);
	return text[length] ? text + length + 1 : NULL;
}

/*
 * Of its line; the lease's, or of the server alone. Returns whether there is one. sscanf() is
 * given one line at a time: it looks for the end of all that there is.
 */
static bool find_lease(const char *leases, const struct in6_addr *address, struct lease6 *lease)
{
	char line[LINE_SIZE];
	char ia[16];
	char text[INET6_ADDRSTRLEN];
	bool is_server_known = false;

	while (leases) {
		struct in6_addr found;
		const char *duid;

		leases = take_line(leases, line);
		duid = strrchr(line, ' ');
		if (!duid)
			continue;
		if (strncmp(line, "duid ", 5) == 0)
			is_server_known = parse_duid(duid + 1, &lease->server) == 0;
		else if (sscanf(line, "%*s %15s %45s", ia, text) == 2 &&
			 inet_pton(AF_INET6, text, &found) == 1 &&
			 memcmp(&found, address, sizeof(found)) == 0) {
			lease->is_temporary = ia[0] == 'T';
			lease->identity = (uint32_t)strtoul(ia + lease->is_temporary, NULL, 10);
			return is_server_known && parse_duid(duid + 1, &lease->client) == 0;
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

/* Its header, without what is in it. The times of one that is not temporary are none. */
static uint8_t *put_association(uint8_t *to, const struct lease6 *lease, size_t size)
{
	const uint32_t header[3] = { htonl(lease->identity) };
	const size_t length = lease->is_temporary ? sizeof(header[0]) : sizeof(header);

	to = put_header(to, lease->is_temporary ? OPTION_IA_TA : OPTION_IA_NA, length + size);
	return put(to, header, length);
}

void dhcpv6_release(const char *bridge, const char *leases, const struct in6_addr *address)
{
	const uint32_t none[2] = { 0 };
	uint8_t message[4 + 6 + 2 * (4 + DUID_MAX) + (4 + 12) + (4 + 24)] = { RELEASE, 0, 0, 1 };
	uint8_t *end = message + 4;
	struct lease6 lease;

	if (!find_lease(leases, address, &lease))
		return;
	end = put(put_header(end, OPTION_ELAPSED, 2), none, 2);
	end = put_duid(end, OPTION_CLIENT, &lease.client);
	end = put_duid(end, OPTION_SERVER, &lease.server);
	end = put_association(end, &lease, 4 + 24);
	end = put(put_header(end, OPTION_IA_ADDRESS, 24), address, sizeof(*address));
	end = put(end, none, sizeof(none));
	send_message(bridge, message, (size_t)(end - message));
}
