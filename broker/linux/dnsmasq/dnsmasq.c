/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's dnsmasq: start, adoption, supervision, end. Its process is process.c's, its
 * configuration config.c's, its leases lease_watch.c's.
 *
 * It is not the broker's child, so that it outlives a broker that crashes, and
 * that the one that was found is watched just like the one that was started: by
 * a pidfd. It is not the broker's equal either: see starter.c, and the one file
 * of its own, the leases, which is read as what comes from a machine is.
 *
 * An earlier broker's is adopted when it runs, and was started with just the
 * configuration that it would be started with now.
 */
#include "dnsmasq.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/container_of.h"
#include "base/file.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/shortage.h"
#include "broker/linux/timer.h"
#include "broker/linux/worker.h"
#include "config.h"
#include "files.h"
#include "lease_watch.h"
#include "leases.h"
#include "liveness.h"
#include "process.h"
#include "resolvers.h"
#include "starter.h"

/* The first pause before a restart; each failure doubles it, up to the last. */
#define FIRST_PAUSE_USEC ((uint64_t)100 * 1000)
#define LAST_PAUSE_USEC ((uint64_t)5 * 1000 * 1000)
/* A server that has run for so long starts over with the first pause. */
#define STEADY_USEC ((uint64_t)60 * 1000 * 1000)
/*
 * While there are machines, a server is looked at so often: within the second half of that time,
 * when others are, so that the loop wakes for all at once. Sooner when it seems to be stuck.
 */
#define LOOK_USEC ((uint64_t)5 * 1000 * 1000)
#define NEXT_LOOK_USEC ((uint64_t)1000 * 1000)
/* Looks in a row that find it stuck, until it is killed. */
#define STUCK_LOOKS 3U

/* The process and its files: the worker's, and constant while it is watched, but for a restart. */
struct server {
	char name[NETWORK_NAME_MAX + 1];
	struct ipv4_subnet subnet;
	struct dnsmasq_files files;
	char *config; /* its configuration file's text */
	int pidfd; /* -1: it does not run */
	struct dnsmasq_start start; /* until it may serve */
};

/* What the loop knows of it, which is nothing while a job of the network's is under way. */
struct watch {
	struct network *network;
	int bridge; /* the network's: its index */
	struct restart *restart; /* under way */
	sd_event_source *end; /* of the process */
	sd_event_source *pause; /* before a restart */
	struct lease_watch *leases;
	struct resolvers_watch *resolvers; /* NULL: it asks none */
	sd_event_source *look; /* at whether it serves, and leases; on while there are machines */
	struct liveness liveness; /* at the last look */
	unsigned int stuck; /* looks in a row that found it so */
	bool is_unread; /* it could not be told to read its files anew */
	uint64_t pause_usec;
	uint64_t started_usec;
};

struct dnsmasq {
	struct server server;
	struct watch watch;
};

/* A restart on the worker. Without its dnsmasq when nobody waits for it any more. */
struct restart {
	struct job job;
	struct dnsmasq *dnsmasq; /* the policy's to clear */
	struct server *target;
	struct error error;
	bool failed;
};

/* The server */

static void tell_to_read(struct dnsmasq *self)
{
	self->watch.is_unread = starter_signal(self->server.pidfd, SIGHUP) < 0;
}

/* A host network has no outside to ask. */
static bool asks_resolvers(const struct network_config *config)
{
	return config->mode == NETWORK_SHARED && config->dns_proxy;
}

/*
 * With leases of a subnet that it had before, or with too many, a server may not even start; and
 * those that another clock has ended are forgotten.
 */
static void prepare_leases(const struct server *self)
{
	size_t length;
	char *text = dnsmasq_file_read(self->files.leases, &length);
	struct timespec now = { 0 };
	char *prepared;
	int result = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	prepared = text ? leases_prepare(text, length, &self->subnet, now.tv_sec) : NULL;
	if (prepared && strcmp(prepared, text) != 0)
		result = file_replace(self->files.leases, prepared, 0);
	if (result < 0)
		log_warning(self->name, "its former leases in %s cannot be brought up to date: %s",
			    self->files.leases, strerror(-result));
	free(prepared);
	free(text);
}

