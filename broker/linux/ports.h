/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that programs on the host listen on: forwarding one would take it from its program. */
#ifndef VMNET_BROKER_PORTS_H
#define VMNET_BROKER_PORTS_H

#include "../config.h"
#include "../error.h"

/*
 * Checks that nothing listens on the ports that a network forwards. Returns 0,
 * or -1 with error (ERROR_CREATE_FAILED), which names the program where the
 * broker may know it.
 */
int ports_check(const struct network_config *config, struct error *error);

/* A socket in the kernel's lists. */
struct listed_socket {
	unsigned long inode;
	uid_t uid;
};

/*
 * Writes who has a socket, for people: the program, or where it cannot be known,
 * the user. Returns the id of its process, or 0.
 */
int ports_describe_owner(const struct listed_socket *socket, char *text, size_t size);

/*
 * Whether a line of the kernel's lists of sockets (/proc/net/tcp, tcp6, udp,
 * udp6) is about a socket that gets what is sent to a forwarded port.
 *
 * list_family: AF_INET6 for the lists of IPv6.
 */
bool ports_line_matches(const char *line, int list_family, const struct port_forwarding *port,
			struct listed_socket *socket);

#endif
