/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What InternetSharing and the kernel have of vmnet's networks: files in the
 * world, which all processes share (double.h says what is in them).
 *
 * A network's file is locked by the process that made it for as long as its
 * object lives. Unlocked, it is of one that was killed: it is dead, but its
 * addresses stay taken until the file goes, which only tests do. An
 * interface's file is locked by its process, and means nothing without.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmnet_registry.h"

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

const char *registry_path(const char *folder, const char *name)
{
	char path[NAME_MAX * 2];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return world_path(path);
}

/* The whole of a file, for free(); "" when there is none. locked: whether a process has it. */
static char *file_read(const char *path, bool *locked)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	char *text;

	*locked = false;
	if (fd < 0)
		return copy_text("");
	if (fstat(fd, &status) < 0)
		broken(path);
	text = allocate((size_t)status.st_size + 1);
	if (read(fd, text, (size_t)status.st_size) < 0)
		broken(path);
	*locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
	close(fd);
	return text;
}

void registry_write(const char *folder, const char *name, const char *text)
{
	/* In place: whoever has it locked has this very file. */
	int fd = open(registry_path(folder, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	const size_t length = strlen(text);

	if (fd < 0 || write(fd, text, length) != (ssize_t)length)
		broken(name);
	/* The next to change it may be another user; when it is his it is so already. */
	(void)fchmod(fd, 0666);
	close(fd);
}

/* A new file of this process, locked. Returns its descriptor; id: its name. */
static int file_new_locked(const char *folder, char *id)
{
	uint32_t random;
	int fd;

	arc4random_buf(&random, sizeof(random));
	(void)snprintf(id, NETWORK_ID_SIZE, "%d.%08x", (int)getpid(), random);
	fd = open(registry_path(folder, id), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 || flock(fd, LOCK_EX) < 0 || fchmod(fd, 0666) < 0)
		broken(folder);
	return fd;
}

void folder_load(struct folder *folder, const char *name)
{
	struct dirent **names;
	/* In order of their names, so that what is chosen can be foretold. */
	int n = scandir(world_path(name), &names, NULL, alphasort);

	if (n < 0)
		broken(name);
	folder->entries = allocate(((size_t)n + 1) * sizeof(*folder->entries));
	folder->n = 0;
	for (int i = 0; i < n; i++) {
		struct entry *entry = &folder->entries[folder->n];

		if (names[i]->d_name[0] != '.') {
			entry->name = copy_text(names[i]->d_name);
			entry->text = file_read(registry_path(name, entry->name), &entry->locked);
			folder->n++;
		}
		free(names[i]);
	}
	free(names);
}

void folder_drop(struct folder *folder, size_t index)
{
	free(folder->entries[index].name);
	free(folder->entries[index].text);
	folder->n--;
	memmove(&folder->entries[index], &folder->entries[index + 1],
		(folder->n - index) * sizeof(*folder->entries));
}

void folder_clear(struct folder *folder)
{
	while (folder->n > 0)
		folder_drop(folder, folder->n - 1);
	free(folder->entries);
}

/* Texts */

void each_line(const char *text, void (^visit)(const char *line))
{
	char line[LINE_SIZE];

	while (*text) {
		size_t length = strcspn(text, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)length, text);
		visit(line);
		text += length + (text[length] == '\n');
	}
}

const char *value_of(const char *text, const char *word, char value[LINE_SIZE])
{
	const size_t length = strlen(word);

	value[0] = '\0';
	each_line(text, ^(const char *line) {
		if (strncmp(line, word, length) == 0 && line[length] == ' ')
			(void)snprintf(value, LINE_SIZE, "%s", line + length + 1);
	});
	return value;
}

bool begins_with(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

void read_addresses(const char *text, struct network_addresses *addresses, uint32_t *mtu)
{
	char value[LINE_SIZE];
	unsigned int length = 0;

	if (sscanf(value_of(text, "subnet", value), "%*[0-9.]/%u", &length) != 1 || length == 0 ||
	    length > 32 || inet_pton(AF_INET, value_of(text, "host", value), &addresses->host) != 1)
		broken("double: networks");
	(void)value_of(text, "prefix", value);
	value[strcspn(value, "/")] = '\0';
	if (inet_pton(AF_INET6, value, &addresses->prefix) != 1)
		broken("double: networks");
	addresses->mask.s_addr = htonl(UINT32_MAX << (32 - length));
	addresses->prefix_length = 64;
	*mtu = (uint32_t)atol(value_of(text, "mtu", value));
}

/* What is taken */

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

char *registry_taken(void)
{
	bool locked;
	char *others = file_read(world_path("taken"), &locked);
	struct folder networks;
	char *taken;
	size_t size;
	FILE *file = open_memstream(&taken, &size);

	if (!file)
		broken("double: open_memstream");
	(void)fputs(others, file);
	free(others);
	folder_load(&networks, "networks");
	for (size_t i = 0; i < networks.n; i++)
		(void)fputs(networks.entries[i].text, file);
	folder_clear(&networks);
	if (fclose(file) != 0)
		broken("double: open_memstream");
	return taken;
}

bool taken_has(const char *taken, const struct network_addresses *addresses)
{
	__block bool conflict = false;

	each_line(taken, ^(const char *line) {
		if (begins_with(line, "subnet ") || begins_with(line, "prefix "))
			line += strlen("subnet ");
		if (prefix_equals(line, addresses) || subnet_overlaps(line, addresses))
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

bool registry_find_network(const char *id, struct network_addresses *addresses, uint32_t *mtu)
{
	bool alive;
	char *text = file_read(registry_path("networks", id), &alive);

	if (alive)
		read_addresses(text, addresses, mtu);
	free(text);
	return alive;
}

void registry_release_network(vmnet_network_ref network)
{
	if (lseek(network->fd, 0, SEEK_END) < 0 || dprintf(network->fd, "%s\n", RELEASED) < 0)
		broken("double: networks");
	close(network->fd);
	registry_sweep();
}

/* Interfaces */

static void choose_name(char name[LINE_SIZE])
{
	struct folder interfaces;
	bool used = true;

	folder_load(&interfaces, "interfaces");
	for (unsigned int i = 0; used; i++) {
		(void)snprintf(name, LINE_SIZE, "vmenet%u", i);
		used = false;
		for (size_t j = 0; j < interfaces.n; j++) {
			char other[LINE_SIZE];

			if (strcmp(value_of(interfaces.entries[j].text, "name", other), name) == 0)
				used = true;
		}
	}
	folder_clear(&interfaces);
}

bool registry_add_interface(const char *network_id, struct registry_interface *interface)
{
	struct network_addresses addresses;
	unsigned char mac[6];
	char name[LINE_SIZE];
	uint32_t mtu;

	registry_sweep();
	if (!registry_find_network(network_id, &addresses, &mtu))
		return false;
	arc4random_buf(mac, sizeof(mac));
	mac[0] = 0x52; /* of no vendor, and of one station */
	(void)snprintf(interface->mac, sizeof(interface->mac), "%02x:%02x:%02x:%02x:%02x:%02x",
		       mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	choose_name(name);
	interface->fd = file_new_locked("interfaces", interface->id);
	if (dprintf(interface->fd, "network %s\nname %s\nmac %s\npid %d\n", network_id, name,
		    interface->mac, (int)getpid()) < 0)
		broken("double: interfaces");
	registry_sweep();
	return true;
}

void registry_remove_interface(struct registry_interface *interface)
{
	(void)unlink(registry_path("interfaces", interface->id));
	close(interface->fd);
	registry_sweep();
}