static int write_files(struct server *self, struct error *error)
{
	int result;

	prepare_leases(self);
	result = dnsmasq_files_write(&self->files, self->config, linux_platform.dnsmasq.gid);
	if (result < 0)
		return error_set(error, ERROR_CREATE_FAILED, "dnsmasq's files: %s",
				 strerror(-result));
	return 0;
}

static int finish(struct server *self, struct error *error)
{
	self->pidfd = dnsmasq_process_finish(&self->files, self->pidfd, &self->start, error);
	return self->pidfd < 0 ? -1 : 0;
}

static int launch(struct server *self, struct error *error)
{
	return write_files(self, error) < 0 ? -1 : finish(self, error);
}

static struct dnsmasq *dnsmasq_new(const struct network_config *config,
				   const struct network_addresses *addresses, const char *state_dir,
				   const char *runtime_dir)
{
	struct dnsmasq *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	strcpy(self->server.name, config->name);
	self->server.subnet = addresses->ipv4_subnet;
	self->server.pidfd = -1;
	self->server.start = DNSMASQ_NOT_STARTING;
	self->watch.pause_usec = FIRST_PAUSE_USEC;
	if (dnsmasq_files_init(&self->server.files, config->name, state_dir, runtime_dir) == 0)
		self->server.config = dnsmasq_config(config, addresses, &self->server.files);
	if (self->server.config)
		return self;
	dnsmasq_forget(self);
	return NULL;
}

struct dnsmasq *dnsmasq_begin(const struct network_config *config,
			      const struct network_addresses *addresses, const char *state_dir,
			      const char *runtime_dir, struct error *error)
{
	struct dnsmasq *self = dnsmasq_new(config, addresses, state_dir, runtime_dir);
	int result =
		self && asks_resolvers(config) ? resolvers_copy(self->server.files.resolvers) : 0;

	if (result < 0) {
		error_set(error, ERROR_CREATE_FAILED,
			  "the name servers in " RESOLVERS_SOURCE " cannot be passed on: %s",
			  strerror(-result));
		dnsmasq_files_remove(&self->server.files);
		dnsmasq_forget(self);
		return NULL;
	}
	if (!self) {
		error_set(error, ERROR_CREATE_FAILED, "dnsmasq's files in %s and %s: %s", state_dir,
			  runtime_dir, strerror(errno));
		return NULL;
	}
	self->server.pidfd = dnsmasq_process_find(&self->server.files);
	if (self->server.pidfd >= 0 &&
	    dnsmasq_files_have(&self->server.files, self->server.config)) {
		/* Also when an earlier broker has copied them, and ended before it told. */
		if (asks_resolvers(config))
			tell_to_read(self);
		return self;
	}
	if (self->server.pidfd >= 0)
		dnsmasq_process_end(self->server.name, self->server.pidfd);
	self->server.pidfd = -1;
	if (write_files(&self->server, error) < 0) {
		dnsmasq_stop(self);
		return NULL;
	}
	self->server.pidfd = dnsmasq_process_begin(&self->server.files, &self->server.start);
	return self;
}

int dnsmasq_finish(struct dnsmasq *self, struct error *error)
{
	struct server *server = &self->server;
	/* One that an earlier broker left serves already. */
	bool serves = server->pidfd >= 0 && server->start.said < 0;

	if (serves || finish(server, error) == 0)
		return 0;
	if (dnsmasq_process_end_lost(server->name, &server->files) > 0 &&
	    launch(server, error) == 0)
		return 0;
	dnsmasq_stop(self);
	return -1;
}

bool dnsmasq_lacks_bridge(const struct error *error)
{
	return strstr(error->reason, "unknown interface");
}

bool dnsmasq_has_lost_leases(const struct dnsmasq *self, const char *state_dir)
{
	return access(self->server.files.leases, F_OK) < 0 && errno == ENOENT &&
	       access(state_dir, F_OK) == 0;
}

void dnsmasq_forget(struct dnsmasq *self)
{
	if (!self)
		return;
	if (self->server.pidfd >= 0)
		close(self->server.pidfd);
	dnsmasq_files_clear(&self->server.files);
	free(self->server.config);
	free(self);
}

