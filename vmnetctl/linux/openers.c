/* SPDX-License-Identifier: Apache-2.0 */
/* Open files as /proc shows them: there the kernel says of each of /dev/net/tun whose it is. */
#include "openers.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/name.h"

#define TUN_PATH "/dev/net/tun"
#define DEVICE_LINE "\niff:\t"
#define BROKER_LINE "Name:\tvmnet-broker\n"

/* Who is told of what is found. */
struct listener {
	void (*each)(const char *device, pid_t pid, void *userdata);
	void *userdata;
};

static bool is_tun(int fds, const char *number)
{
	char target[sizeof(TUN_PATH) + 1];
	ssize_t n = readlinkat(fds, number, target, sizeof(target));

	return n == (ssize_t)strlen(TUN_PATH) && memcmp(target, TUN_PATH, (size_t)n) == 0;
}

/* Returns whether the descriptor is of a device. */
static bool read_device(int process, const char *number, char device[INTERFACE_NAME_SIZE])
{
	char path[64], text[1024] = "";
	const char *line;
	int file;

	(void)snprintf(path, sizeof(path), "fdinfo/%.16s", number);
	file = openat(process, path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	if (read(file, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	(void)close(file);
	line = strstr(text, DEVICE_LINE);
	return line && sscanf(line + strlen(DEVICE_LINE), "%15[^\n]", device) == 1;
}

static bool is_in_our_network(int process)
{
	struct stat ours, theirs;

	return stat("/proc/self/ns/net", &ours) == 0 &&
	       fstatat(process, "ns/net", &theirs, 0) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

static void look_at(int process, pid_t pid, const struct listener *listener)
{
	int fds = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fds < 0 ? NULL : fdopendir(fds);
	const struct dirent *entry;
	char device[INTERFACE_NAME_SIZE];

	if (!directory) {
		if (fds >= 0)
			(void)close(fds);
		return;
	}
	while ((entry = readdir(directory)))
		if (is_tun(fds, entry->d_name) && read_device(process, entry->d_name, device) &&
		    is_in_our_network(process))
			listener->each(device, pid, listener->userdata);
	(void)closedir(directory);
}

void openers_each_device(void (*each)(const char *device, pid_t pid, void *userdata),
			 void *userdata)
{
	const struct listener listener = { each, userdata };
	DIR *directory = opendir("/proc");
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		int process;

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid())
			continue;
		process =
			openat(dirfd(directory), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue;
		look_at(process, pid, &listener);
		(void)close(process);
	}
	if (directory)
		(void)closedir(directory);
}

/* Whoever has a device can hand it to a process of somebody else, which is not to end for that. */
static bool is_machine_of(pid_t pid, uid_t owner)
{
	char path[32], line[64];
	uid_t uid = (uid_t)-1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file) && strcmp(line, BROKER_LINE) != 0)
		if (sscanf(line, "Uid: %u", &uid) == 1)
			break;
	if (file)
		(void)fclose(file);
	return uid == owner || (owner == 0 && uid != (uid_t)-1);
}

struct wanted {
	const char *device;
	uid_t owner;
	pid_t last; /* who was told of */
	void (*each)(pid_t pid, void *userdata);
	void *userdata;
};

static void tell(const char *device, pid_t pid, void *userdata)
{
	struct wanted *wanted = userdata;

	if (strcmp(device, wanted->device) != 0 || pid == wanted->last ||
	    !is_machine_of(pid, wanted->owner))
		return;
	wanted->last = pid;
	wanted->each(pid, wanted->userdata);
}

void openers_each(const char *device, uid_t owner, void (*each)(pid_t pid, void *userdata),
		  void *userdata)
{
	struct wanted wanted = { device, owner, 0, each, userdata };

	openers_each_device(tell, &wanted);
}
