/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dnsmasq's process: start, search, end.
 *
 * When the program that was started has exited, the daemon it has left has
 * bound its sockets; what kept it from doing so it has said on standard error.
 */
#include "dnsmasq_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../log.h"
#include "confine.h"

/* How long a server may take to start or end before it is killed. */
#define START_MSEC 10000
#define STOP_MSEC 2000
#define MESSAGE_SIZE 1024
/* It reads the list of interfaces, and gives up when one goes meanwhile, as any machine's may. */
#define INTERFACE_WENT "failed to find list of interfaces"
#define START_TRIES 5
#define CONFIG_OPTION "--conf-file="

void dnsmasq_process_user(struct dnsmasq_user *user)
{
	const struct passwd *passwd = NULL;
	const struct group *group = NULL;

	*user = (struct dnsmasq_user){ 0 };
	if (geteuid() != 0)
		return;
	passwd = getpwnam("dnsmasq");
	if (!passwd)
		passwd = getpwnam("nobody");
	if (passwd)
		group = getgrgid(passwd->pw_gid);
	if (group) {
		(void)snprintf(user->name, sizeof(user->name), "%s", passwd->pw_name);
		(void)snprintf(user->group, sizeof(user->group), "%s", group->gr_name);
	}
}

/* Whether a process is a dnsmasq that was started with this configuration file. */
static bool is_server(pid_t pid, const char *config_path)
{
	static const char option[] = CONFIG_OPTION;
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

/*
 * Returns a pidfd, or -1 when it is no such server. Others' processes are not
 * looked at: one can look like a server, or keep whoever looks waiting.
 */
static int open_server(long pid, const struct dnsmasq_files *files)
{
	int fd;

	if (pid <= 0 || pid > INT_MAX)
		return -1;
	/* Opened first: from then on the number cannot become another process's. */
	fd = pidfd_open((pid_t)pid, 0);
	if (fd >= 0 &&
	    (pidfd_send_signal(fd, 0, NULL, 0) < 0 || !is_server((pid_t)pid, files->config))) {
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

void dnsmasq_process_end(const char *network, int pidfd)
{
	(void)pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
	if (!ends_within(pidfd, STOP_MSEC)) {
		log_warning(network, "its dnsmasq does not end; it is killed");
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
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

/* Reads what a program has said on its way, as one line without its own name. */
static void read_message(int fd, char *message, size_t size)
{
	ssize_t length = read(fd, message, size - 1);
	char *text = message;

	message[length > 0 ? length : 0] = '\0';
	text += strspn(text, "\n");
	if (strncmp(text, "dnsmasq: ", strlen("dnsmasq: ")) == 0)
		text += strlen("dnsmasq: ");
	memmove(message, text, strlen(text) + 1);
	message[strcspn(message, "\n")] = '\0';
}

struct spawning {
	const char *config_path;
	int error_fd;
	pid_t pid; /* gets set */
};

/*
 * The broker's signal mask and environment are not for others; and what is said
 * is said in English, which the broker knows. Returns 0 or an errno.
 */
static int spawn(void *spawning)
{
	struct spawning *self = spawning;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *argument = NULL;
	sigset_t none;
	int result;

	if (asprintf(&argument, CONFIG_OPTION "%s", self->config_path) < 0)
		return ENOMEM;
	result = posix_spawn_file_actions_init(&actions);
	if (result)
		goto out;
	result = posix_spawnattr_init(&attributes);
	if (result)
		goto out_actions;
	sigemptyset(&none);
	result = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (!result)
		result = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	if (!result)
		result = posix_spawn_file_actions_adddup2(&actions, self->error_fd, STDERR_FILENO);
	if (!result)
		result = posix_spawnattr_setsigmask(&attributes, &none);
	if (!result)
		result = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (!result)
		result = posix_spawnp(&self->pid, "dnsmasq", &actions, &attributes,
				      (char *[]){ "dnsmasq", argument, NULL },
				      (char *[]){ "LC_ALL=C", NULL });
	posix_spawnattr_destroy(&attributes);
out_actions:
	posix_spawn_file_actions_destroy(&actions);
out:
	free(argument);
	return result;
}

/* Waits for a program's end, which is soon. Returns its status as waitpid() has it. */
static int wait_for_end(pid_t pid)
{
	int pidfd = pidfd_open(pid, 0);
	int status = 0;

	if (pidfd >= 0 && !ends_within(pidfd, START_MSEC))
		(void)kill(pid, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* Returns 0 when the program has left a daemon, or -1 with the reason as one line. */
static int run_program(const char *config_path, char *message, size_t size)
{
	struct spawning spawning = { .config_path = config_path };
	int fds[2];
	int status;
	int result;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		(void)snprintf(message, size, "%s", strerror(errno));
		return -1;
	}
	spawning.error_fd = fds[1];
	result = confine_call(spawn, &spawning);
	close(fds[1]);
	if (result) {
		close(fds[0]);
		(void)snprintf(message, size, "%s%s", strerror(result),
			       result == ENOENT ? " (install the package dnsmasq-base)" : "");
		return -1;
	}
	status = wait_for_end(spawning.pid);
	read_message(fds[0], message, size);
	close(fds[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		(void)snprintf(message, size, "ended by signal %d", WTERMSIG(status));
	else if (!message[0])
		(void)snprintf(message, size, "it does not say why");
	return -1;
}

int dnsmasq_process_start(const struct dnsmasq_files *files, struct error *error)
{
	char message[MESSAGE_SIZE];
	int pidfd;

	for (int i = 1; run_program(files->config, message, sizeof(message)) < 0; i++)
		if (i == START_TRIES || !strstr(message, INTERFACE_WENT))
			return error_set(error, ERROR_CREATE_FAILED,
					 "dnsmasq cannot be started: %s", message);
	pidfd = dnsmasq_process_find(files);
	if (pidfd < 0)
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq ended at once");
	return pidfd;
}
