/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's life on Linux, in whose order its parts begin and end:
 *
 *	1. the socket, while the process may still make it anywhere
 *	2. privileges shrink, and the processes that start dnsmasq, look up users and run
 *	   nftables are made
 *	3. what an earlier broker left is adopted or removed
 *	4. clients are let in, also those it left, and leases read; system calls are confined,
 *	   systemd is told
 *	5. the loop runs until a signal, or until nobody has been there for a while
 *	6. nobody is let in any more; holds end unless a manager keeps their connections
 *	7. networks that nobody uses are removed, the others are the next broker's
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "accounts.h"
#include "base/log.h"
#include "broker/interface.h"
#include "broker/linux/dnsmasq/lease_watch.h"
#include "broker/linux/dnsmasq/process.h"
#include "broker/linux/dnsmasq/resolvers.h"
#include "broker/linux/dnsmasq/starter.h"
#include "broker/linux/firewall/rogue_counter.h"
#include "broker/linux/network/adopt.h"
#include "broker/linux/network/attach.h"
#include "broker/linux/network/capture.h"
#include "broker/linux/network/host_names.h"
#include "broker/linux/network/monitor.h"
#include "broker/linux/network/network.h"
#include "broker/linux/network/rules_monitor.h"
#include "broker/linux/varlink/connection.h"
#include "broker/linux/varlink/fdstore.h"
#include "broker/linux/varlink/listen.h"
#include "broker/linux/varlink/varlink.h"
#include "confine.h"
#include "fds.h"
#include "host/instance_lock.h"
#include "host/netlink_socket.h"
#include "host/nftables.h"
#include "linux.h"
#include "notify.h"
#include "privilege.h"
#include "shortage.h"
#include "status.h"
#include "subuids.h"
#include "timer.h"
#include "worker.h"

#define USEC_PER_SEC ((uint64_t)1000 * 1000)
/* As many descriptors may be on their way, too: see USERS_DESCRIPTORS. */
#define DESCRIPTORS 65536
/* More than all connections that there may be (LIMIT_CONNECTIONS) and as many networks take. */
#define DESCRIPTORS_COMMON 8192

const struct options platform_defaults = {
	.config = "/etc/vmnet-broker/networks.json",
	.socket = "/run/vmnet-broker/socket",
	.state_dir = "/var/lib/vmnet-broker",
	.runtime_dir = "/run/vmnet-broker",
	.idle_exit = 30,
};

struct linux_platform linux_platform;

static struct {
	struct listener listener;
	int idle_exit; /* seconds, -1: never */
	bool stopping;
	bool reloading; /* the administrator has asked for it */
	sd_event_source *idle; /* runs out when it is time to go */
	sd_event_source *rest; /* asked after every event while stopping */
	sd_event_source *signals[3];
} run;

void platform_random(void *bytes, size_t size)
{
	uint8_t *next = bytes;

	while (size > 0) {
		ssize_t n = getrandom(next, size, 0);

		if (n < 0 && errno != EINTR) {
			log_error(NULL, "the kernel gives no random bytes: %s", strerror(errno));
			abort();
		}
		if (n > 0) {
			next += n;
			size -= (size_t)n;
		}
	}
}

void platform_hold_ended(struct client *client, struct network *network)
{
	broker_interfaces_release(client, network);
}

void platform_fds_discard(struct interface_fds *fds)
{
	for (unsigned int i = 0; i < fds->n_tap; i++)
		worker_close(fds->tap[i]);
	for (unsigned int i = 0; i < fds->n_vhost; i++)
		worker_close(fds->vhost[i]);
	free(fds);
}

/* Going by itself */

static bool are_workers_idle(void)
{
	return worker_is_idle(&network_worker) && worker_is_idle(&attach_worker);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	if (!broker_is_idle(linux_platform.broker))
		return 0; /* the next time that it becomes so counts */
	if (varlink_has_calls() || !are_workers_idle()) {
		platform_idle();
		return 0;
	}
	log_info(NULL, "nobody needs a network; exiting");
	return sd_event_exit(linux_platform.event, EXIT_SUCCESS);
}

