/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes one setting of one network interface. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_setting(int family, const char *interface, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv%c/conf/%s/%s",
		       family == AF_INET ? '4' : '6', interface, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(int family, const char *interface, const char *name, int *value)
{
	char text[16] = "";
	int fd = open_setting(family, interface, name, O_RDONLY);
	ssize_t size;
	int result;

	if (fd < 0)
		return fd;
	size = read(fd, text, sizeof(text) - 1);
	result = size < 0 ? -errno : 0;
	(void)close(fd);
	if (result == 0)
		*value = (int)strtol(text, NULL, 10);
	return result;
}

int sysctl_write(int family, const char *interface, const char *name, int value)
{
	int fd = open_setting(family, interface, name, O_WRONLY);
	int result;

	if (fd < 0)
		return fd;
	result = dprintf(fd, "%d\n", value) < 0 ? -errno : 0;
	(void)close(fd);
	return result;
}
