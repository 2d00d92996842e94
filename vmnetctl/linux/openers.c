/* SPDX-License-Identifier: Apache-2.0 */
/* Open files as /proc has them, where the kernel says of each /dev/net/tun which device it is. */
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

#define TUN_PATH "/dev/net/tun"
#define DEVICE_LINE "\niff:\t"

static bool is_tun(int fds, const char *number)
{
	char target[sizeof(TUN_PATH) + 1];
	ssize_t n = readlinkat(fds, number, target, sizeof(target));

	return n == (ssize_t)strlen(TUN_PATH) && memcmp(target, TUN_PATH, (size_t)n) == 0;
}

static bool is_of_device(int process, const char *number, const char *device)
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
	if (!line)
		return false;
	line += strlen(DEVICE_LINE);
	return strncmp(line, device, strlen(device)) == 0 && line[strlen(device)] == '\n';
}

static bool is_in_our_network(int process)
{
	struct stat ours, theirs;

	return stat("/proc/self/ns/net", &ours) == 0 &&
	       fstatat(process, "ns/net", &theirs, 0) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

static bool has_open(int process, const char *device)
{
	int fds = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fds < 0 ? NULL : fdopendir(fds);
	const struct dirent *entry;
	bool found = false;

	if (!directory) {
		if (fds >= 0)
			(void)close(fds);
		return false;
	}
	while (!found && (entry = readdir(directory)))
		found = is_tun(fds, entry->d_name) && is_of_device(process, entry->d_name, device);
	(void)closedir(directory);
	return found && is_in_our_network(process);
}

void openers_each(const char *device, void (*each)(pid_t pid, void *userdata), void *userdata)
{
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
		if (has_open(process, device))
			each(pid, userdata);
		(void)close(process);
	}
	if (directory)
		(void)closedir(directory);
}