int64_t platform_now(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void platform_idle(void)
{
	if (run.idle_exit >= 0 && !run.stopping)
		timer_set(run.idle, (uint64_t)run.idle_exit * USEC_PER_SEC);
}

int64_t linux_platform_rogue_packets(const char *network)
{
	return rogue_packets(network);
}

/* Signals */

/* Nothing is left to be done. */
static int on_rest(sd_event_source *source, void *userdata)
{
	(void)source;
	(void)userdata;
	if (varlink_has_calls() || !are_workers_idle() || notify_is_pending())
		return 0;
	return sd_event_exit(linux_platform.event, EXIT_SUCCESS);
}

/*
 * Clients that a manager keeps are the next broker's. Else all holds end, and
 * what the last ones leave is removed; on_rest() sees the end of it.
 */
static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source;
	(void)userdata;
	if (run.stopping)
		return 0;
	run.stopping = true;
	log_info(NULL, "stopping (%s)", strsignal((int)info->ssi_signo));
	status_stop();
	notify("STOPPING=1");
	listener_remove(linux_platform.options, &run.listener);
	if (notify_has_manager())
		varlink_leave();
	else
		varlink_stop();
	(void)sd_event_source_set_enabled(run.rest, SD_EVENT_ON);
	return on_rest(run.rest, NULL);
}

static void on_names(void)
{
	struct error error;

	if (run.reloading) {
		run.reloading = false;
		/* It logs what is wrong by itself. */
		(void)broker_reload(linux_platform.broker, &error);
		notify("READY=1");
	}
	connections_reload();
	resolvers_keep_names(linux_platform.broker);
}

void linux_platform_reload(void)
{
	subuids_load(SUBUIDS_PATH);
	accounts_prepare(on_names);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct timespec now;
	char text[64];

	(void)source;
	(void)info;
	(void)userdata;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		       (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000);
	notify(text);
	run.reloading = true;
	linux_platform_reload();
	return 0;
}

static int block_signals(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	return sigprocmask(SIG_BLOCK, &set, NULL) < 0 ? -errno : 0;
}

static int prepare_loop(void)
{
	sd_event *event = NULL;
	int result = block_signals();

	if (result >= 0)
		result = sd_event_new(&event);
	linux_platform.event = event;
	notify_start(event);
	if (result >= 0)
		result = sd_event_add_signal(event, &run.signals[0], SIGTERM, on_stop, NULL);
	if (result >= 0)
		result = sd_event_add_signal(event, &run.signals[1], SIGINT, on_stop, NULL);
	if (result >= 0)
		result = sd_event_add_signal(event, &run.signals[2], SIGHUP, on_reload, NULL);
	if (result >= 0)
		result = sd_event_add_post(event, &run.rest, on_rest, NULL);
	if (result >= 0)
		result = sd_event_source_set_enabled(run.rest, SD_EVENT_OFF);
	if (result >= 0)
		result = timer_add(event, &run.idle, on_idle, NULL);
	if (result < 0)
		log_error(NULL, "cannot prepare the event loop: %s", strerror(-result));
	return result;
}

static void end_loop(void)
{
	for (size_t i = 0; i < sizeof(run.signals) / sizeof(run.signals[0]); i++)
		run.signals[i] = sd_event_source_disable_unref(run.signals[i]);
	run.idle = sd_event_source_disable_unref(run.idle);
	run.rest = sd_event_source_disable_unref(run.rest);
	status_stop();
	notify_stop();
	linux_platform.event = sd_event_unref(linux_platform.event);
}

static int failed(const char *what, int result)
{
	log_error(NULL, "cannot %s: %s", what, strerror(-result));
	return EXIT_FAILURE;
}

/* What was adopted for a client that could not go on after all. */
static void remove_unused(void)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		broker_network_check(network);
}

/* Before anybody is answered, and when those who monitor are there. */
static void recall_leases(void)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next)
		lease_watch_recall(network);
}

static int run_loop(void)
{
	int result = shortage_check(sd_event_loop(linux_platform.event));

	return result < 0 ? failed("run the event loop", result) : result;
}

/* From the first client that is let in to the last that is. */
static int serve(void)
{
	int result = varlink_start(run.listener.fd);

	if (result < 0)
		return failed("serve clients", result);
	remove_unused();
	resolvers_keep_names(linux_platform.broker);
	recall_leases();
	accounts_confine();
	result = confine_broker() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (result == EXIT_SUCCESS) {
		notify("READY=1");
		log_info(NULL, "serving");
		result = status_start(linux_platform.event);
	}
	if (result == EXIT_SUCCESS) {
		/* What an earlier broker could not switch off may be possible now. */
		monitor_look_around();
		if (broker_is_idle(linux_platform.broker))
			platform_idle();
		result = run_loop();
	}
	varlink_stop();
	return result;
}

