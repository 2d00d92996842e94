/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's life on macOS: the main queue, signals, idling, stopping.
 *
 * Everything runs on the main queue, which the main thread's run loop serves;
 * only vmnet's own calls, which may take their time, have queues beside it
 * (network.c).
 *
 * A network ends with the process that made it, even under running machines.
 * Being asked to stop, the broker therefore stays while a network is held,
 * until it is asked again, or launchd would soon kill it: then the networks'
 * addresses stay taken, perhaps until the Mac restarts. It stops in the order
 * of ownership: connections end, with them their holds, with those the
 * networks, and the loop is left when the last one has gone, or what is left
 * hangs in vmnet.
 */
#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xpc/xpc.h>

#include "base/array.h"
#include "base/log.h"
#include "darwin.h"
#include "network.h"
#include "xpc.h"

/* How long the first client may take to connect. */
#define START_SECONDS 5

/*
 * How long networks in use keep a broker that was asked to stop. With twice the
 * time after which a call of vmnet counts as hanging, for one network that is
 * just being made, and then removed, this is 5 s less than ExitTimeOut in
 * data/com.github.nirs.vmnet-broker.plist, after which launchd kills.
 */
#define STAY_SECONDS 20

struct darwin_platform darwin_platform;

const struct options platform_defaults = {
	.config = "/etc/vmnet-broker/networks.json",
	.state_dir = "/var/db/vmnet-broker",
	.idle_exit = 30,
};

static dispatch_source_t end_timer; /* when the broker stops by itself */
static bool busy; /* launchd has been told so */
static bool asked_to_stop;
static bool stopping;

void platform_random(void *bytes, size_t size)
{
	arc4random_buf(bytes, size);
}

/* Sources */

dispatch_source_t source_start(dispatch_source_type_t type, uintptr_t handle,
			       dispatch_block_t handler)
{
	dispatch_source_t source =
		dispatch_source_create(type, handle, 0, dispatch_get_main_queue());

	if (!source)
		return NULL;
	dispatch_source_set_event_handler(source, handler);
	dispatch_resume(source);
	return source;
}

void source_stop(dispatch_source_t source)
{
	if (!source)
		return;
	dispatch_source_cancel(source);
	dispatch_release(source);
}

static void set_end_timer(int64_t seconds)
{
	dispatch_source_set_timer(end_timer,
				  dispatch_time(DISPATCH_TIME_NOW, seconds * (int64_t)NSEC_PER_SEC),
				  DISPATCH_TIME_FOREVER, NSEC_PER_SEC / 10);
}

/* Stopping */

static void leave_if_done(void)
{
	if (stopping && !xpc_is_open() && broker_is_idle(darwin_platform.broker) &&
	    networks_all_hang())
		CFRunLoopStop(CFRunLoopGetMain());
}

static void stop(void)
{
	if (stopping)
		return;
	stopping = true;
	log_info(NULL, "stopping");
	xpc_stop();
}

void platform_xpc_closed(void)
{
	leave_if_done();
}

static bool is_held(void)
{
	for (const struct network *n = darwin_platform.broker->networks; n; n = n->next)
		if (n->holds)
			return true;
	return false;
}

static void log_who_holds(const struct network *network)
{
	char who[400] = "";

	for (const struct hold *hold = network->holds; hold; hold = hold->next_on_network) {
		const struct credentials *credentials = &hold->client->credentials;
		size_t length = strlen(who);

		/* A list that is cut is still a list. */
		(void)snprintf(who + length, sizeof(who) - length, "%s%s (pid %jd, uid %ju)",
			       length > 0 ? ", " : "", credentials->command,
			       (intmax_t)credentials->pid, (uintmax_t)credentials->uid);
	}
	if (who[0])
		log_warning(network->config->name,
			    "asked to stop, but it is used by %s; the broker stops when they are "
			    "done, or when asked again, or in %d s",
			    who, STAY_SECONDS);
}

static void on_stop_signal(void)
{
	if (!is_held() || asked_to_stop) {
		stop();
		return;
	}
	asked_to_stop = true;
	set_end_timer(STAY_SECONDS);
	for (const struct network *n = darwin_platform.broker->networks; n; n = n->next)
		log_who_holds(n);
}

/* Nobody can ask for that here. */
void platform_gone(const void *what)
{
	(void)what;
}

void platform_hold_ended(struct client *client, struct network *network)
{
	(void)client;
	(void)network;
	if (!asked_to_stop || is_held())
		return;
	/* Later: the policy is in the middle of something. */
	dispatch_async(dispatch_get_main_queue(), ^{
		if (!is_held())
			stop();
	});
}

static void on_reload_signal(void)
{
	struct error error;

	/* It logs what is wrong by itself. */
	(void)broker_reload(darwin_platform.broker, &error);
}

/* Idling */

/* least: seconds that it takes anyway. */
static void start_idling(int least)
{
	int given = darwin_platform.options->idle_exit;
	int64_t delay = given >= 0 ? given : platform_defaults.idle_exit;

	set_end_timer(delay < least ? least : delay);
}

static void on_end_timer(void)
{
	if (asked_to_stop) {
		stop();
		return;
	}
	if (!broker_is_idle(darwin_platform.broker) || networks_exist())
		return;
	log_debug(NULL, "nobody is connected any more");
	stop();
}

void platform_busy(void)
{
	if (!busy)
		xpc_transaction_begin();
	busy = true;
}

void platform_idle(void)
{
	/* What comes back from vmnet is still to be released in order. */
	if (busy && (stopping ? networks_all_hang() : !networks_exist())) {
		xpc_transaction_end();
		busy = false;
	}
	if (asked_to_stop)
		stop();
	if (stopping)
		leave_if_done();
	else if (!networks_exist())
		start_idling(0);
}

/* Starting */

static void on_signal(int number)
{
	if (number == SIGHUP)
		on_reload_signal();
	else
		on_stop_signal();
}

static void warn_of_root(void)
{
	if (geteuid() == 0)
		log_warning(NULL, "runs as root, for whom vmnet chooses other subnets, from "
				  "192.168.2.0/24 on; its service runs as _vmnetbroker");
}

int platform_run(struct broker *broker, const struct options *options)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	dispatch_source_t sources[ARRAY_SIZE(signals)] = { 0 };
	int status = EXIT_FAILURE;

	darwin_platform.broker = broker;
	darwin_platform.options = options;
	end_timer = source_start(DISPATCH_SOURCE_TYPE_TIMER, 0, ^{
		on_end_timer();
	});
	if (!end_timer)
		goto out;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		const int number = signals[i];

		/* A source only watches: what the signal does by itself comes first. */
		(void)signal(number, SIG_IGN);
		sources[i] = source_start(DISPATCH_SOURCE_TYPE_SIGNAL, (uintptr_t)number, ^{
			on_signal(number);
		});
		if (!sources[i])
			goto out;
	}
	if (xpc_start() < 0)
		goto out;
	warn_of_root();
	/* A message had the broker started, and is on its way. */
	start_idling(START_SECONDS);
	log_info(NULL, "ready");
	CFRunLoopRun();
	log_info(NULL, "stopped");
	/* A call that hangs has what the process's last handlers may want. */
	if (networks_exist())
		_exit(EXIT_SUCCESS);
	status = EXIT_SUCCESS;

out:
	if (status != EXIT_SUCCESS)
		log_error(NULL, "cannot start: out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		source_stop(sources[i]);
	source_stop(end_timer);
	return status;
}