void dnsmasq_ask_to_end(const struct dnsmasq *self)
{
	if (self->server.pidfd >= 0)
		dnsmasq_process_ask_to_end(self->server.pidfd);
}

void dnsmasq_stop(struct dnsmasq *self)
{
	if (!self)
		return;
	dnsmasq_process_abandon(&self->server.start);
	if (self->server.pidfd >= 0)
		dnsmasq_process_end(self->server.name, self->server.pidfd);
	self->server.pidfd = -1;
	dnsmasq_files_remove(&self->server.files);
	dnsmasq_forget(self);
}

int dnsmasq_stop_leftover(const char *network, const char *runtime_dir)
{
	struct dnsmasq_files files = { 0 };
	int pidfd;

	if (dnsmasq_files_init(&files, network, NULL, runtime_dir) < 0)
		return -errno;
	pidfd = dnsmasq_process_find(&files);
	if (pidfd >= 0)
		dnsmasq_process_end(network, pidfd);
	else
		(void)dnsmasq_process_end_lost(network, &files);
	dnsmasq_files_remove(&files);
	dnsmasq_files_clear(&files);
	return 0;
}

/* Supervision: restarts */

static int watch_end(struct dnsmasq *self);

static void run_restart(struct job *job)
{
	struct restart *restart = container_of(job, struct restart, job);

	restart->failed = launch(restart->target, &restart->error) < 0;
}

static void plan_restart(struct dnsmasq *self)
{
	timer_set(self->watch.pause, self->watch.pause_usec);
	self->watch.pause_usec *= 2;
	if (self->watch.pause_usec > LAST_PAUSE_USEC)
		self->watch.pause_usec = LAST_PAUSE_USEC;
}

/* It reads them anew. One that is being started is told when it is watched. */
static void on_resolvers(void *userdata)
{
	struct dnsmasq *self = userdata;

	if (self->watch.end)
		tell_to_read(self);
}

void dnsmasq_reread(struct dnsmasq *self)
{
	on_resolvers(self);
}

/* Watches the one that a restart has made. One that cannot be watched is no use. */
static int take_over(struct dnsmasq *self, struct error *error)
{
	int result = watch_end(self);

	if (result >= 0)
		result = lease_watch_follow(self->watch.leases);
	if (result >= 0) {
		on_resolvers(self);
		return 0;
	}
	self->watch.end = sd_event_source_disable_unref(self->watch.end);
	(void)starter_signal(self->server.pidfd, SIGKILL);
	close(self->server.pidfd);
	self->server.pidfd = -1;
	return error_set(error, ERROR_CREATE_FAILED, "its dnsmasq cannot be watched: %s",
			 strerror(-result));
}

