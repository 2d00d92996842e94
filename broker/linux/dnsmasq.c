/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's dnsmasq: start, adoption, supervision, end.
 *
 * It is a daemon of its own and not the broker's child, so that it outlives a
 * broker that crashes, and that the one that was found is watched just like the
 * one that was started: by a pidfd. When the process that was started has
 * exited, the daemon it has left has bound its sockets.
 *
 * An earlier broker's is adopted when it runs, and was started with just the
 * configuration that it would be started with now.
 */
#include "dnsmasq.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../log.h"
#include "dnsmasq_config.h"
#include "leases.h"
#include "linux.h"
#include "release.h"
#include "resolvers.h"
#include "worker.h"

/* How long a server may take to end before it is killed. */
#define STOP_MSEC 2000
/* A lease file is read when nothing has been written to it for so long. */
#define SETTLE_USEC ((uint64_t)50 * 1000)
/* The first pause before a restart; each failure doubles it, up to the last. */
#define FIRST_PAUSE_USEC ((uint64_t)100 * 1000)
#define LAST_PAUSE_USEC ((uint64_t)5 * 1000 * 1000)
/* A server that has run for so long starts over with the first pause. */
#define STEADY_USEC ((uint64_t)60 * 1000 * 1000)
#define MESSAGE_SIZE 1024
/* It reads the list of interfaces, and gives up when one goes meanwhile, as any machine's may. */
#define INTERFACE_WENT "failed to find list of interfaces"
#define START_TRIES 5
#define FILE_SIZE_MAX ((size_t)16 * 1024 * 1024)

struct dnsmasq {
	/* The worker's: constant while it is supervised, but for a restart. */
	char name[NETWORK_NAME_MAX + 1];
	struct dnsmasq_paths paths;
	char *config; /* its configuration file's text */
	int pidfd; /* -1: it does not run */

	/* The policy's. */
	struct network *network;
	struct restart *restart; /* under way */
	sd_event_source *end; /* of the process */
	sd_event_source *pause; /* before a restart */
	sd_event_source *changes; /* of the lease file */
	sd_event_source *settle;
	struct releasing *releasing; /* under way */
	struct resolvers_watch *resolvers; /* NULL: it asks none */
	uint64_t pause_usec;
	uint64_t started_usec;
};

/* A restart on the worker. Without its dnsmasq when nobody waits for it any more. */
struct restart {
	struct job job;
	struct dnsmasq *dnsmasq; /* the policy's to clear */
	struct dnsmasq *target;
	struct error error;
	bool failed;
};

/* Addresses being given up on the worker; without its dnsmasq as a restart is. */
struct releasing {
	struct job job;
	struct dnsmasq *dnsmasq; /* the policy's to clear */
	struct release *release;
	int result;
};

/* Files */

static void paths_clear(struct dnsmasq_paths *paths)
{
	free(paths->config);
	free(paths->pid);
	free(paths->leases);
	free(paths->resolvers);
	*paths = (struct dnsmasq_paths){ 0 };
}

static char *make_path(const char *directory, const char *network, const char *suffix)
{
	char *real = realpath(directory, NULL);
	char *path = NULL;

	if (real && asprintf(&path, "%s/%s%s", real, network, suffix) < 0)
		path = NULL;
	free(real);
	return path;
}

/* state_dir may be NULL: then leases are not set. */
static int paths_make(struct dnsmasq_paths *paths, const char *network, const char *state_dir,
		      const char *runtime_dir)
{
	paths->config = make_path(runtime_dir, network, ".dnsmasq.conf");
	paths->pid = make_path(runtime_dir, network, ".dnsmasq.pid");
	paths->leases = state_dir ? make_path(state_dir, network, ".leases") : NULL;
	paths->resolvers = make_path(runtime_dir, network, ".resolv.conf");
	if (paths->config && paths->pid && paths->resolvers && (paths->leases || !state_dir))
		return 0;
	paths_clear(paths);
	return -1;
}

/* Returns the file's text, terminated, for the caller to free, or NULL with errno. */
static char *read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "re");
	struct stat status;
	char *text = NULL;

	if (!file)
		return NULL;
	if (fstat(fileno(file), &status) == 0 && (size_t)status.st_size <= FILE_SIZE_MAX)
		text = malloc((size_t)status.st_size + 1);
	if (text) {
		*length = fread(text, 1, (size_t)status.st_size, file);
		text[*length] = '\0';
	}
	(void)fclose(file);
	return text;
}

static int write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");
	bool failed;

	if (!file)
		return -1;
	failed = fputs(text, file) < 0;
	return fclose(file) < 0 || failed ? -1 : 0;
}

/* dnsmasq may be another user by the time it reads it: what is in it is no secret. */
static int make_lease_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

/* Processes */

