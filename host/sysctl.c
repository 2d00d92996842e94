/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes one setting. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void format_path(char path[PATH_MAX], int family, const char *interface, const char *name)
{
	(void)snprintf(path, PATH_MAX, "/proc/sys/net/ipv%c/conf/%s/%s",
		       family == AF_INET ? '4' : '6', interface, name);
}

static int read_number(const char *path, int *value)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;
	int result;

	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text) - 1);
	result = size < 0 ? -errno : 0;
	(void)close(fd);
	if (result == 0)
		*value = (int)strtol(text, NULL, 10);
	return result;
}

int sysctl_read(int family, const char *interface, const char *name, int *value)
{
	char path[PATH_MAX];

	format_path(path, family, interface, name);
	return read_number(path, value);
}

bool sysctl_bridges_filter(int family)
{
	const char *path = family == AF_INET ? "/proc/sys/net/bridge/bridge-nf-call-iptables"
					     : "/proc/sys/net/bridge/bridge-nf-call-ip6tables";
	int value = 0;

	return read_number(path, &value) == 0 && value;
}

int sysctl_write(int family, const char *interface, const char *name, int value)
{
	char path[PATH_MAX];
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", value);
	int result;
	int fd;

	format_path(path, family, interface, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = write(fd, text, (size_t)length) < 0 ? -errno : 0;
	(void)close(fd);
	return result;
}
