/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What InternetSharing and the kernel have of vmnet's networks: files in the
 * world, which all processes share (double.h says what is in them).
 *
 * A network's file is locked by the process that made it for as long as its
 * object lives. Unlocked, it is of one that was killed: it is dead, but its
 * addresses stay taken until the file goes, which only tests do. An
 * interface's file is locked by its process, and means nothing without.
 * Bridges are made of both, by whoever looks next: registry_sweep().
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmnet_double.h"

#define RELEASED "released\n"
#define BRIDGE_FIRST 100
#define LINE_SIZE 256

struct text {
	char *bytes; /* terminated; for free() */
	size_t length;
};

int registry_lock(void)
{
	int fd = open(world_path("lock"), O_RDONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		broken("double: lock");
	return fd;
}

void registry_unlock(int registry)
{
	close(registry);
}

/* Files */

static const char *path_in(const char *folder, const char *name)
{
	char path[NAME_MAX * 2];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return world_path(path);
}

/* The whole of a file; nothing when there is none. */
static struct text file_read(const char *path)
{
	struct text text = { .bytes = copy_text("") };
	FILE *file = fopen(path, "re");
	FILE *copy;
	int byte;

	if (!file)
		return text;
	free(text.bytes);
	copy = open_memstream(&text.bytes, &text.length);
	if (!copy)
		broken("double: open_memstream");
	while ((byte = fgetc(file)) != EOF)
		(void)fputc(byte, copy);
	(void)fclose(file);
	if (fclose(copy) != 0)
		broken("double: open_memstream");
	return text;
}

static void file_write(const char *path, int flags, const char *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);

	if (fd < 0 || write(fd, bytes, length) != (ssize_t)length)
		broken(path);
	/* The next to change it may be another user; of his it is no concern. */
	(void)fchmod(fd, 0666);
	close(fd);
}

