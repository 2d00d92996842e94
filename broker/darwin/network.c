/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's life in vmnet: it is made, runs, and ends. Each is called on a
 * queue of its own, as a call may take its time, or hang: then others are served
 * as far as vmnet lets them. What came of a call goes back to the main queue.
 *
 * vmnet ends a network's run with the last interface on it, and with the run
 * its reservations and forwarded ports for good, though the network lives; a
 * machine that starts again is enough. An interface of the broker's own, which
 * is neither read nor written, keeps it running.
 *
 * A call that hangs is still there after the policy has been told, and its
 * network was given up: what it brings when it comes back is released.
 */
#include "network.h"

#include <CoreFoundation/CoreFoundation.h>
#include <dispatch/dispatch.h>
#include <stdlib.h>
#include <string.h>
#include <vmnet/vmnet.h>

#include "addresses.h"
#include "base/log.h"
#include "configuration.h"
#include "darwin.h"
#include "host.h"

#define HANG_SECONDS 10

/* Said at once to whoever asks for a network for which vmnet hangs already. */
#define HANG_TEXT                                                                  \
	"vmnet has not answered for 10 s; if that goes on, only a restart of the " \
	"Mac helps"

/* All that vmnet has of a network: network->platform while that is active. */
struct run {
	struct run *next;
	struct network *network; /* NULL once the policy was told that vmnet hangs */
	struct network_config *config; /* counted */
	dispatch_queue_t queue; /* vmnet is called on it, and answers on it */
	dispatch_source_t watch; /* while vmnet is at it; NULL: memory is short */
	void (*answered)(struct run *run); /* on the main queue */
	bool hangs;
	/* From here on the queue's, while vmnet is at it. */
	struct address_request request;
	struct network_addresses addresses;
	struct error error; /* set when there is no interface after the creation */
	vmnet_network_ref vmnet; /* NULL: none */
	xpc_object_t serialization; /* NULL: none */
	interface_ref interface; /* the broker's own; NULL: none */
};

static struct run *runs;

bool networks_exist(void)
{
	return runs != NULL;
}

bool networks_all_hang(void)
{
	for (const struct run *run = runs; run; run = run->next)
		if (!run->hangs)
			return false;
	return true;
}

xpc_object_t network_serialization(const struct network *network)
{
	const struct run *run = network->platform;

	return run->serialization;
}

/* Runs */

static struct run *run_find(const char *name)
{
	for (struct run *run = runs; run; run = run->next)
		if (strcmp(run->config->name, name) == 0)
			return run;
	return NULL;
}

/* NULL with error when memory is short, or what is kept cannot be read for the moment. */
static struct run *run_new(struct network *network, struct error *error)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		goto no_memory;
	run->queue = dispatch_queue_create("vmnet", DISPATCH_QUEUE_SERIAL);
	if (!run->queue)
		goto no_memory;
	if (address_request_gather(network, &run->request, error) < 0)
		goto fail;
	run->network = network;
	run->config = network_config_ref(network->config);
	run->next = runs;
	runs = run;
	return run;

no_memory:
	error_set(error, ERROR_INTERNAL, "out of memory for network \"%s\"", network->config->name);
fail:
	if (run) {
		address_request_clear(&run->request);
		if (run->queue)
			dispatch_release(run->queue);
	}
	free(run);
	return NULL;
}

static void run_free(struct run *run)
{
	struct run **link = &runs;

	while (*link != run)
		link = &(*link)->next;
	*link = run->next;
	address_request_clear(&run->request);
	network_config_unref(run->config);
	dispatch_release(run->queue);
	free(run);
}

/* Watching */

/* The policy gives the network up, and tells who waits for it. */
static void on_hang(struct run *run)
{
	struct network *network = run->network;
	struct error error;

	run->hangs = true;
	run->network = NULL;
	if (!network)
		return;
	if (network->state == NETWORK_CREATING) {
		error_set(&error, ERROR_CREATE_FAILED, "%s", HANG_TEXT);
		broker_network_created(network, &error);
	} else {
		log_error(run->config->name, "cannot be removed: %s", HANG_TEXT);
		broker_network_removed(network);
	}
}

