/* SPDX-License-Identifier: Apache-2.0 */
/* The Mac's addresses and routes, as it tells everybody, and the ports that programs listen on. */
#include "host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <libproc.h>
#include <net/if.h>
#include <net/route.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <unistd.h>

#define SHORTEST_ROUTE 8

/* vmnet's bridges are numbered from here on. */
#define FIRST_BRIDGE 100

/* Routes to one address that the system makes by itself, as it meets it. */
#define RTF_ITS_OWN (RTF_LLINFO | RTF_WASCLONED | RTF_LOCAL | RTF_BROADCAST | RTF_MULTICAST)

static bool is_vmnets(const char *name)
{
	static const char bridge[] = "bridge";

	return strncmp(name, bridge, sizeof(bridge) - 1) == 0 &&
	       atoi(name + sizeof(bridge) - 1) >= FIRST_BRIDGE;
}

/* Addresses */

static int add_ipv4(struct ranges *ranges, const char *owner, struct in_addr address,
		    struct in_addr mask)
{
	struct range range = { .ipv4.length = (unsigned int)__builtin_popcount(mask.s_addr) };

	range.ipv4.address.s_addr = address.s_addr & mask.s_addr;
	(void)snprintf(range.owner, sizeof(range.owner), "%s", owner);
	return ranges_add(ranges, &range);
}

static int add_ipv6(struct ranges *ranges, const char *owner, const struct in6_addr *address,
		    const struct in6_addr *mask)
{
	/* Host bits do no harm: overlaps are found by the shorter prefix. */
	struct range range = { .ipv6.address = *address };

	for (size_t i = 0; i < sizeof(mask->s6_addr); i++)
		range.ipv6.length += (unsigned int)__builtin_popcount(mask->s6_addr[i]);
	(void)snprintf(range.owner, sizeof(range.owner), "%s", owner);
	return ranges_add(ranges, &range);
}

static int add_address(struct ranges *ranges, const struct ifaddrs *entry)
{
	struct sockaddr_in6 address6;
	struct sockaddr_in6 mask6;
	struct sockaddr_in address;
	struct sockaddr_in mask;

	if (!entry->ifa_addr || !entry->ifa_netmask || is_vmnets(entry->ifa_name))
		return 0;
	if (entry->ifa_addr->sa_family == AF_INET) {
		memcpy(&address, entry->ifa_addr, sizeof(address));
		memcpy(&mask, entry->ifa_netmask, sizeof(mask));
		return add_ipv4(ranges, entry->ifa_name, address.sin_addr, mask.sin_addr);
	}
	if (entry->ifa_addr->sa_family == AF_INET6) {
		memcpy(&address6, entry->ifa_addr, sizeof(address6));
		memcpy(&mask6, entry->ifa_netmask, sizeof(mask6));
		return add_ipv6(ranges, entry->ifa_name, &address6.sin6_addr, &mask6.sin6_addr);
	}
	return 0;
}

static int add_addresses(struct ranges *ranges)
{
	struct ifaddrs *entries;
	int result = 0;

	if (getifaddrs(&entries) < 0)
		return -errno;
	for (const struct ifaddrs *entry = entries; entry && result == 0; entry = entry->ifa_next)
		result = add_address(ranges, entry);
	freeifaddrs(entries);
	return result;
}

/* Routes */

/* A route's destination and mask, of the one family or the other. */
union route_address {
	struct in_addr ipv4;
	struct in6_addr ipv6;
};

/*
 * An address among those that follow a route's header: as a socket's address has
 * it, its length in the first byte, without the zeroes at its end.
 */
static union route_address read_address(int family, const uint8_t *bytes, size_t size)
{
	const bool is_ipv4 = family == AF_INET;
	const size_t start = is_ipv4 ? offsetof(struct sockaddr_in, sin_addr)
				     : offsetof(struct sockaddr_in6, sin6_addr);
	const size_t end = start + (is_ipv4 ? sizeof(struct in_addr) : sizeof(struct in6_addr));
	union route_address address = { .ipv6 = IN6ADDR_ANY_INIT };
	size_t length = bytes[0] < size ? bytes[0] : size;

