/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP and UDP ports of the host that programs listen on, and which programs. Not the ports of
 * bridges: those are in broker/linux/network/port.h.
 */
#ifndef VMNET_HOST_PORTS_H
#define VMNET_HOST_PORTS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What is sent to the host: to one of its ports, or to any of several in a row. */
struct sent_to {
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	int family; /* AF_INET or AF_INET6 */
	const void *address; /* a struct in_addr or in6_addr; NULL: any of the host's */
	unsigned int first, last;
};

#define LISTED_ANY_IPV6 "00000000000000000000000000000000"

/* A socket in the kernel's lists (/proc/net/tcp, tcp6, udp, udp6). */
struct listed_socket {
	char address[sizeof(LISTED_ANY_IPV6)]; /* as it is listed */
	int protocol;
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

/* The same of all the lists: each is read once at most. */
bool ports_find_any(bool (*is_wanted)(const struct listed_socket *socket, const void *wanted),
		    const void *wanted, struct listed_socket *socket);

/* For these two: whether a socket gets what is in a struct sent_to, or some of it. */
bool ports_gets(const struct listed_socket *socket, const void *sent_to);

/*
 * Reads the address that a socket is bound to, an IPv4 one as the first four bytes; zeros:
 * to none. Returns its family.
 */
int ports_address(const struct listed_socket *socket, struct in6_addr *address);

/* Reads a line of a list. Returns whether it is of a socket that waits for whoever comes. */
bool ports_parse(const char *line, int protocol, struct listed_socket *socket);

/*
 * Writes who has a socket, for people: the program, or where it cannot be known,
 * the user, and the service manager's unit if there is one. Returns the id of its process, or 0.
 */
int ports_describe_owner(const struct listed_socket *socket, char *text, size_t size);

#endif