static bool is_locked(const char *folder, const char *name)
{
	int fd = open(path_in(folder, name), O_RDONLY | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return false;
	locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return locked;
}

/* A new file of this process, locked. Returns its descriptor; id: its name. */
static int file_new_locked(const char *folder, char *id)
{
	uint32_t random;
	int fd;

	arc4random_buf(&random, sizeof(random));
	(void)snprintf(id, NETWORK_ID_SIZE, "%d.%08x", (int)getpid(), random);
	fd = open(path_in(folder, id), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fchmod(fd, 0666) < 0)
		broken(folder);
	return fd;
}

/* In order of their names, so that what is chosen can be foretold. */
static void each_file(const char *folder, void (^visit)(const char *name))
{
	struct dirent **entries;
	int n = scandir(world_path(folder), &entries, NULL, alphasort);

	if (n < 0)
		broken(folder);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			visit(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static void each_line(const char *text, void (^visit)(const char *line))
{
	char line[LINE_SIZE];

	while (*text) {
		size_t length = strcspn(text, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)length, text);
		visit(line);
		text += length + (text[length] == '\n');
	}
}

/* What follows the word in the line that begins with it; "" when none does. */
static void value_of(const char *text, const char *word, char value[LINE_SIZE])
{
	const size_t length = strlen(word);

	value[0] = '\0';
	each_line(text, ^(const char *line) {
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			(void)snprintf(value, LINE_SIZE, "%s", line + length + 1);
	});
}

static void file_value(const char *folder, const char *name, const char *word,
		       char value[LINE_SIZE])
{
	struct text text = file_read(path_in(folder, name));

	value_of(text.bytes, word, value);
	free(text.bytes);
}

/* Addresses */

static bool subnet_overlaps(const char *text, const struct network_addresses *addresses)
{
	char address[INET_ADDRSTRLEN];
	unsigned int length;
	struct in_addr other;
	uint32_t common;

	if (sscanf(text, "%15[0-9.]/%u", address, &length) != 2 || length == 0 || length > 32 ||
	    inet_pton(AF_INET, address, &other) != 1)
		return false;
	common = ntohl(addresses->mask.s_addr) & (UINT32_MAX << (32 - length));
	return (ntohl(other.s_addr) & common) == (ntohl(addresses->host.s_addr) & common);
}

static bool prefix_equals(const char *text, const struct network_addresses *addresses)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr other;

	return sscanf(text, "%45[0-9a-f:]/64", address) == 1 &&
	       inet_pton(AF_INET6, address, &other) == 1 &&
	       memcmp(&other, &addresses->prefix, 8) == 0;
}

static bool text_conflicts(const char *text, const struct network_addresses *addresses)
{
	__block bool conflict = false;

	each_line(text, ^(const char *line) {
		if (strncmp(line, "subnet ", strlen("subnet ")) == 0)
			line += strlen("subnet ");
		if (strncmp(line, "prefix ", strlen("prefix ")) == 0)
			line += strlen("prefix ");
		if (prefix_equals(line, addresses) || subnet_overlaps(line, addresses))
			conflict = true;
	});
	return conflict;
}

static bool file_conflicts(const char *path, const struct network_addresses *addresses)
{
	struct text text = file_read(path);
	bool conflict = text_conflicts(text.bytes, addresses);

	free(text.bytes);
	return conflict;
}

bool registry_is_taken(const struct network_addresses *addresses)
{
	__block bool conflict = file_conflicts(world_path("taken"), addresses);

	each_file("networks", ^(const char *name) {
		if (file_conflicts(path_in("networks", name), addresses))
			conflict = true;
	});
	return conflict;
}

/* Networks */

void registry_add_network(vmnet_network_ref network, const char *lines)
{
	const struct network_addresses *addresses = &network->addresses;
	struct in_addr subnet = { .s_addr = addresses->host.s_addr & addresses->mask.s_addr };
	char subnet_text[INET_ADDRSTRLEN];
	char host_text[INET_ADDRSTRLEN];
	char prefix_text[INET6_ADDRSTRLEN];

	network->fd = file_new_locked("networks", network->id);
	(void)inet_ntop(AF_INET, &subnet, subnet_text, sizeof(subnet_text));
	(void)inet_ntop(AF_INET, &addresses->host, host_text, sizeof(host_text));
	(void)inet_ntop(AF_INET6, &addresses->prefix, prefix_text, sizeof(prefix_text));
	if (dprintf(network->fd, "%smtu %u\nsubnet %s/%d\nhost %s\nprefix %s/%u\n", lines,
		    network->mtu, subnet_text, __builtin_popcount(addresses->mask.s_addr),
		    host_text, prefix_text, addresses->prefix_length) < 0)
		broken("double: networks");
}

/* What a network's file says of its addresses. */
static bool read_addresses(const char *id, struct network_addresses *addresses, uint32_t *mtu)
{
	char subnet[LINE_SIZE];
	char host[LINE_SIZE];
	char prefix[LINE_SIZE];
	char mtu_text[LINE_SIZE];
	unsigned int length = 0;

	file_value("networks", id, "subnet", subnet);
	file_value("networks", id, "host", host);
	file_value("networks", id, "prefix", prefix);
	file_value("networks", id, "mtu", mtu_text);
	prefix[strcspn(prefix, "/")] = '\0';
	if (sscanf(subnet, "%*15[0-9.]/%u", &length) != 1 || length == 0 || length > 32)
		return false;
	*mtu = (uint32_t)atol(mtu_text);
	addresses->mask.s_addr = htonl(UINT32_MAX << (32 - length));
	addresses->prefix_length = 64;
	return inet_pton(AF_INET, host, &addresses->host) == 1 &&
	       inet_pton(AF_INET6, prefix, &addresses->prefix) == 1;
}

bool registry_find_network(const char *id, struct network_addresses *addresses, uint32_t *mtu)
{
	return is_locked("networks", id) && read_addresses(id, addresses, mtu);
}

static bool has_interface(const char *network_id)
{
	__block bool found = false;

	each_file("interfaces", ^(const char *name) {
		char of[LINE_SIZE];

		file_value("interfaces", name, "network", of);
		if (strcmp(of, network_id) == 0)
			found = true;
	});
	return found;
}

void registry_release_network(vmnet_network_ref network)
{
	registry_sweep();
	if (has_interface(network->id))
		file_write(path_in("networks", network->id), O_APPEND, RELEASED, strlen(RELEASED));
	else
		(void)unlink(path_in("networks", network->id));
	close(network->fd);
}

static bool is_released(const char *network_id)
{
	struct text text = file_read(path_in("networks", network_id));
	bool released = strstr(text.bytes, RELEASED) != NULL;

	free(text.bytes);
	return released;
}

/* With the end of a run its reservations and forwardings are lost to the network. */
static void forget_services(const char *network_id)
{
	struct text text = file_read(path_in("networks", network_id));
	struct text rest;
	FILE *file = open_memstream(&rest.bytes, &rest.length);

	if (!file)
		broken("double: open_memstream");
	each_line(text.bytes, ^(const char *line) {
		if (strncmp(line, "dhcp_reservation ", strlen("dhcp_reservation ")) != 0 &&
		    strncmp(line, "port_forwarding ", strlen("port_forwarding ")) != 0)
			(void)fprintf(file, "%s\n", line);
	});
	if (fclose(file) != 0)
		broken("double: open_memstream");
	if (text.length > 0)
		/* In place: the lock is on this very file. */
		file_write(path_in("networks", network_id), O_TRUNC, rest.bytes, rest.length);
	free(rest.bytes);
	free(text.bytes);
}

/* Interfaces */

static void interface_choose(char name[LINE_SIZE])
{
	__block bool used = true;

	for (unsigned int i = 0; used; i++) {
		(void)snprintf(name, LINE_SIZE, "vmenet%u", i);
		used = false;
		each_file("interfaces", ^(const char *file) {
			char other[LINE_SIZE];

			file_value("interfaces", file, "name", other);
			if (strcmp(other, name) == 0)
				used = true;
		});
	}
}

bool registry_add_interface(const char *network_id, struct registry_interface *interface)
{
	unsigned char mac[6];
	char name[LINE_SIZE];

	registry_sweep();
	if (!is_locked("networks", network_id))
		return false;
	arc4random_buf(mac, sizeof(mac));
	mac[0] = 0x52; /* of no vendor, of one station */
	(void)snprintf(interface->mac, sizeof(interface->mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	interface_choose(name);
	interface->fd = file_new_locked("interfaces", interface->id);
	if (dprintf(interface->fd, "network %s\nname %s\nmac %s\npid %d\n", network_id, name,
		    interface->mac, (int)getpid()) < 0)
		broken("double: interfaces");
	registry_sweep();
	return true;
}

void registry_remove_interface(struct registry_interface *interface)
{
	(void)unlink(path_in("interfaces", interface->id));
	close(interface->fd);
	registry_sweep();
}

/* Bridges */

static bool bridge_find(const char *network_id, char name[LINE_SIZE])
{
	name[0] = '\0';
	each_file("bridges", ^(const char *bridge) {
		char of[LINE_SIZE];

		file_value("bridges", bridge, "network", of);
		if (strcmp(of, network_id) == 0)
			(void)snprintf(name, LINE_SIZE, "%s", bridge);
	});
	return name[0] != '\0';
}

static void bridge_choose(char name[LINE_SIZE])
{
	for (unsigned int i = BRIDGE_FIRST;; i++) {
		(void)snprintf(name, LINE_SIZE, "bridge%u", i);
		if (access(path_in("bridges", name), F_OK) < 0)
			return;
	}
}

/* As ifconfig has it, and with what the run does for the network. */
static void bridge_write(const char *name, const char *network_id)
{
	struct network_addresses addresses = { 0 };
	struct text network = file_read(path_in("networks", network_id));
	char address[INET_ADDRSTRLEN];
	char mask[INET_ADDRSTRLEN];
	struct text text;
	uint32_t mtu = 0;
	FILE *file = open_memstream(&text.bytes, &text.length);

	if (!file || !read_addresses(network_id, &addresses, &mtu))
		broken("double: bridges");
	(void)fprintf(file, "network %s\ninet %s\nnetmask %s\nmtu %u\n", network_id,
		      inet_ntop(AF_INET, &addresses.host, address, sizeof(address)),
		      inet_ntop(AF_INET, &addresses.mask, mask, sizeof(mask)), mtu);
	each_line(network.bytes, ^(const char *line) {
		if (strncmp(line, "prefix ", strlen("prefix ")) == 0 ||
		    strncmp(line, "dhcp_reservation ", strlen("dhcp_reservation ")) == 0 ||
		    strncmp(line, "port_forwarding ", strlen("port_forwarding ")) == 0)
			(void)fprintf(file, "%s\n", line);
	});
	each_file("interfaces", ^(const char *interface) {
		char of[LINE_SIZE];
		char member[LINE_SIZE];
		char mac[LINE_SIZE];

		file_value("interfaces", interface, "network", of);
		file_value("interfaces", interface, "name", member);
		file_value("interfaces", interface, "mac", mac);
		if (strcmp(of, network_id) == 0)
			(void)fprintf(file, "member %s %s\n", member, mac);
	});
	if (fclose(file) != 0)
		broken("double: bridges");
	file_write(path_in("bridges", name), O_TRUNC, text.bytes, text.length);
	free(text.bytes);
	free(network.bytes);
}

bool registry_bridge(const char *network_id, struct in_addr *host)
{
	char name[LINE_SIZE];
	char inet[LINE_SIZE];

	registry_sweep();
	if (!bridge_find(network_id, name))
		return false;
	file_value("bridges", name, "inet", inet);
	return inet_pton(AF_INET, inet, host) == 1;
}

/* Whether the network exists for machines: its maker lives, or let go of it in order. */
static bool exists(const char *network_id)
{
	return is_locked("networks", network_id) || is_released(network_id);
}

void registry_sweep(void)
{
	each_file("interfaces", ^(const char *name) {
		if (!is_locked("interfaces", name))
			(void)unlink(path_in("interfaces", name));
	});
	each_file("bridges", ^(const char *name) {
		char id[LINE_SIZE];

		file_value("bridges", name, "network", id);
		if (exists(id) && has_interface(id))
			return;
		(void)unlink(path_in("bridges", name));
		forget_services(id);
	});
	each_file("networks", ^(const char *id) {
		char bridge[LINE_SIZE];

		if (!has_interface(id)) {
			if (is_released(id))
				(void)unlink(path_in("networks", id));
			return;
		}
		if (!exists(id))
			return;
		if (!bridge_find(id, bridge))
			bridge_choose(bridge);
		bridge_write(bridge, id);
	});
}
