/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the runtime directory, and the processes that were started with a file of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "cleanup.h"
#include "host/names.h"

/* How long a server may take to end before it is killed. */
#define STOP_MSEC 2000

static bool has_suffix(const char *text, const char *suffix)
{
	size_t length = strlen(text), ending = strlen(suffix);

	return length > ending && strcmp(text + length - ending, suffix) == 0;
}

/* Another namespace may have a broker of its own, with the same folder. */
static bool is_in_our_network(const char *pid)
{
	struct stat ours, others;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	return stat("/proc/self/ns/net", &ours) == 0 && stat(path, &others) == 0 &&
	       ours.st_dev == others.st_dev && ours.st_ino == others.st_ino;
}

/* Its second word; "" when it has none. */
static void read_argument(const char *pid, char *argument, size_t size)
{
	char path[64], text[2 * PATH_MAX] = "";
	const char *second = text;
	size_t length = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/cmdline", pid);
	file = fopen(path, "re");
	if (file) {
		length = fread(text, 1, sizeof(text) - 1, file);
		(void)fclose(file);
	}
	second += strlen(text) + 1;
	(void)snprintf(argument, size, "%s", second < text + length ? second : "");
}

/* Whether a process was started with a configuration that a broker has written. */
static bool is_server(const char *pid, const char *runtime_dir)
{
	char prefix[sizeof(DNSMASQ_CONFIG_OPTION) + PATH_MAX], argument[2 * PATH_MAX];

	(void)snprintf(prefix, sizeof(prefix), DNSMASQ_CONFIG_OPTION "%s/", runtime_dir);
	read_argument(pid, argument, sizeof(argument));
	return strncmp(argument, prefix, strlen(prefix)) == 0 &&
	       has_suffix(argument, DNSMASQ_CONFIG_SUFFIX) && is_in_our_network(pid);
}

static int end_process(int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	if (poll(&end, 1, STOP_MSEC) > 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return poll(&end, 1, STOP_MSEC) > 0 ? 0 : -ETIMEDOUT;
}

static void end_server(const char *pid, const char *runtime_dir)
{
	/* Opened first: from then on the number cannot become another process's. */
	int pidfd = pidfd_open((pid_t)strtol(pid, NULL, 10), 0);

	if (pidfd < 0)
		return;
	if (is_server(pid, runtime_dir) && cleanup_begin("process %s, dnsmasq", pid))
		cleanup_end(end_process(pidfd));
	(void)close(pidfd);
}

void cleanup_servers(const char *runtime_dir)
{
	const struct dirent *entry;
	DIR *directory = opendir("/proc");
	char path[PATH_MAX];

	if (!directory) {
		cleanup_blind("processes", -errno);
		return;
	}
	/* They were started with a path without links. */
	if (realpath(runtime_dir, path))
		runtime_dir = path;
	while ((entry = readdir(directory)))
		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			end_server(entry->d_name, runtime_dir);
	(void)closedir(directory);
}

/* What files of a broker's are called, and how they start. */
static const struct record {
	const char *suffix;
	const char *start; /* NULL: a MAC address */
} records[] = {
	{ ".json", "{\n  \"config\": \"" },
	{ ".client", "{\"holds\":" },
	{ ".interface", "{\n  \"name\": " },
	{ DNSMASQ_CONFIG_SUFFIX, "# Made by vmnet-broker " },
	{ ".dnsmasq.pid", "" },
	{ ".resolv.conf", "server=" },
	{ ".hosts", NULL },
	{ ".names", "# Made by vmnet-broker " },
};

#define START_MAX 32

static bool starts_as(const struct record *record, char *text)
{
	struct mac_address mac;

	if (record->start)
		return strncmp(text, record->start, strlen(record->start)) == 0;
	text[strcspn(text, ",")] = '\0';
	return mac_address_parse(text, &mac) == 0;
}

/*
 * Whether a broker notes something in a file of that name, or was about to: others have files that
 * are called so, too. In one that is empty nothing is lost.
 */
static bool is_record(const char *directory, const char *name)
{
	char path[PATH_MAX], whole[NAME_MAX + 1];
	size_t length;
	char *text;
	bool found = false;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	(void)snprintf(whole, sizeof(whole), "%s", name);
	if (has_suffix(whole, FILE_NEW_SUFFIX))
		whole[strlen(whole) - strlen(FILE_NEW_SUFFIX)] = '\0';
	text = file_read(path, START_MAX, &length);
	for (size_t i = 0; i < ARRAY_SIZE(records) && text && !found; i++)
		found = has_suffix(whole, records[i].suffix) &&
			(length == 0 || starts_as(&records[i], text));
	free(text);
	return found;
}

void cleanup_records(const char *runtime_dir)
{
	const struct dirent *entry;
	DIR *directory = opendir(runtime_dir);

	if (!directory) {
		if (errno != ENOENT)
			cleanup_blind(runtime_dir, -errno);
		return;
	}
	while ((entry = readdir(directory)))
		if (is_record(runtime_dir, entry->d_name) &&
		    cleanup_begin("file %s/%s", runtime_dir, entry->d_name))
			cleanup_end(unlinkat(dirfd(directory), entry->d_name, 0) < 0 ? -errno : 0);
	(void)closedir(directory);
}
