/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and writes one setting. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names.h"

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

static int write_number(const char *path, int value)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return -errno;
	result = write(fd, text, (size_t)length) < 0 ? -errno : 0;
	(void)close(fd);
	return result;
}

/* As sysctl(8) has it: a dot in an interface's name is a slash there. */
static void format_name(char name[PATH_MAX], int family, const char *interface, const char *setting)
{
	char path[PATH_MAX];

	format_path(path, family, interface, setting);
	(void)snprintf(name, PATH_MAX, "%s", path + strlen("/proc/sys/"));
	for (char *c = name; *c; c++) {
		if (*c == '/')
			*c = '.';
		else if (*c == '.')
			*c = '/';
	}
}

/* A network's device goes with the network: only where it has the value from lasts. */
static void explain(struct error *error, int family, const char *interface, const char *setting,
		    int value, int reason)
{
	char name[PATH_MAX];
	char source[PATH_MAX];
	bool is_own = is_own_link_name(interface);

	format_name(name, family, interface, setting);
	format_name(source, family, "default", setting);
	(void)error_set(error, ERROR_CREATE_FAILED, "%s has to be %d, and cannot be set: %s%s%s%s",
			name, value, strerror(reason),
			is_own ? " (a new interface has it from " : "", is_own ? source : "",
			is_own ? ")" : "");
}

int sysctl_set(int family, const char *interface, const char *name, int value, struct error *error)
{
	char path[PATH_MAX];
	int now = 0;
	int result;

	format_path(path, family, interface, name);
	if (read_number(path, &now) == 0 && now == value)
		return 0;
	result = write_number(path, value);
	if (result < 0)
		explain(error, family, interface, name, value, -result);
	return result;
}