static void restart_done(struct job *job)
{
	struct restart *restart = container_of(job, struct restart, job);
	struct dnsmasq *self = restart->dnsmasq;

	if (self) {
		self->watch.restart = NULL;
		if (restart->failed || take_over(self, &restart->error) < 0) {
			broker_network_fault(self->watch.network, FAULT_SERVERS,
					     restart->error.reason);
			plan_restart(self);
		} else {
			log_info(self->server.name, "its dnsmasq was started again");
			broker_network_fault(self->watch.network, FAULT_SERVERS, NULL);
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
	if (!restart)
		shortage_end();
	restart->job.run = run_restart;
	restart->job.done = restart_done;
	restart->dnsmasq = self;
	restart->target = &self->server;
	self->watch.restart = restart;
	worker_submit(&network_worker, &restart->job);
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct dnsmasq *self = userdata;
	uint64_t now = 0;

	(void)source;
	(void)events;
	self->watch.end = sd_event_source_disable_unref(self->watch.end);
	close(fd);
	self->server.pidfd = -1;
	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	if (now - self->watch.started_usec > STEADY_USEC)
		self->watch.pause_usec = FIRST_PAUSE_USEC;
	log_warning(self->server.name, "its dnsmasq has ended; it is started again");
	plan_restart(self);
	return 0;
}

static int watch_end(struct dnsmasq *self)
{
	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &self->watch.started_usec);
	return sd_event_add_io(linux_platform.event, &self->watch.end, self->server.pidfd, EPOLLIN,
			       on_end, self);
}

/* Supervision: machines */

static void look_later(struct dnsmasq *self)
{
	(void)sd_event_source_set_time_accuracy(self->watch.look, LOOK_USEC / 2);
	timer_set(self->watch.look, LOOK_USEC / 2);
}

static void look_soon(struct dnsmasq *self)
{
	(void)sd_event_source_set_time_accuracy(self->watch.look, 0);
	timer_set(self->watch.look, NEXT_LOOK_USEC);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct dnsmasq *self = userdata;
	const struct network *network = self->watch.network;

	(void)source;
	(void)usec;
	if (!network->interfaces)
		return 0; /* the next one that is attached counts */
	/* While it is started again it is the worker's. */
	if (self->watch.end &&
	    liveness_is_lost(&self->watch.liveness, self->server.pidfd, self->watch.bridge,
			     network->addresses.ipv4_gateway))
		self->watch.stuck++;
	else
		self->watch.stuck = 0;
	if (self->watch.stuck == STUCK_LOOKS) {
		self->watch.stuck = 0;
		log_warning(self->server.name, "its dnsmasq has stopped serving; it is killed");
		(void)starter_signal(self->server.pidfd, SIGKILL);
	}
	if (self->watch.is_unread)
		on_resolvers(self);
	if (self->watch.end)
		lease_watch_look(self->watch.leases);
	if (self->watch.stuck > 0)
		look_soon(self);
	else
		look_later(self);
	return 0;
}

void dnsmasq_has_machines(struct dnsmasq *self)
{
	if (!self->watch.look)
		return;
	if (!timer_is_on(self->watch.look))
		look_later(self);
	/* The new one is given nothing that another has. */
	lease_watch_listen(self->watch.leases);
}

int dnsmasq_supervise(struct dnsmasq *self, struct network *network, int bridge, bool rereads,
		      const struct lease_owner *owner)
{
	int r;

	self->watch.network = network;
	self->watch.bridge = bridge;
	r = timer_add(linux_platform.event, &self->watch.pause, on_pause_over, self);
	if (r >= 0)
		r = lease_watch_new(&self->watch.leases, network, bridge, self->server.files.leases,
				    owner);
	if (r >= 0)
		r = timer_add(linux_platform.event, &self->watch.look, on_look, self);
	/* It may have ended while nobody watched. */
	if (r >= 0 && self->server.pidfd < 0)
		plan_restart(self);
	else if (r >= 0)
		r = watch_end(self);
	if (r >= 0 && asks_resolvers(network->config))
		r = resolvers_watch_new(&self->watch.resolvers, linux_platform.event,
					self->server.name, self->server.files.resolvers,
					on_resolvers, self);
	/* Last: the file may have been removed, and the server serves without it. */
	if (r >= 0)
		r = lease_watch_follow(self->watch.leases);
	if (network->interfaces)
		dnsmasq_has_machines(self);
	if (r < 0)
		return r;
	/* Before anything is asked for in the stead of machines. */
	if (rereads)
		on_resolvers(self);
	if (self->server.pidfd >= 0)
		broker_network_fault(network, FAULT_SERVERS, NULL);
	/* What an earlier life has left. */
	lease_watch_read(self->watch.leases);
	return 0;
}

const struct mac_address *dnsmasq_taken(const struct dnsmasq *self, struct in_addr address)
{
	return self->watch.leases ? lease_watch_taken(self->watch.leases, address) : NULL;
}

void dnsmasq_unsupervise(struct dnsmasq *self)
{
	if (self->watch.restart)
		self->watch.restart->dnsmasq = NULL;
	self->watch.restart = NULL;
	lease_watch_free(self->watch.leases);
	self->watch.leases = NULL;
	resolvers_watch_free(self->watch.resolvers);
	self->watch.resolvers = NULL;
	self->watch.end = sd_event_source_disable_unref(self->watch.end);
	self->watch.pause = sd_event_source_disable_unref(self->watch.pause);
	self->watch.look = sd_event_source_disable_unref(self->watch.look);
	self->watch.network = NULL;
}
