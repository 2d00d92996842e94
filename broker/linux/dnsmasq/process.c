/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start, search, end. dnsmasq says that it is ready to serve on standard error, or what keeps it
 * from that, and then waits on standard input for leave to serve.
 */
#include "process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/linux/linux.h"
#include "host/names.h"
#include "host/ports.h"
#include "starter.h"

/* How long a server may take to start or end before it is killed. */
#define START_MSEC 10000
#define STOP_MSEC 2000
#define MESSAGE_SIZE 1024
/* It reads the list of interfaces, and gives up when one goes meanwhile, as any machine's may. */
#define INTERFACE_WENT "failed to find list of interfaces"
#define START_TRIES 5

/* The address and the reason follow. What else is taken is port 67, of any address. */
#define NO_NAME_SERVER "failed to create listening socket for "

/* Finds a line "NAME:\tNUMBER" in a file of /proc. */
static bool read_number(const char *path, const char *name, long *number)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(name);
	bool found = false;
	char line[256];

	while (file && !found && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			found = sscanf(line + length + 1, "%ld", number) == 1;
	if (file)
		(void)fclose(file);
	return found;
}

pid_t dnsmasq_process_id(int pidfd)
{
	char path[64];
	long pid;

	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	return read_number(path, "Pid", &pid) ? (pid_t)pid : -1;
}

/*
 * Others' processes are not looked at: one can look like a server, or keep
 * whoever looks waiting. An earlier version's ran as the broker's user.
 */
static bool is_of_server_user(pid_t pid)
{
	char path[64];
	long uid;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return read_number(path, "Uid", &uid) &&
	       ((uid_t)uid == linux_platform.dnsmasq.uid || (uid_t)uid == geteuid());
}

/* Whether a process is a dnsmasq that was started with this configuration file. */
static bool is_server(pid_t pid, const char *config_path)
{
	static const char option[] = DNSMASQ_CONFIG_OPTION;
	char path[sizeof("/proc//cmdline") + 3 * sizeof(pid)];
	char text[MESSAGE_SIZE + PATH_MAX] = "";
	const char *argument;
	size_t length;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	argument = text + strlen(text) + 1;
	return argument < text + length && strncmp(argument, option, strlen(option)) == 0 &&
	       strcmp(argument + strlen(option), config_path) == 0;
}