/* Has vmnet do something, on the run's queue, which ends with run_answer(). */
static void run_ask(struct run *run, void (*work)(struct run *run),
		    void (*answered)(struct run *run))
{
	run->answered = answered;
	run->watch = source_start(DISPATCH_SOURCE_TYPE_TIMER, 0, ^{
		on_hang(run);
	});
	if (run->watch)
		dispatch_source_set_timer(
			run->watch,
			dispatch_time(DISPATCH_TIME_NOW, HANG_SECONDS * (int64_t)NSEC_PER_SEC),
			DISPATCH_TIME_FOREVER, NSEC_PER_SEC / 10);
	dispatch_async(run->queue, ^{
		work(run);
	});
}

static void run_answer(struct run *run)
{
	dispatch_async(dispatch_get_main_queue(), ^{
		source_stop(run->watch);
		run->watch = NULL;
		if (run->hangs)
			log_info(run->config->name, "vmnet answers again");
		run->hangs = false;
		run->answered(run);
	});
}

/* Ending, on the run's queue */

static void let_go(struct run *run)
{
	if (run->serialization)
		xpc_release(run->serialization);
	if (run->vmnet)
		CFRelease(run->vmnet);
	run->serialization = NULL;
	run->vmnet = NULL;
	run->interface = NULL;
}

static void stopped(struct run *run, vmnet_return_t status)
{
	if (status != VMNET_SUCCESS)
		log_warning(run->config->name, "vmnet does not stop its interface: status %d",
			    (int)status);
	let_go(run);
	run_answer(run);
}

/* An interface keeps the network until it has stopped, which takes it about 90 ms. */
static void end(struct run *run)
{
	vmnet_return_t status =
		vmnet_stop_interface(run->interface, run->queue, ^(vmnet_return_t result) {
			stopped(run, result);
		});

	/* Then nothing else comes of it. */
	if (status != VMNET_SUCCESS)
		stopped(run, status);
}

/* Starting, on the run's queue */

static void started(struct run *run, vmnet_return_t status)
{
	if (status == VMNET_SUCCESS) {
		addresses_keep(run->config, &run->request, &run->addresses);
	} else {
		vmnet_error_set(&run->error, status, "does not run the network");
		let_go(run);
	}
	run_answer(run);
}

static void start_interface(struct run *run)
{
	xpc_object_t description = xpc_dictionary_create(NULL, NULL, 0);

	run->interface = vmnet_interface_start_with_network(
		run->vmnet, description, run->queue,
		^(vmnet_return_t status, xpc_object_t parameters) {
			(void)parameters;
			started(run, status);
		});
	xpc_release(description);
	if (!run->interface)
		started(run, VMNET_FAILURE);
}

static void start(struct run *run)
{
	vmnet_return_t status = VMNET_SUCCESS;

	if (host_check_ports(run->config, &run->error) < 0)
		goto out;
	run->vmnet = addresses_create(run->config, &run->request, &run->addresses, &run->error);
	if (!run->vmnet)
		goto out;
	run->serialization = vmnet_network_copy_serialization(run->vmnet, &status);
	if (run->serialization) {
		start_interface(run);
		return;
	}
	vmnet_error_set(&run->error, status, "does not serialize the network");

out:
	let_go(run);
	run_answer(run);
}

/* Answers, on the main queue */

static void on_end(struct run *run)
{
	struct network *network = run->network;

	run_free(run);
	if (network)
		broker_network_removed(network);
	else if (broker_is_idle(darwin_platform.broker))
		platform_idle();
}

static void on_start(struct run *run)
{
	struct network *network = run->network;
	const struct error error = run->error;

	if (network && run->interface) {
		network->platform = run;
		network->addresses = run->addresses;
		broker_network_created(network, NULL);
	} else if (network) {
		run_free(run);
		broker_network_created(network, &error);
	} else if (run->interface) {
		run_ask(run, end, on_end);
	} else {
		on_end(run);
	}
}

/* The policy's requests */

int platform_network_create(struct network *network)
{
	struct run *run = NULL;
	struct error error;

	/* One that the policy has given up, and vmnet has not. */
	if (run_find(network->config->name))
		error_set(&error, ERROR_CREATE_FAILED, "%s", HANG_TEXT);
	else
		run = run_new(network, &error);
	if (run) {
		log_debug(network->config->name, "asks vmnet for it");
		run_ask(run, start, on_start);
		return 0;
	}
	/* Later: the policy is in the middle of something. */
	dispatch_async(dispatch_get_main_queue(), ^{
		broker_network_created(network, &error);
	});
	return 0;
}

void platform_network_remove(struct network *network)
{
	run_ask(network->platform, end, on_end);
}
