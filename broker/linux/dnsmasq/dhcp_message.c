/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes messages of DHCP (RFC 2131 and 2132). They name the server itself as the relay that
 * its answers go to: it drops them, and the machine, which has asked nothing, gets none.
 */
#include "dhcp_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DHCP_SERVER_PORT 67
#define BOOTREQUEST 1
#define HARDWARE_ETHERNET 1
#define OPTION_LEASE_TIME 51
#define OPTION_MESSAGE_TYPE 53
#define OPTION_SERVER 54
#define OPTION_END 255
#define DHCPREQUEST 3
#define DHCPRELEASE 7

struct dhcp_message {
	uint8_t op;
	uint8_t hardware_type;
	uint8_t hardware_length;
	uint8_t hops;
	uint32_t transaction;
	uint16_t seconds;
	uint16_t flags;
	struct in_addr client;
	struct in_addr your;
	struct in_addr server;
	struct in_addr relay;
	uint8_t hardware_address[16];
	uint8_t server_name[64];
	uint8_t file[128];
	uint8_t cookie[4];
	uint8_t options[3 + 6 + 1];
};

int dhcp_message_socket(const char *bridge)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bridge, (socklen_t)strlen(bridge)) == 0)
		return fd;
	result = -errno;
	(void)close(fd);
	return result;
}

static struct dhcp_message message_for(uint8_t type, const struct dhcp_lease *lease)
{
	struct dhcp_message message = {
		.op = BOOTREQUEST,
		.hardware_type = lease->is_taken || lease->is_reserved ? UNASKED_HARDWARE_TYPE
								       : HARDWARE_ETHERNET,
		.hardware_length = sizeof(lease->mac),
		.client = lease->address,
		.cookie = { 0x63, 0x82, 0x53, 0x63 },
		.options = { OPTION_MESSAGE_TYPE, 1, type, OPTION_END },
	};
	uint8_t *rest = message.hardware_address + sizeof(lease->mac);

	memcpy(message.hardware_address, &lease->mac, sizeof(lease->mac));
	if (lease->is_taken) {
		memcpy(rest, &lease->address, sizeof(lease->address));
		message.hardware_length += sizeof(lease->address);
	}
	return message;
}

static int send_message(int fd, struct in_addr server, const struct dhcp_message *message)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(DHCP_SERVER_PORT),
		.sin_addr = server,
	};

	if (sendto(fd, message, sizeof(*message), 0, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return 0;
}

int dhcp_message_request(int fd, struct in_addr server, const struct dhcp_lease *lease)
{
	struct dhcp_message message = message_for(DHCPREQUEST, lease);

	message.relay = server;
	return send_message(fd, server, &message);
}

/* Adds an option of four bytes behind the message's type. */
static void add_option(struct dhcp_message *message, uint8_t option, uint32_t value)
{
	uint8_t *end = message->options + 3;

	*end++ = option;
	*end++ = sizeof(value);
	memcpy(end, &value, sizeof(value));
	end[sizeof(value)] = OPTION_END;
}

int dhcp_message_reserve(int fd, struct in_addr server, const struct dhcp_lease *lease)
{
	struct dhcp_message message = message_for(DHCPREQUEST, lease);

	message.relay = server;
	add_option(&message, OPTION_LEASE_TIME, htonl(RESERVED_SECONDS));
	return send_message(fd, server, &message);
}

int dhcp_message_release(int fd, struct in_addr server, const struct dhcp_lease *lease)
{
	struct dhcp_message message = message_for(DHCPRELEASE, lease);

	add_option(&message, OPTION_SERVER, server.s_addr);
	return send_message(fd, server, &message);
}
