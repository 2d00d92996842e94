/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Mac tells everybody of itself: addresses and routes, which tests
 * write down (double.h), vmnet's bridges, and which process listens where,
 * which is so on the host of the tests.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libproc.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "double.h"

#define LINE_SIZE 256
#define INTERFACES_MAX 64

/* Names have indexes in the order in which anybody asked for them. */
static char interfaces[INTERFACES_MAX][IF_NAMESIZE];

static u_short index_of(const char *name)
{
	u_short i = 0;

	lock();
	while (interfaces[i][0] && strcmp(interfaces[i], name) != 0)
		if (++i == INTERFACES_MAX)
			broken("double: interfaces");
	(void)snprintf(interfaces[i], IF_NAMESIZE, "%s", name);
	unlock();
	return (u_short)(i + 1);
}

char *if_indextoname(unsigned int index, char *name)
{
	if (index == 0 || index > INTERFACES_MAX || !interfaces[index - 1][0]) {
		errno = ENXIO;
		return NULL;
	}
	return strcpy(name, interfaces[index - 1]);
}

static struct in_addr mask_of(unsigned int length)
{
	return (struct in_addr){ .s_addr = htonl(length ? UINT32_MAX << (32 - length) : 0) };
}

static struct in6_addr mask6_of(unsigned int length)
{
	struct in6_addr mask = IN6ADDR_ANY_INIT;

	for (unsigned int i = 0; i < length / 8; i++)
		mask.s6_addr[i] = 0xff;
	return mask;
}

/* Addresses */

static void add(struct ifaddrs **entries, const char *name, const void *address, const void *mask,
		size_t size)
{
	struct ifaddrs *entry = allocate(sizeof(*entry));

	entry->ifa_next = *entries;
	entry->ifa_name = copy_text(name);
	entry->ifa_addr = memcpy(allocate(size), address, size);
	entry->ifa_netmask = memcpy(allocate(size), mask, size);
	*entries = entry;
}

static void add_inet(struct ifaddrs **entries, const char *name, const char *text,
		     struct in_addr bits)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct sockaddr_in mask = { .sin_family = AF_INET, .sin_addr = bits };

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		broken("double: an address of the Mac");
	add(entries, name, &address, &mask, sizeof(address));
}

static void add_inet6(struct ifaddrs **entries, const char *name, const char *text,
		      unsigned int length)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct sockaddr_in6 mask = { .sin6_family = AF_INET6, .sin6_addr = mask6_of(length) };

	if (inet_pton(AF_INET6, text, &address.sin6_addr) != 1)
		broken("double: an address of the Mac");
	add(entries, name, &address, &mask, sizeof(address));
}

/* A bridge of vmnet's, from its file. */
static void add_bridge(struct ifaddrs **entries, const char *name)
{
	char path[sizeof("bridges/") + 256];
	char line[LINE_SIZE];
	char address[INET_ADDRSTRLEN] = "";
	char text[INET_ADDRSTRLEN] = "";
	struct in_addr mask;
	FILE *file;

	(void)snprintf(path, sizeof(path), "bridges/%s", name);
	file = fopen(world_path(path), "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		(void)sscanf(line, "inet %15s", address);
		(void)sscanf(line, "netmask %15s", text);
	}
	(void)fclose(file);
	if (inet_pton(AF_INET, text, &mask) == 1)
		add_inet(entries, name, address, mask);
}

int getifaddrs(struct ifaddrs **entries)
{
	FILE *file = fopen(world_path("host"), "re");
	DIR *bridges = opendir(world_path("bridges"));
	const struct dirent *entry;
	char line[LINE_SIZE];
	char name[IF_NAMESIZE];
	char address[INET6_ADDRSTRLEN];
	unsigned int length;

	*entries = NULL;
	add_inet(entries, "lo0", "127.0.0.1", mask_of(8));
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "inet %15s %45[0-9.]/%u", name, address, &length) == 3)
			add_inet(entries, name, address, mask_of(length));
		if (sscanf(line, "inet6 %15s %45[0-9a-f:]/%u", name, address, &length) == 3)
			add_inet6(entries, name, address, length);
	}
	while (bridges && (entry = readdir(bridges)))
		if (entry->d_name[0] != '.')
			add_bridge(entries, entry->d_name);
	if (bridges)
		(void)closedir(bridges);
	if (file)
		(void)fclose(file);
	return 0;
}