/* Returns a pidfd, or -1 when it is no such server. */
static int open_server(long pid, const struct dnsmasq_files *files)
{
	int fd;

	if (pid <= 0 || pid > INT_MAX)
		return -1;
	/* Opened first: from then on the number cannot become another process's. */
	fd = pidfd_open((pid_t)pid, 0);
	if (fd >= 0 && (!is_of_server_user((pid_t)pid) || !is_server((pid_t)pid, files->config))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int dnsmasq_process_find(const struct dnsmasq_files *files)
{
	size_t length;
	char *text = dnsmasq_file_read(files->pid, &length);
	long pid = text ? strtol(text, NULL, 10) : 0;

	free(text);
	return open_server(pid, files);
}

static bool ends_within(int pidfd, int msec)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int result;

	do {
		result = poll(&end, 1, msec);
	} while (result < 0 && errno == EINTR);
	return result > 0;
}

static void send_signal(int pidfd, int number)
{
	if (pidfd_send_signal(pidfd, number, NULL, 0) < 0 && errno == EPERM)
		(void)starter_signal(pidfd, number);
}

void dnsmasq_process_ask_to_end(int pidfd)
{
	send_signal(pidfd, SIGTERM);
}

void dnsmasq_process_end(const char *network, int pidfd)
{
	dnsmasq_process_ask_to_end(pidfd);
	if (!ends_within(pidfd, STOP_MSEC)) {
		log_warning(network, "its dnsmasq does not end; it is killed");
		send_signal(pidfd, SIGKILL);
		(void)ends_within(pidfd, STOP_MSEC);
	}
	close(pidfd);
}

int dnsmasq_process_end_lost(const char *network, const struct dnsmasq_files *files)
{
	const struct dirent *entry;
	DIR *directory = opendir("/proc");
	int n = 0;

	while (directory && (entry = readdir(directory))) {
		int pidfd = open_server(strtol(entry->d_name, NULL, 10), files);

		if (pidfd >= 0) {
			dnsmasq_process_end(network, pidfd);
			n++;
		}
	}
	if (directory)
		(void)closedir(directory);
	return n;
}

/* What it says on its way as one line, without its own name. */
static void tidy_message(char *message)
{
	char *text = message + strspn(message, "\n");

	if (strncmp(text, "dnsmasq: ", strlen("dnsmasq: ")) == 0)
		text += strlen("dnsmasq: ");
	memmove(message, text, strlen(text) + 1);
	message[strcspn(message, "\n")] = '\0';
	if (!message[0])
		strcpy(message, "it does not say why");
}

/* Reads what it says until it serves, which returns true, or ends. */
static bool serves(int fd, char message[MESSAGE_SIZE])
{
	struct pollfd said = { .fd = fd, .events = POLLIN };
	size_t length = 0;
	ssize_t n = 1;

	while (n > 0 && length < MESSAGE_SIZE - 1 && !memchr(message, '\0', length)) {
		int result = poll(&said, 1, START_MSEC);

		if (result < 0 && errno == EINTR)
			continue;
		n = result > 0 ? read(fd, message + length, MESSAGE_SIZE - 1 - length) : 0;
		if (n > 0)
			length += (size_t)n;
	}
	message[length] = '\0';
	return strlen(message) < length;
}

/* Nobody listens where the broker asks, or not for long, when systemd has given the socket up. */
static const char *remedy(int result)
{
	return result == -ECONNREFUSED || result == -ECONNRESET
		       ? " (\"systemctl start vmnet-broker-dnsmasq.socket\" mends it)"
		       : "";
}

static void end_at_once(int pidfd)
{
	(void)starter_signal(pidfd, SIGKILL);
	(void)ends_within(pidfd, STOP_MSEC);
	(void)close(pidfd);
}

void dnsmasq_process_abandon(struct dnsmasq_start *start)
{
	if (start->said >= 0)
		(void)close(start->said);
	if (start->leave >= 0)
		(void)close(start->leave);
	*start = DNSMASQ_NOT_STARTING;
}

/* Both directions, of which the server gets the other ends. */
static int open_pipes(struct dnsmasq_start *start, int ends[2])
{
	int said[2];
	int leave[2];

	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(leave, O_CLOEXEC) < 0) {
		int result = -errno;

		(void)close(said[0]);
		(void)close(said[1]);
		return result;
	}
	*start = (struct dnsmasq_start){ .said = said[0], .leave = leave[1] };
	ends[0] = leave[0];
	ends[1] = said[1];
	return 0;
}

/* Asks for the process. Returns its pidfd, or a negative errno. */
static int ask_for_process(const struct dnsmasq_files *files, struct dnsmasq_start *start,
			   pid_t *pid)
{
	int ends[2] = { -1, -1 };
	int pidfd = open_pipes(start, ends);

	if (pidfd < 0)
		return pidfd;
	pidfd = starter_start(files->config, files->leases, ends[0], ends[1], pid);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return pidfd;
}

/*
 * Returns a pidfd, or -1, when start has something to read or message has the
 * reason: one that ended before anybody had hold of it has said why.
 */
static int begin(const struct dnsmasq_files *files, struct dnsmasq_start *start,
		 char message[MESSAGE_SIZE])
{
	pid_t pid;
	int pidfd = ask_for_process(files, start, &pid);
	int result;

	if (pidfd == -ESRCH)
		return -1;
	if (pidfd < 0) {
		(void)snprintf(message, MESSAGE_SIZE, "%s%s", strerror(-pidfd), remedy(pidfd));
		dnsmasq_process_abandon(start);
		return -1;
	}
	result = dnsmasq_files_write_pid(files, pid);
	if (result == 0)
		return pidfd;
	(void)snprintf(message, MESSAGE_SIZE, "%s: %s", files->pid, strerror(-result));
	dnsmasq_process_abandon(start);
	end_at_once(pidfd);
	return -1;
}

