/* SPDX-License-Identifier: Apache-2.0 */
/* Ports that programs on the host listen on: forwarding one would take it from its program. */
#ifndef VMNET_BROKER_PORTS_H
#define VMNET_BROKER_PORTS_H

#include "base/error.h"
#include "config/config.h"

/*
 * Checks that nothing listens on the ports that a network forwards. Returns 0,
 * or -1 with error (ERROR_CREATE_FAILED), which names the program where the
 * broker may know it.
 */
int ports_check(const struct network_config *config, struct error *error);

#define LISTED_ANY_IPV6 "00000000000000000000000000000000"

/* A socket in the kernel's lists (/proc/net/tcp, tcp6, udp, udp6). */
struct listed_socket {
	char address[sizeof(LISTED_ANY_IPV6)]; /* as it is listed */
	unsigned int port;
	unsigned long inode;
	uid_t uid;
};

/*
 * Finds the first socket of a list that is_wanted(), among those that wait for
 * whoever comes.
 *
 * wanted: is_wanted() gets it.
 */
bool ports_find(int protocol, int family,
		bool (*is_wanted)(const struct listed_socket *socket, const void *wanted),
		const void *wanted, struct listed_socket *socket);

/* For ports_find(): whether a socket gets what is sent to a struct port_forwarding. */
bool ports_gets(const struct listed_socket *socket, const void *forwarded);

/* Reads a line of a list. Returns whether it is of a socket that waits for whoever comes. */
bool ports_parse(const char *line, int protocol, struct listed_socket *socket);

/*
 * Writes who has a socket, for people: the program, or where it cannot be known,
 * the user. Returns the id of its process, or 0.
 */
int ports_describe_owner(const struct listed_socket *socket, char *text, size_t size);

#endif