	if (length > end)
		length = end;
	if (length > start)
		memcpy(&address, bytes + start, length - start);
	return address;
}

static unsigned int length_of(const union route_address *mask)
{
	unsigned int length = 0;

	for (size_t i = 0; i < sizeof(mask->ipv6.s6_addr); i++)
		length += (unsigned int)__builtin_popcount(mask->ipv6.s6_addr[i]);
	return length;
}

static int add_route(struct ranges *ranges, int family, const struct rt_msghdr *header,
		     const uint8_t *bytes, size_t size)
{
	union route_address destination = { .ipv6 = IN6ADDR_ANY_INIT };
	union route_address mask = destination;
	char owner[RANGE_OWNER_SIZE];
	char name[IF_NAMESIZE];

	/* A route to one host has no mask. */
	memset(&mask, 0xff, family == AF_INET ? sizeof(mask.ipv4) : sizeof(mask));
	for (int i = 0; i <= RTAX_NETMASK && size > 0; i++) {
		size_t length = bytes[0] ? (bytes[0] + 3U) & ~3U : 4;

		if (!(header->rtm_addrs & 1 << i))
			continue;
		if (i == RTAX_DST)
			destination = read_address(family, bytes, size);
		if (i == RTAX_NETMASK)
			mask = read_address(family, bytes, size);
		if (length > size)
			length = size;
		bytes += length;
		size -= length;
	}
	if (length_of(&mask) < SHORTEST_ROUTE || !if_indextoname(header->rtm_index, name) ||
	    is_vmnets(name))
		return 0;
	(void)snprintf(owner, sizeof(owner), "a route over %s", name);
	if (family == AF_INET)
		return add_ipv4(ranges, owner, destination.ipv4, mask.ipv4);
	return add_ipv6(ranges, owner, &destination.ipv6, &mask.ipv6);
}

/* The table, for free(), or NULL with errno. It may grow between the two calls. */
static uint8_t *read_table(int family, size_t *size)
{
	int name[] = { CTL_NET, PF_ROUTE, 0, family, NET_RT_DUMP, 0 };
	const unsigned int length = sizeof(name) / sizeof(name[0]);

	for (;;) {
		uint8_t *table;

		if (sysctl(name, length, NULL, size, NULL, 0) < 0)
			return NULL;
		table = malloc(*size + 1);
		if (!table || sysctl(name, length, table, size, NULL, 0) == 0)
			return table;
		free(table);
		if (errno != ENOMEM)
			return NULL;
	}
}

static int add_routes(struct ranges *ranges, int family)
{
	struct rt_msghdr header;
	size_t size = 0;
	uint8_t *table = read_table(family, &size);
	int result = 0;

	if (!table)
		return -errno;
	for (size_t at = 0; result == 0 && size - at >= sizeof(header); at += header.rtm_msglen) {
		memcpy(&header, table + at, sizeof(header));
		if (header.rtm_msglen < sizeof(header) || header.rtm_msglen > size - at)
			break;
		if (!(header.rtm_flags & RTF_ITS_OWN))
			result = add_route(ranges, family, &header, table + at + sizeof(header),
					   header.rtm_msglen - sizeof(header));
	}
	free(table);
	return result;
}

/* Addresses first: who has one is a better answer than a route to it. */
int host_ranges(struct ranges *ranges)
{
	int result = add_addresses(ranges);

	if (result == 0)
		result = add_routes(ranges, AF_INET);
	if (result == 0)
		result = add_routes(ranges, AF_INET6);
	return result;
}

/* Ports */

