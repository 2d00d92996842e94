/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for ports in the kernel's lists of sockets (/proc/net), and for the program that has one.
 */
#include "ports.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "socket_unit.h"

/* States of sockets in the lists: TCP_LISTEN, and TCP_CLOSE for UDP without a peer. */
#define LISTENING 0x0a
#define UNCONNECTED 0x07

bool ports_parse(const char *line, int protocol, struct listed_socket *socket)
{
	unsigned int state;

	socket->protocol = protocol;
	/* "sl: ADDRESS:PORT PEER:PORT STATE QUEUES TIMER RETRANSMIT UID TIMEOUT INODE" */
	return sscanf(line, " %*u: %32[0-9A-F]:%x %*s %x %*s %*s %*s %u %*u %lu", socket->address,
		      &socket->port, &state, &socket->uid, &socket->inode) == 5 &&
	       state == (protocol == IPPROTO_TCP ? LISTENING : UNCONNECTED);
}

bool ports_find(int protocol, int family,
		bool (*is_wanted)(const struct listed_socket *socket, const void *wanted),
		const void *wanted, struct listed_socket *socket)
{
	char path[sizeof("/proc/net/tcp6")];
	char line[512];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/net/%s%s",
		       protocol == IPPROTO_TCP ? "tcp" : "udp", family == AF_INET6 ? "6" : "");
	file = fopen(path, "re");
	if (!file)
		return false; /* no IPv6 on this host */
	while (!found && fgets(line, sizeof(line), file))
		found = ports_parse(line, protocol, socket) && is_wanted(socket, wanted);
	(void)fclose(file);
	return found;
}

bool ports_find_any(bool (*is_wanted)(const struct listed_socket *socket, const void *wanted),
		    const void *wanted, struct listed_socket *socket)
{
	return ports_find(IPPROTO_TCP, AF_INET, is_wanted, wanted, socket) ||
	       ports_find(IPPROTO_TCP, AF_INET6, is_wanted, wanted, socket) ||
	       ports_find(IPPROTO_UDP, AF_INET, is_wanted, wanted, socket) ||
	       ports_find(IPPROTO_UDP, AF_INET6, is_wanted, wanted, socket);
}

int ports_address(const struct listed_socket *socket, struct in6_addr *address)
{
	uint32_t words[4];
	/* The kernel lists each word as a number of this processor's. */
	int n = sscanf(socket->address, "%8x%8x%8x%8x", &words[0], &words[1], &words[2], &words[3]);

	memset(address, 0, sizeof(*address));
	if (n < 4) {
		memcpy(address, words, sizeof(struct in_addr));
		return AF_INET;
	}
	memcpy(address, words, sizeof(*address));
	if (!IN6_IS_ADDR_V4MAPPED(address))
		return AF_INET6;
	memset(address, 0, sizeof(*address));
	memcpy(address, &words[3], sizeof(struct in_addr));
	return AF_INET;
}

bool ports_gets(const struct listed_socket *socket, const void *wanted)
{
	const struct sent_to *sent = wanted;
	struct in6_addr address;
	bool is_any;
	int family;

	if (socket->protocol != sent->protocol || socket->port < sent->first ||
	    socket->port > sent->last)
		return false;
	family = ports_address(socket, &address);
	is_any = IN6_IS_ADDR_UNSPECIFIED(&address);
	/* A socket of IPv6 gets what is sent by IPv4 when it is bound to no address. */
	if (family != sent->family && (family == AF_INET || !is_any))
		return false;
	return is_any || !sent->address ||
	       memcmp(&address, sent->address, address_size(family)) == 0;
}

static bool has_socket(int pid, const struct listed_socket *socket)
{
	char wanted[sizeof("socket:[]") + 3 * sizeof(socket->inode)];
	char target[sizeof(wanted)];
	char path[64];
	const struct dirent *entry;
	bool found = false;
	DIR *directory;

	(void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", socket->inode);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	if (!directory)
		return false; /* it has ended, or is none of our business */
	while (!found && (entry = readdir(directory))) {
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (length > 0) {
			target[length] = '\0';
			found = strcmp(target, wanted) == 0;
		}
	}
	(void)closedir(directory);
	return found;
}

/* Returns the id of a process that has the socket, or 0: an unprivileged broker may not look. */
static int find_process(const struct listed_socket *socket)
{
	const struct dirent *entry;
	DIR *directory = opendir("/proc");
	int pid = 0;

	if (!directory)
		return 0;
	while (!pid && (entry = readdir(directory))) {
		int candidate = atoi(entry->d_name);

		if (candidate > 0 && has_socket(candidate, socket))
			pid = candidate;
	}
	(void)closedir(directory);
	return pid;
}

int ports_describe_owner(const struct listed_socket *socket, char *text, size_t size)
{
	int pid = find_process(socket);
	char command[64] = "";
	char path[64], unit[96];
	bool has_unit = !pid && socket_unit(socket, unit, sizeof(unit));
	FILE *file;

	/* By number: who knows their names may be far away. */
	(void)snprintf(text, size, "a program of user %u%s%s", socket->uid, has_unit ? " in " : "",
		       has_unit ? unit : "");
	if (!pid)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file && fgets(command, sizeof(command), file))
		(void)snprintf(text, size, "%.*s (pid %d)", (int)strcspn(command, "\n"), command,
			       pid);
	if (file)
		(void)fclose(file);
	return pid;
}