static int with_workers(void)
{
	static const struct left_clients clients = {
		.list_networks = fdstore_list_networks,
		.hold = fdstore_holds,
		.have_named = fdstore_has_named,
	};
	int result = worker_start(&network_worker, linux_platform.event);

	if (result < 0)
		return failed("start a thread", result);
	result = worker_start(&attach_worker, linux_platform.event);
	if (result < 0) {
		worker_stop(&network_worker);
		return failed("start a thread", result);
	}
	fdstore_load(linux_platform.options->runtime_dir);
	resolvers_keep_names(linux_platform.broker);
	result = adopt(linux_platform.broker, &clients) < 0 ? EXIT_FAILURE : serve();
	worker_stop(&attach_worker);
	worker_stop(&network_worker);
	return result;
}

/* The monitor listens before the host is looked at, so that nothing is missed. */
static int work(void)
{
	int result = monitor_start();

	if (result < 0)
		return EXIT_FAILURE;
	if (rules_monitor_start() < 0) {
		monitor_stop();
		return EXIT_FAILURE;
	}
	result = with_workers();
	rules_monitor_stop();
	monitor_stop();
	host_names_stop();
	networks_forget(linux_platform.broker);
	interfaces_forget(linux_platform.broker);
	captures_forget(linux_platform.broker);
	resolvers_stop();
	return result;
}

/* Returns 0, or -1 after logging why the network namespace is another broker's. */
static int claim_namespace(void)
{
	const char *unknown;
	int result = instance_lock_claim(&unknown);

	if (unknown)
		log_warning(NULL, "whose the name @%s is cannot be told: %s", INSTANCE_LOCK_NAME,
			    unknown);
	switch (-result) {
	case 0:
		return 0;
	case EADDRINUSE:
		log_warning(NULL,
			    "a program that is no broker has taken the name @%s; going on without "
			    "it",
			    INSTANCE_LOCK_NAME);
		return 0;
	case EBUSY:
		log_error(NULL, "another broker works in this network namespace; stop it first");
		return -1;
	default:
		log_error(NULL, "cannot claim the network namespace: %s", strerror(-result));
		return -1;
	}
}

static int open_and_work(void)
{
	int result;

	if (claim_namespace() < 0)
		return EXIT_FAILURE;
	result = netlink_open();
	if (result < 0)
		return failed("talk to rtnetlink", result);
	result = work();
	netlink_close();
	return result;
}

__attribute__((noreturn)) static void end_without_nftables(void)
{
	log_error(NULL, "the process that runs nftables has ended or hangs, and the broker ends; "
			"the next one takes over");
	_exit(EXIT_FAILURE);
}

static int run_privileged(const struct options *options)
{
	int result;

	if (confine_start() < 0 || privilege_become_service(options, &linux_platform.dnsmasq) < 0)
		return EXIT_FAILURE;
	subuids_load(SUBUIDS_PATH);
	result = accounts_start();
	if (result < 0) {
		starter_stop();
		return failed("make a process that looks up users", result);
	}
	result = nftables_start(confine_broker, end_without_nftables);
	if (result < 0) {
		accounts_stop();
		starter_stop();
		return failed("make a process for nftables", result);
	}
	result = open_and_work();
	nftables_stop();
	accounts_stop();
	starter_stop();
	return result;
}

/* Most shells and service managers give 1024, as many as one user may have connections. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	/* With less, who comes too many has to wait. */
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Once there are threads, whoever needs a larger table waits for all processors, in the kernel. */
static void make_room_for_descriptors(void)
{
	int last = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, DESCRIPTORS_COMMON - 1);

	if (last >= 0)
		(void)close(last);
}

int platform_run(struct broker *broker, const struct options *options)
{
	int status = EXIT_FAILURE;

	linux_platform.broker = broker;
	linux_platform.options = options;
	/* Directories and the socket are for everybody; files are not, see privilege.c. */
	(void)umask(S_IWGRP | S_IWOTH);
	raise_descriptor_limit();
	make_room_for_descriptors();
	if (prepare_loop() >= 0 && listener_open(options, &run.listener) == 0) {
		run.idle_exit = options->idle_exit;
		if (run.idle_exit < 0 && run.listener.on_demand)
			run.idle_exit = platform_defaults.idle_exit;
		status = run_privileged(options);
		if (!run.stopping)
			listener_remove(options, &run.listener);
	}
	end_loop();
	return status;
}