/* Whether every program's address is free for this port; what is not to be known is. */
static bool is_free(int family, int type, uint16_t port)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	const int on = 1;
	int fd = socket(family, type, 0);
	int result;

	if (fd < 0)
		return true;
	/*
	 * Connections that have ended are not in the way; whoever listens is, at all
	 * addresses. On a BSD this passes by one that listens on a single address: at
	 * 127.0.0.1 it is not in the way on macOS 26, which forwards nothing there.
	 */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6) {
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		result = bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
	} else {
		result = bind(fd, (const struct sockaddr *)&any, sizeof(any));
	}
	result = result < 0 && errno == EADDRINUSE ? -1 : 0;
	(void)close(fd);
	return result == 0;
}

/* Whether a process listens on the port by this descriptor. */
static bool listens(int pid, int fd, int protocol, uint16_t port)
{
	struct socket_fdinfo info;
	const struct in_sockinfo *socket;

	if (proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, &info, sizeof(info)) < (int)sizeof(info))
		return false;
	if (protocol == IPPROTO_TCP) {
		if (info.psi.soi_kind != SOCKINFO_TCP ||
		    info.psi.soi_proto.pri_tcp.tcpsi_state != TSI_S_LISTEN)
			return false;
		socket = &info.psi.soi_proto.pri_tcp.tcpsi_ini;
	} else {
		if (info.psi.soi_kind != SOCKINFO_IN || info.psi.soi_protocol != IPPROTO_UDP)
			return false;
		socket = &info.psi.soi_proto.pri_in;
	}
	return ntohs((uint16_t)socket->insi_lport) == port;
}

static bool has_listener(int pid, int protocol, uint16_t port)
{
	int size = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, NULL, 0);
	struct proc_fdinfo *fds = size > 0 ? malloc((size_t)size) : NULL;
	bool found = false;

	if (!fds)
		return false;
	size = proc_pidinfo(pid, PROC_PIDLISTFDS, 0, fds, size);
	for (int i = 0; !found && i < size / (int)sizeof(*fds); i++)
		found = fds[i].proc_fdtype == PROX_FDTYPE_SOCKET &&
			listens(pid, fds[i].proc_fd, protocol, port);
	free(fds);
	return found;
}

/* Only of processes of the broker's own user, or for root, more than the port can be known. */
static void describe_program(int protocol, uint16_t port, char *text, size_t size)
{
	int room = proc_listpids(PROC_ALL_PIDS, 0, NULL, 0);
	int *pids = room > 0 ? malloc((size_t)room) : NULL;
	char name[64] = "";
	int found = 0;

	(void)snprintf(text, size, "a program");
	if (!pids)
		return;
	room = proc_listpids(PROC_ALL_PIDS, 0, pids, room);
	for (int i = 0; !found && i < room / (int)sizeof(*pids); i++)
		if (pids[i] > 0 && has_listener(pids[i], protocol, port))
			found = pids[i];
	free(pids);
	if (found && proc_name(found, name, sizeof(name)) > 0)
		(void)snprintf(text, size, "%s (pid %d)", name, found);
}

static int check_port(int protocol, uint16_t port, struct error *error)
{
	const int type = protocol == IPPROTO_TCP ? SOCK_STREAM : SOCK_DGRAM;
	char owner[100];

	if (is_free(AF_INET, type, port) && is_free(AF_INET6, type, port))
		return 0;
	describe_program(protocol, port, owner, sizeof(owner));
	return error_set(error, ERROR_CREATE_FAILED,
			 "%s port %u is in use by %s; choose another \"external_port\"",
			 protocol == IPPROTO_TCP ? "tcp" : "udp", port, owner);
}

int host_check_ports(const struct network_config *config, struct error *error)
{
	for (size_t i = 0; i < config->n_port_forwardings; i++) {
		const struct port_forwarding *forwarding = &config->port_forwardings[i];

		for (unsigned int j = 0; j < forwarding->n_ports; j++) {
			const uint16_t port = (uint16_t)(forwarding->external_port + j);

			if ((forwarding->protocols & FORWARD_TCP) &&
			    check_port(IPPROTO_TCP, port, error) < 0)
				return -1;
			if ((forwarding->protocols & FORWARD_UDP) &&
			    check_port(IPPROTO_UDP, port, error) < 0)
				return -1;
		}
	}
	return 0;
}