/* What begin() has left. Returns the pidfd, or -1 with the reason as one line. */
static int finish(int pidfd, struct dnsmasq_start *start, char message[MESSAGE_SIZE])
{
	bool does_serve;

	if (start->said < 0)
		return -1;
	/* When it has ended it has said why. */
	(void)!write(start->leave, "", 1);
	does_serve = serves(start->said, message);
	dnsmasq_process_abandon(start);
	if (does_serve && pidfd >= 0)
		return pidfd;
	if (pidfd >= 0)
		end_at_once(pidfd);
	tidy_message(message);
	return -1;
}

/* As the kernel lists it; "" when the message names none. */
static void read_address(const char *message, char listed[sizeof(LISTED_ANY_IPV6)])
{
	const char *start = strstr(message, NO_NAME_SERVER);
	char text[INET6_ADDRSTRLEN] = "";
	uint32_t words[4];

	listed[0] = '\0';
	if (!start || sscanf(start + strlen(NO_NAME_SERVER), "%45[0-9a-f.:]", text) != 1)
		return;
	text[strlen(text) - 1] = '\0'; /* the colon before the reason */
	if (inet_pton(AF_INET, text, words) == 1)
		(void)snprintf(listed, sizeof(LISTED_ANY_IPV6), "%08X", words[0]);
	else if (inet_pton(AF_INET6, text, words) == 1)
		(void)snprintf(listed, sizeof(LISTED_ANY_IPV6), "%08X%08X%08X%08X", words[0],
			       words[1], words[2], words[3]);
}

/* address: as it is listed; "" for any. Servers of other networks share port 67. */
static bool is_rival(const struct listed_socket *socket, const void *address)
{
	if (socket->uid == linux_platform.dnsmasq.uid)
		return false;
	if (!*(const char *)address)
		return socket->port == 67 && socket->protocol == IPPROTO_UDP;
	return socket->port == 53 && (strcmp(socket->address, address) == 0 ||
				      strspn(socket->address, "0") == strlen(socket->address));
}

/* Adds who has the port that it wants. */
static void add_rival(char message[MESSAGE_SIZE])
{
	char address[sizeof(LISTED_ANY_IPV6)];
	size_t length = strlen(message);
	struct listed_socket socket;
	char owner[128];

	if (!strstr(message, strerror(EADDRINUSE)))
		return;
	read_address(message, address);
	if (!ports_find_any(is_rival, address, &socket))
		return;
	(void)ports_describe_owner(&socket, owner, sizeof(owner));
	(void)snprintf(message + length, MESSAGE_SIZE - length, "; %s has port %u", owner,
		       socket.port);
}

int dnsmasq_process_begin(const struct dnsmasq_files *files, struct dnsmasq_start *start)
{
	char message[MESSAGE_SIZE];
	int pidfd = begin(files, start, message);

	if (pidfd < 0)
		dnsmasq_process_abandon(start);
	return pidfd;
}

int dnsmasq_process_finish(const struct dnsmasq_files *files, int pidfd,
			   struct dnsmasq_start *start, struct error *error)
{
	char message[MESSAGE_SIZE];

	if (pidfd < 0)
		pidfd = begin(files, start, message);
	for (int i = 1; (pidfd = finish(pidfd, start, message)) < 0; i++) {
		if (i == START_TRIES || !strstr(message, INTERFACE_WENT)) {
			add_rival(message);
			return error_set(error, ERROR_CREATE_FAILED,
					 "dnsmasq cannot be started: %s", message);
		}
		pidfd = begin(files, start, message);
	}
	return pidfd;
}