/* Whether a process is a dnsmasq that was started with this configuration file. */
static bool is_server(pid_t pid, const char *config_path)
{
	char path[sizeof("/proc//cmdline") + 3 * sizeof(pid)];
	char *argument;
	char *text;
	size_t length;
	FILE *file;
	bool found;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	file = fopen(path, "re");
	text = malloc(PATH_MAX + MESSAGE_SIZE);
	if (!file || !text) {
		free(text);
		if (file)
			(void)fclose(file);
		return false;
	}
	length = fread(text, 1, PATH_MAX + MESSAGE_SIZE - 1, file);
	text[length] = '\0';
	(void)fclose(file);
	argument = strchr(text, '\0') + 1;
	found = argument < text + length &&
		strncmp(argument, "--conf-file=", strlen("--conf-file=")) == 0 &&
		strcmp(argument + strlen("--conf-file="), config_path) == 0;
	free(text);
	return found;
}

/* Opens the server that the pid file names, if it runs. Returns its pidfd, or -1. */
static int find_server(const struct dnsmasq_paths *paths)
{
	size_t length;
	char *text = read_file(paths->pid, &length);
	long pid = text ? strtol(text, NULL, 10) : 0;
	int fd = -1;

	free(text);
	if (pid <= 0 || pid > INT_MAX)
		return -1;
	/* Opened first: from then on the number cannot become another process's. */
	fd = pidfd_open((pid_t)pid, 0);
	if (fd >= 0 && !is_server((pid_t)pid, paths->config)) {
		close(fd);
		fd = -1;
	}
	return fd;
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

/* Ends a server and closes its pidfd. */
static void end_server(const char *network, int pidfd)
{
	(void)pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
	if (!ends_within(pidfd, STOP_MSEC)) {
		log_warning(network, "its dnsmasq does not end; it is killed");
		(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
		(void)ends_within(pidfd, STOP_MSEC);
	}
	close(pidfd);
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

/* The broker's own signal mask is not for others. Returns 0 or an errno. */
static int spawn(const char *config_path, int error_fd, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char *argument = NULL;
	sigset_t none;
	int result;

	if (asprintf(&argument, "--conf-file=%s", config_path) < 0)
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
		result = posix_spawn_file_actions_adddup2(&actions, error_fd, STDERR_FILENO);
	if (!result)
		result = posix_spawnattr_setsigmask(&attributes, &none);
	if (!result)
		result = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (!result)
		result = posix_spawnp(pid, "dnsmasq", &actions, &attributes,
				      (char *[]){ "dnsmasq", argument, NULL }, environ);
	posix_spawnattr_destroy(&attributes);
out_actions:
	posix_spawn_file_actions_destroy(&actions);
out:
	free(argument);
	return result;
}

/* Starts the program, and waits until it has become a daemon. Returns 0, or -1 with error. */
static int run_program(const struct dnsmasq *self, struct error *error)
{
	char message[MESSAGE_SIZE];
	int fds[2];
	int status = 0;
	int result;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq cannot be started: %s",
				 strerror(errno));
	result = spawn(self->paths.config, fds[1], &pid);
	close(fds[1]);
	if (result) {
		close(fds[0]);
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq cannot be started: %s%s",
				 strerror(result),
				 result == ENOENT ? " (install the package dnsmasq-base)" : "");
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	read_message(fds[0], message, sizeof(message));
	close(fds[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		(void)snprintf(message, sizeof(message), "ended by signal %d", WTERMSIG(status));
	return error_set(error, ERROR_CREATE_FAILED, "dnsmasq cannot be started: %s",
			 message[0] ? message : "it does not say why");
}

/* The server */

/* Started as root it becomes somebody else, who is nobody in particular. */
static const char *server_user(void)
{
	if (geteuid() != 0)
		return NULL;
	return getpwnam("dnsmasq") ? "dnsmasq" : "nobody";
}

/* A host network has no outside to ask. */
static bool asks_resolvers(const struct network_config *config)
{
	return config->mode == NETWORK_SHARED && config->dns_proxy;
}

static bool has_config(const struct dnsmasq *self)
{
	size_t length;
	char *text = read_file(self->paths.config, &length);
	bool same = text && strcmp(text, self->config) == 0;

	free(text);
	return same;
}

static int launch(struct dnsmasq *self, struct error *error)
{
	if (write_file(self->paths.config, self->config) < 0 ||
	    make_lease_file(self->paths.leases) < 0)
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq's files: %s",
				 strerror(errno));
	for (int i = 1; run_program(self, error) < 0; i++)
		if (i == START_TRIES || !strstr(error->reason, INTERFACE_WENT))
			return -1;
	self->pidfd = find_server(&self->paths);
	if (self->pidfd < 0)
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq ended at once");
	return 0;
}

static void remove_files(const struct dnsmasq_paths *paths)
{
	(void)unlink(paths->pid);
	(void)unlink(paths->config);
	(void)unlink(paths->resolvers);
}

static struct dnsmasq *dnsmasq_new(const struct network_config *config,
				   const struct network_addresses *addresses, const char *state_dir,
				   const char *runtime_dir)
{
	struct dnsmasq *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	strcpy(self->name, config->name);
	self->pidfd = -1;
	self->pause_usec = FIRST_PAUSE_USEC;
	if (paths_make(&self->paths, config->name, state_dir, runtime_dir) == 0)
		self->config = dnsmasq_config(config, addresses, &self->paths, server_user());
	if (self->config)
		return self;
	dnsmasq_forget(self);
	return NULL;
}

struct dnsmasq *dnsmasq_start(const struct network_config *config,
			      const struct network_addresses *addresses, const char *state_dir,
			      const char *runtime_dir, struct error *error)
{
	struct dnsmasq *self = dnsmasq_new(config, addresses, state_dir, runtime_dir);
	int result = self && asks_resolvers(config) ? resolvers_copy(self->paths.resolvers) : 0;

	if (result < 0) {
		error_set(error, ERROR_CREATE_FAILED,
			  "the name servers in " RESOLVERS_SOURCE " cannot be passed on: %s",
			  strerror(-result));
		remove_files(&self->paths);
		dnsmasq_forget(self);
		return NULL;
	}
	if (!self) {
		error_set(error, ERROR_CREATE_FAILED, "dnsmasq's files in %s and %s: %s", state_dir,
			  runtime_dir, strerror(errno));
		return NULL;
	}
	self->pidfd = find_server(&self->paths);
	if (self->pidfd >= 0 && has_config(self))
		return self;
	if (self->pidfd >= 0)
		end_server(self->name, self->pidfd);
	self->pidfd = -1;
	if (launch(self, error) == 0)
		return self;
	/* One that was started, but not found for want of memory, must not stay. */
	self->pidfd = find_server(&self->paths);
	dnsmasq_stop(self);
	return NULL;
}

void dnsmasq_forget(struct dnsmasq *self)
{
	if (!self)
		return;
	if (self->pidfd >= 0)
		close(self->pidfd);
	paths_clear(&self->paths);
	free(self->config);
	free(self);
}

void dnsmasq_stop(struct dnsmasq *self)
{
	if (!self)
		return;
	if (self->pidfd >= 0)
		end_server(self->name, self->pidfd);
	self->pidfd = -1;
	remove_files(&self->paths);
	dnsmasq_forget(self);
}

void dnsmasq_stop_leftover(const char *network, const char *runtime_dir)
{
	struct dnsmasq_paths paths = { 0 };
	int pidfd;

	if (paths_make(&paths, network, NULL, runtime_dir) < 0)
		return;
	pidfd = find_server(&paths);
	if (pidfd >= 0)
		end_server(network, pidfd);
	remove_files(&paths);
	paths_clear(&paths);
}

/* Supervision: leases */

static void run_releasing(struct job *job)
{
	struct releasing *releasing = (struct releasing *)job;

	releasing->result = release_send(releasing->release);
}

static void releasing_done(struct job *job)
{
	struct releasing *releasing = (struct releasing *)job;
	struct dnsmasq *self = releasing->dnsmasq;

	if (self)
		self->releasing = NULL;
	if (self && releasing->result < 0)
		log_warning(self->name, "addresses of machines that have gone cannot be freed: %s",
			    strerror(-releasing->result));
	else if (self)
		log_debug(self->name, "freed the addresses of %d machines that have gone",
			  releasing->result);
	free(releasing->release);
	free(releasing);
}

/* Frees addresses when they are getting short; what was freed shows in the lease file. */
static void release_leases(struct dnsmasq *self, struct dhcp_lease *leases, size_t n_leases)
{
	struct releasing *releasing;
	struct release *release;

	if (self->releasing)
		return;
	release = release_plan(self->network, leases, n_leases);
	releasing = release ? calloc(1, sizeof(*releasing)) : NULL;
	if (!releasing) {
		free(release);
		return;
	}
	releasing->job.run = run_releasing;
	releasing->job.done = releasing_done;
	releasing->dnsmasq = self;
	releasing->release = release;
	self->releasing = releasing;
	worker_submit(&releasing->job);
}

static int read_leases(struct dnsmasq *self)
{
	struct dhcp_lease *leases = NULL;
	struct lease *list;
	size_t n_leases;
	size_t length;
	char *text = read_file(self->paths.leases, &length);
	int result = -1;

	if (!text || leases_parse(text, length, &leases, &n_leases) < 0 ||
	    leases_list(leases, n_leases, &list) < 0)
		goto out;
	broker_leases_changed(self->network, list);
	release_leases(self, leases, n_leases);
	result = 0;
out:
	free(leases);
	free(text);
	return result;
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dnsmasq *self = userdata;

	(void)source;
	(void)usec;
	if (read_leases(self) < 0)
		log_warning(self->name, "its leases in %s cannot be read: %s", self->paths.leases,
			    strerror(errno));
	return 0;
}

static int on_lease_file(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct dnsmasq *self = userdata;

	(void)source;
	(void)event;
	(void)sd_event_source_set_time_relative(self->settle, SETTLE_USEC);
	(void)sd_event_source_set_enabled(self->settle, SD_EVENT_ONESHOT);
	return 0;
}

/* Supervision: restarts */

static int watch_end(struct dnsmasq *self);

static void run_restart(struct job *job)
{
	struct restart *restart = (struct restart *)job;

	restart->failed = launch(restart->target, &restart->error) < 0;
}

static void plan_restart(struct dnsmasq *self)
{
	(void)sd_event_source_set_time_relative(self->pause, self->pause_usec);
	(void)sd_event_source_set_enabled(self->pause, SD_EVENT_ONESHOT);
	self->pause_usec *= 2;
	if (self->pause_usec > LAST_PAUSE_USEC)
		self->pause_usec = LAST_PAUSE_USEC;
}

static void restart_done(struct job *job)
{
	struct restart *restart = (struct restart *)job;
	struct dnsmasq *self = restart->dnsmasq;

	if (self) {
		self->restart = NULL;
		if (restart->failed || watch_end(self) < 0) {
			broker_network_fault(self->network, restart->error.reason);
			plan_restart(self);
		} else {
			log_info(self->name, "its dnsmasq was started again");
			broker_network_fault(self->network, NULL);
		}
	}
	free(restart);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dnsmasq *self = userdata;
	struct restart *restart = calloc(1, sizeof(*restart));

	(void)source;
	(void)usec;
	if (!restart) {
		plan_restart(self);
		return 0;
	}
	restart->job.run = run_restart;
	restart->job.done = restart_done;
	restart->dnsmasq = self;
	restart->target = self;
	self->restart = restart;
	worker_submit(&restart->job);
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct dnsmasq *self = userdata;
	uint64_t now = 0;

	(void)source;
	(void)events;
	self->end = sd_event_source_disable_unref(self->end);
	close(fd);
	self->pidfd = -1;
	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	if (now - self->started_usec > STEADY_USEC)
		self->pause_usec = FIRST_PAUSE_USEC;
	log_warning(self->name, "its dnsmasq has ended; it is started again");
	plan_restart(self);
	return 0;
}

static int watch_end(struct dnsmasq *self)
{
	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &self->started_usec);
	return sd_event_add_io(linux_platform.event, &self->end, self->pidfd, EPOLLIN, on_end,
			       self);
}

static int add_timer(sd_event_source **source, sd_event_time_handler_t handler,
		     struct dnsmasq *self)
{
	int r = sd_event_add_time_relative(linux_platform.event, source, CLOCK_MONOTONIC, 0, 0,
					   handler, self);

	return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_OFF);
}

int dnsmasq_supervise(struct dnsmasq *self, struct network *network)
{
	int r;

	self->network = network;
	r = add_timer(&self->pause, on_pause_over, self);
	if (r >= 0)
		r = add_timer(&self->settle, on_settled, self);
	if (r >= 0)
		r = sd_event_add_inotify(linux_platform.event, &self->changes, self->paths.leases,
					 IN_MODIFY, on_lease_file, self);
	/* It may have ended while nobody watched. */
	if (r >= 0 && self->pidfd < 0)
		plan_restart(self);
	else if (r >= 0)
		r = watch_end(self);
	if (r >= 0 && asks_resolvers(network->config))
		r = resolvers_watch_new(&self->resolvers, linux_platform.event, self->name,
					self->paths.resolvers);
	if (r < 0) {
		dnsmasq_unsupervise(self);
		return r;
	}
	/* What an earlier life has left. */
	return on_settled(self->settle, 0, self);
}

void dnsmasq_unsupervise(struct dnsmasq *self)
{
	if (self->restart)
		self->restart->dnsmasq = NULL;
	self->restart = NULL;
	if (self->releasing)
		self->releasing->dnsmasq = NULL;
	self->releasing = NULL;
	resolvers_watch_free(self->resolvers);
	self->resolvers = NULL;
	self->end = sd_event_source_disable_unref(self->end);
	self->pause = sd_event_source_disable_unref(self->pause);
	self->changes = sd_event_source_disable_unref(self->changes);
	self->settle = sd_event_source_disable_unref(self->settle);
	self->network = NULL;
}