void freeifaddrs(struct ifaddrs *entries)
{
	while (entries) {
		struct ifaddrs *next = entries->ifa_next;

		free(entries->ifa_name);
		free(entries->ifa_addr);
		free(entries->ifa_netmask);
		free(entries);
		entries = next;
	}
}

/* Routes */

/*
 * An address as macOS writes it: a mask has no family, and is without its
 * trailing zeroes. Returns its room.
 */
static size_t write_address(uint8_t *bytes, int family, const void *address, bool is_mask)
{
	const uint8_t start = family == AF_INET ? 4 : 8;
	const uint8_t size = family == AF_INET ? 4 : 16;
	uint8_t length = family == AF_INET ? 16 : 28;

	memset(bytes, 0, 28);
	bytes[1] = is_mask ? 0 : (uint8_t)family;
	memcpy(bytes + start, address, size);
	if (is_mask)
		for (length = start + size; length > start && bytes[length - 1] == 0; length--)
			;
	bytes[0] = length == start ? 0 : length;
	return length == start ? 4 : (length + 3U) & ~3U;
}

static size_t write_route(uint8_t *bytes, const char *name, int family, const void *destination,
			  unsigned int length, int flags)
{
	struct rt_msghdr header = {
		.rtm_version = RTM_VERSION,
		.rtm_type = RTM_GET,
		.rtm_index = index_of(name),
		.rtm_flags = RTF_UP | flags,
		.rtm_addrs = RTA_DST,
	};
	const struct in6_addr mask6 = mask6_of(length);
	const struct in_addr mask = mask_of(family == AF_INET ? length : 0);
	size_t size = sizeof(header);

	size += write_address(bytes + size, family, destination, false);
	if (!(flags & RTF_HOST)) {
		header.rtm_addrs |= RTA_NETMASK;
		size += write_address(bytes + size, family,
				      family == AF_INET ? (const void *)&mask : &mask6, true);
	}
	header.rtm_msglen = (u_short)size;
	memcpy(bytes, &header, sizeof(header));
	return size;
}

/* The default route, and those that were written down; a host's are the system's own, of ARP. */
static size_t write_routes(uint8_t *bytes, size_t room, int family)
{
	FILE *file = fopen(world_path("host"), "re");
	char name[IF_NAMESIZE];
	char address[INET6_ADDRSTRLEN];
	char line[LINE_SIZE];
	struct in6_addr destination = IN6ADDR_ANY_INIT;
	size_t size = write_route(bytes, "en0", family, &destination, 0, 0);
	unsigned int length;

	while (file && fgets(line, sizeof(line), file)) {
		int host = sscanf(line, "neighbour %15s %45[0-9a-f.:]", name, address) == 2;

		if (!host &&
		    sscanf(line, "route %15s %45[0-9a-f.:]/%u", name, address, &length) != 3)
			continue;
		if ((strchr(address, ':') ? AF_INET6 : AF_INET) != family)
			continue;
		if (room - size < 2 * sizeof(struct rt_msghdr) ||
		    inet_pton(family, address, &destination) != 1)
			broken("double: a route of the Mac");
		size += write_route(bytes + size, name, family, &destination, host ? 0 : length,
				    host ? RTF_HOST | RTF_LLINFO | RTF_WASCLONED : 0);
	}
	if (file)
		(void)fclose(file);
	return size;
}

int sysctl(int *name, u_int length, void *old, size_t *old_size, void *new, size_t new_size)
{
	uint8_t table[65536];
	size_t size;

	if (length != 6 || name[0] != CTL_NET || name[1] != PF_ROUTE || name[2] != 0 ||
	    (name[3] != AF_INET && name[3] != AF_INET6) || name[4] != NET_RT_DUMP || name[5] != 0 ||
	    new || new_size)
		misuse("sysctl: the double knows routes only");
	size = write_routes(table, sizeof(table), name[3]);
	if (old && *old_size < size) {
		errno = ENOMEM;
		return -1;
	}
	if (old)
		memcpy(old, table, size);
	*old_size = size;
	return 0;
}

/* Processes, by what Linux says of them */

int proc_listpids(uint32_t type, uint32_t typeinfo, void *buffer, int size)
{
	const int room = 65536 * (int)sizeof(int);
	const struct dirent *entry;
	int *pids = buffer;
	int n = 0;
	DIR *directory;

	if (type != PROC_ALL_PIDS || typeinfo != 0)
		misuse("proc_listpids: the double lists all only");
	if (!buffer)
		return room;
	directory = opendir("/proc");
	while (directory && (entry = readdir(directory)) && (n + 1) * (int)sizeof(*pids) <= size)
		if (atoi(entry->d_name) > 0)
			pids[n++] = atoi(entry->d_name);
	if (directory)
		(void)closedir(directory);
	return n * (int)sizeof(*pids);
}

int proc_pidinfo(int pid, int flavor, uint64_t argument, void *buffer, int size)
{
	const int room = 4096 * (int)sizeof(struct proc_fdinfo);
	struct proc_fdinfo *fds = buffer;
	const struct dirent *entry;
	char path[32];
	DIR *directory;
	int n = 0;

	if (flavor != PROC_PIDLISTFDS || argument != 0)
		misuse("proc_pidinfo: the double lists descriptors only");
	if (!buffer)
		return room;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory)) && (n + 1) * (int)sizeof(*fds) <= size) {
		char target[16] = "";

		if (readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		fds[n++] = (struct proc_fdinfo){
			.proc_fd = atoi(entry->d_name),
			.proc_fdtype = strncmp(target, "socket:", 7) == 0 ? PROX_FDTYPE_SOCKET : 1,
		};
	}
	if (directory)
		(void)closedir(directory);
	return n * (int)sizeof(*fds);
}

/* Looks the socket up in a table such as /proc/net/tcp. */
static bool find_socket(const char *table, unsigned long inode, unsigned int *port,
			unsigned int *state)
{
	FILE *file = fopen(table, "re");
	unsigned long found = 0;
	char line[512];

	while (file && found != inode && fgets(line, sizeof(line), file))
		(void)sscanf(line, "%*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*u %*u %lu",
			     port, state, &found);
	if (file)
		(void)fclose(file);
	return found == inode;
}

int proc_pidfdinfo(int pid, int fd, int flavor, void *buffer, int size)
{
	const unsigned int listening = 0x0a;
	struct socket_fdinfo info = { 0 };
	char target[64] = "";
	unsigned long inode;
	unsigned int state;
	unsigned int port;
	char path[48];

	if (flavor != PROC_PIDFDSOCKETINFO || size != (int)sizeof(info))
		misuse("proc_pidfdinfo: the double knows sockets only");
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	if (readlink(path, target, sizeof(target) - 1) < 0 ||
	    sscanf(target, "socket:[%lu]", &inode) != 1)
		return 0;
	if (find_socket("/proc/net/tcp", inode, &port, &state) ||
	    find_socket("/proc/net/tcp6", inode, &port, &state)) {
		info.psi.soi_protocol = IPPROTO_TCP;
		info.psi.soi_kind = SOCKINFO_TCP;
		info.psi.soi_proto.pri_tcp.tcpsi_ini.insi_lport = htons((uint16_t)port);
		info.psi.soi_proto.pri_tcp.tcpsi_state = state == listening ? TSI_S_LISTEN : 4;
	} else if (find_socket("/proc/net/udp", inode, &port, &state) ||
		   find_socket("/proc/net/udp6", inode, &port, &state)) {
		info.psi.soi_protocol = IPPROTO_UDP;
		info.psi.soi_kind = SOCKINFO_IN;
		info.psi.soi_proto.pri_in.insi_lport = htons((uint16_t)port);
	}
	memcpy(buffer, &info, sizeof(info));
	return size;
}
