/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network in the operating system.
 *
 * It is made in steps, and each step has its opposite:
 *
 *	1. addresses	chosen
 *	2. record	for the next broker: from here on nothing is lost by a crash
 *	3. bridge	with its addresses; from here on they are taken
 *	4. firewall	before anything can pass
 *	5. neighbours	other packet filters, which let its packets pass from here on
 *	6. uplink	where packets leave, if the configuration has a say in it
 *	7. forwarding	of shared networks
 *	8. dnsmasq	it needs all of the above to answer
 *	9. keeping	of the addresses, for the next life
 *
 * A network can do without 6 and 9: failing is its fault, and does not end it.
 *
 * Creation takes the steps in this order. One that fails has undone its own
 * part; those before it are undone backwards. Removal undoes all of them
 * backwards; what is not there is no error then, so that it does for what a
 * crashed broker left, too. Repair takes the steps again with the addresses
 * that are there: each finds out by itself whether something is missing. A
 * record that cannot be written does not keep the others from it.
 *
 * The steps run on the worker's thread, one network at a time. While one of
 * its jobs is under way (busy) the worker alone touches struct linux_network,
 * but for the members that are said to be the policy's. What is asked for
 * meanwhile is noted, and begun when the job is done.
 */
#include "network.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../log.h"
#include "addresses.h"
#include "bridge.h"
#include "dnsmasq.h"
#include "firewall.h"
#include "forwarding.h"
#include "link.h"
#include "linux.h"
#include "names.h"
#include "neighbours.h"
#include "ports.h"
#include "record.h"
#include "tap.h"
#include "uplink.h"
#include "worker.h"

/* How long a network that could not be repaired is left alone. */
#define RETRY_USEC ((uint64_t)5 * 1000 * 1000)

struct linux_network {
	struct job job; /* the one under way */
	char name[NETWORK_NAME_MAX + 1];
	struct network_config *config; /* NULL: a leftover of which nothing is known */
	struct network_addresses addresses;
	struct neighbour *neighbours;
	size_t n_neighbours;
	struct dnsmasq *dnsmasq; /* NULL: none runs */
	enum repair repair; /* of the job under way; REPAIR_NOTHING: it creates or removes */
	struct bridge bridge;
	struct error error; /* of the last step that failed */
	bool failed; /* to create it */
	struct error faults[N_FAULTS]; /* of the job that is done; code 0: none */

	/* The policy's. */
	struct network *network; /* NULL: a leftover */
	bool busy;
	enum repair repair_wanted;
	bool removal_wanted;
	enum repair remedy; /* of its faults, when it is tried again */
	int bridge_seen; /* its index, as of the last job that was done */
	sd_event_source *retry; /* on while there is a remedy */
};

struct step {
	int (*make)(struct linux_network *self);
	void (*unmake)(struct linux_network *self); /* NULL: nothing to undo */
	enum fault_kind fault; /* what failing is */
	bool can_wait; /* a network can be created without it */
	enum repair repair; /* the least that takes it again */
};

static struct linux_network *of_job(struct job *job)
{
	return (struct linux_network *)job;
}

static bool is_bridged(const struct linux_network *self)
{
	return self->config && self->config->mode == NETWORK_BRIDGED;
}

static bool is_routed(const struct linux_network *self)
{
	return !self->config || self->config->mode == NETWORK_SHARED;
}

/* What is left of one of which nothing is known may be of any kind. */
static bool is_led(const struct linux_network *self)
{
	return !self->config || uplink_of(self->config);
}

static bool is_served(const struct linux_network *self)
{
	return !is_bridged(self) && (self->config->dhcp || self->config->dns_proxy ||
				     self->config->router_advertisement);
}

/* Step 1: addresses */

static int make_addresses(struct linux_network *self)
{
	struct network_addresses *addresses = &self->addresses;

	if (self->repair)
		return 0;
	addresses->mtu = self->config->mtu < TAP_MTU_MAX ? self->config->mtu : TAP_MTU_MAX;
	if (is_bridged(self)) {
		(void)snprintf(addresses->bridge, sizeof(addresses->bridge), "%s",
			       self->config->external_interface);
		return 0;
	}
	bridge_name(self->name, addresses->bridge);
	return addresses_choose(self->config, self->neighbours, self->n_neighbours,
				linux_platform.options->state_dir, addresses, &self->error);
}

/* Step 2: record */

static int make_record(struct linux_network *self)
{
	int result =
		record_save(linux_platform.options->runtime_dir, self->config, &self->addresses);

	if (result < 0)
		return error_set(&self->error, ERROR_CREATE_FAILED,
				 "cannot write its record in %s: %s",
				 linux_platform.options->runtime_dir, strerror(-result));
	return 0;
}

static void unmake_record(struct linux_network *self)
{
	int result = record_remove(linux_platform.options->runtime_dir, self->name);

	if (result < 0)
		log_warning(self->name, "its record in %s cannot be removed: %s",
			    linux_platform.options->runtime_dir, strerror(-result));
}

/* Step 3: bridge */

static int make_bridge(struct linux_network *self)
{
	int result;

	if (is_bridged(self))
		result = bridge_find_host(&self->addresses, &self->bridge, &self->error);
	else
		result = bridge_make(self->config, &self->addresses, self->repair, &self->bridge,
				     &self->error);
	if (result == 0 && self->repair)
		result = bridge_join_ports(self->config, &self->addresses, &self->bridge,
					   &self->error);
	return result;
}

static void unmake_bridge(struct linux_network *self)
{
	if (!is_bridged(self))
		bridge_remove(self->name, &self->addresses, self->bridge.index);
}

/* Step 4: firewall */

static int make_firewall(struct linux_network *self)
{
	struct error ignored;

	if (is_bridged(self) || (self->repair == REPAIR_BRIDGE && !self->bridge.is_new))
		return 0;
	if (!self->repair && ports_check(self->config, &self->error) < 0)
		return -1;
	if (firewall_create(self->config, &self->addresses, &self->error) == 0)
		return 0;
	/* nftables may have taken it, and ended before it could say so. */
	if (!self->repair)
		(void)firewall_remove(self->name, &ignored);
	return -1;
}

static void unmake_firewall(struct linux_network *self)
{
	struct error error;

	if (!is_bridged(self) && firewall_remove(self->name, &error) < 0)
		log_warning(self->name, "its firewall cannot be removed: %s", error.reason);
}

/* Step 5: neighbours */

static int make_neighbours(struct linux_network *self)
{
	if (is_bridged(self) || (self->repair == REPAIR_BRIDGE && !self->bridge.is_new))
		return 0;
	if (neighbours_open(self->config, &self->addresses, &self->error) == 0)
		return 0;
	if (!self->repair)
		neighbours_close(self->name);
	return -1;
}

static void unmake_neighbours(struct linux_network *self)
{
	if (!is_bridged(self))
		neighbours_close(self->name);
}

/* Step 6: uplink */

static int make_uplink(struct linux_network *self)
{
	return is_led(self) ? uplink_open(self->config, &self->addresses, &self->error) : 0;
}

static void unmake_uplink(struct linux_network *self)
{
	int result = is_led(self) ? uplink_close(self->name, self->addresses.bridge) : 0;

	if (result < 0)
		log_warning(self->name, "its routing table cannot be removed: %s",
			    strerror(-result));
}

/* Step 7: forwarding */

static int make_forwarding(struct linux_network *self)
{
	if (!is_routed(self) || (self->repair == REPAIR_BRIDGE && !self->bridge.is_new))
		return 0;
	return forwarding_acquire(linux_platform.options->runtime_dir, self->addresses.bridge,
				  &self->error);
}

static void unmake_forwarding(struct linux_network *self)
{
	if (is_routed(self))
		forwarding_release(linux_platform.options->runtime_dir, self->addresses.bridge);
}

/* Step 8: dnsmasq */

/* One that was bound to another bridge of this name hears nothing any more. */
static bool is_dnsmasq_useless(const struct linux_network *self)
{
	if (!self->repair || self->bridge.is_new)
		return self->repair;
	if (!self->dnsmasq ||
	    !dnsmasq_has_lost_leases(self->dnsmasq, linux_platform.options->state_dir))
		return false;
	log_warning(self->name, "its leases were removed; its dnsmasq is started again");
	return true;
}

static int make_dnsmasq(struct linux_network *self)
{
	const struct options *options = linux_platform.options;

	if (!is_served(self))
		return 0;
	if (is_dnsmasq_useless(self)) {
		dnsmasq_stop(self->dnsmasq);
		if (!self->dnsmasq)
			dnsmasq_stop_leftover(self->name, options->runtime_dir);
		self->dnsmasq = NULL;
	}
	if (!self->dnsmasq)
		self->dnsmasq = dnsmasq_start(self->config, &self->addresses, options->state_dir,
					      options->runtime_dir, &self->error);
	return self->dnsmasq ? 0 : -1;
}

static void unmake_dnsmasq(struct linux_network *self)
{
	if (self->dnsmasq)
		dnsmasq_stop(self->dnsmasq);
	else
		dnsmasq_stop_leftover(self->name, linux_platform.options->runtime_dir);
	self->dnsmasq = NULL;
}

/* Step 9: keeping */

static int make_kept(struct linux_network *self)
{
	const char *state_dir = linux_platform.options->state_dir;
	int result = 0;

	if (!is_bridged(self))
		result = addresses_keep(state_dir, self->name, &self->addresses);
	if (result < 0)
		return error_set(&self->error, ERROR_CREATE_FAILED,
				 "its addresses cannot be kept in %s: %s", state_dir,
				 strerror(-result));
	return 0;
}

static const struct step steps[] = {
	{ make_addresses, NULL, FAULT_NETWORK, false, REPAIR_BRIDGE },
	{ make_record, unmake_record, FAULT_RECORDS, false, REPAIR_BRIDGE },
	{ make_bridge, unmake_bridge, FAULT_NETWORK, false, REPAIR_BRIDGE },
	{ make_firewall, unmake_firewall, FAULT_NETWORK, false, REPAIR_BRIDGE },
	{ make_neighbours, unmake_neighbours, FAULT_NETWORK, false, REPAIR_BRIDGE },
	{ make_uplink, unmake_uplink, FAULT_UPLINK, true, REPAIR_UPLINK },
	{ make_forwarding, unmake_forwarding, FAULT_NETWORK, false, REPAIR_BRIDGE },
	{ make_dnsmasq, unmake_dnsmasq, FAULT_SERVERS, false, REPAIR_BRIDGE },
	{ make_kept, NULL, FAULT_RECORDS, true, REPAIR_BRIDGE }, /* it is for the next life */
};

/* What looks again at that which such a fault is about. */
static const enum repair remedies[N_FAULTS] = {
	[FAULT_NETWORK] = REPAIR_EVERYTHING,
	[FAULT_SERVERS] = REPAIR_EVERYTHING,
	[FAULT_UPLINK] = REPAIR_UPLINK,
	[FAULT_RECORDS] = REPAIR_BRIDGE,
};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

/* Undoes the first n_steps, the last of them first. */
static void unmake(struct linux_network *self, size_t n_steps)
{
	while (n_steps-- > 0)
		if (steps[n_steps].unmake)
			steps[n_steps].unmake(self);
}

static void run_create(struct job *job)
{
	struct linux_network *self = of_job(job);

	for (size_t i = 0; i < N_STEPS; i++) {
		if (steps[i].make(self) == 0)
			continue;
		if (steps[i].can_wait) {
			self->faults[steps[i].fault] = self->error;
			continue;
		}
		self->failed = true;
		unmake(self, i);
		return;
	}
}

/* What is there stays when a step fails: machines use it. */
static void run_repair(struct job *job)
{
	struct linux_network *self = of_job(job);
	bool failed = false;

	for (size_t i = 0; i < N_FAULTS; i++)
		self->faults[i].code = ERROR_NONE;
	for (size_t i = 0; i < N_STEPS; i++) {
		const struct step *step = &steps[i];

		/* Each step needs those before it, but nothing needs a record or an uplink. */
		if (self->repair < step->repair || (failed && step->fault != FAULT_RECORDS) ||
		    step->make(self) == 0)
			continue;
		failed |= step->fault != FAULT_RECORDS && step->fault != FAULT_UPLINK;
		self->faults[step->fault] = self->error;
	}
}

static void run_remove(struct job *job)
{
	unmake(of_job(job), N_STEPS);
}

/* The policy's side */

static void free_network(struct linux_network *self)
{
	sd_event_source_disable_unref(self->retry);
	network_config_unref(self->config);
	free(self->neighbours);
	free(self);
}

static void submit(struct linux_network *self, void (*run)(struct job *),
		   void (*done)(struct job *))
{
	self->busy = true;
	self->job = (struct job){ .run = run, .done = done };
	worker_submit(&self->job);
}

static void remove_done(struct job *job)
{
	struct linux_network *self = of_job(job);
	struct network *network = self->network;

	free_network(self);
	if (network)
		broker_network_removed(network);
}

static void start_removal(struct linux_network *self)
{
	self->retry = sd_event_source_disable_unref(self->retry);
	if (self->dnsmasq)
		dnsmasq_unsupervise(self->dnsmasq);
	submit(self, run_remove, remove_done);
}

static void start_repair(struct linux_network *self);

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
	const struct linux_network *self = userdata;

	(void)source;
	(void)usec;
	network_repair(self->network, self->remedy);
	return 0;
}

/* What has to be tried again: REPAIR_NOTHING when all is well. Takes no memory. */
static void set_remedy(struct linux_network *self, enum repair remedy)
{
	self->remedy = remedy;
	(void)sd_event_source_set_time_relative(self->retry, RETRY_USEC);
	(void)sd_event_source_set_enabled(self->retry, remedy ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static void watch_dnsmasq(struct linux_network *self)
{
	char fault[128];
	int result = dnsmasq_supervise(self->dnsmasq, self->network);

	if (result >= 0)
		return;
	(void)snprintf(fault, sizeof(fault), "its dnsmasq and leases cannot be watched: %s",
		       strerror(-result));
	broker_network_fault(self->network, FAULT_SERVERS, fault);
	set_remedy(self, self->remedy ? self->remedy : REPAIR_BRIDGE);
}

/* Takes over what a job has found out. */
static void job_ended(struct linux_network *self)
{
	const int bridge = self->bridge.index;
	char name[IF_NAMESIZE];

	self->busy = false;
	/* Of a bridge that the job has made, notifications went by. */
	if (bridge && bridge != self->bridge_seen && !self->repair_wanted &&
	    !if_indextoname((unsigned int)bridge, name))
		self->repair_wanted = REPAIR_BRIDGE;
	self->bridge_seen = bridge;
	self->network->addresses = self->addresses;
}

/* Begins what was asked for during a job, or else watches what is there. */
static void settle(struct linux_network *self)
{
	if (self->busy)
		return;
	if (self->removal_wanted)
		start_removal(self);
	else if (self->repair_wanted)
		start_repair(self);
	else if (self->dnsmasq)
		watch_dnsmasq(self);
}

/* Says what a job could not do, or that all is well again. */
static void report(struct linux_network *self)
{
	enum repair remedy = REPAIR_NOTHING;

	for (size_t i = 0; i < N_FAULTS; i++) {
		bool failed = self->faults[i].code != ERROR_NONE;

		if (failed && remedies[i] > remedy)
			remedy = remedies[i];
		/* That servers are well is dnsmasq_supervise()'s to say. */
		if (failed || i != FAULT_SERVERS)
			broker_network_fault(self->network, (enum fault_kind)i,
					     failed ? self->faults[i].reason : NULL);
	}
	set_remedy(self, remedy);
}

static void repair_done(struct job *job)
{
	struct linux_network *self = of_job(job);

	job_ended(self);
	report(self);
	settle(self);
}

static void start_repair(struct linux_network *self)
{
	if (self->dnsmasq)
		dnsmasq_unsupervise(self->dnsmasq);
	/* Less than its faults take would only hide them. */
	self->repair = self->repair_wanted > self->remedy ? self->repair_wanted : self->remedy;
	self->repair_wanted = REPAIR_NOTHING;
	submit(self, run_repair, repair_done);
}

void network_repair(struct network *network, enum repair repair)
{
	struct linux_network *self = network->platform;

	if (network->state != NETWORK_ACTIVE)
		return;
	if (repair > self->repair_wanted)
		self->repair_wanted = repair;
	if (!self->busy)
		start_repair(self);
}

static void create_done(struct job *job)
{
	struct linux_network *self = of_job(job);
	struct network *network = self->network;

	if (!self->failed) {
		job_ended(self);
		report(self);
		broker_network_created(network, NULL);
		settle(self);
		return;
	}
	network->platform = NULL;
	broker_network_created(network, &self->error);
	free_network(self);
}

/* Copies of what the other networks of the configuration have. */
static int copy_neighbours(struct linux_network *self, const struct config *config)
{
	self->neighbours = calloc(config->n_networks + 1, sizeof(*self->neighbours));
	if (!self->neighbours)
		return -1;
	for (size_t i = 0; i < config->n_networks; i++) {
		const struct network_config *other = config->networks[i];
		struct neighbour *neighbour = &self->neighbours[self->n_neighbours];

		if (strcmp(other->name, self->name) == 0 || other->mode == NETWORK_BRIDGED)
			continue;
		memcpy(neighbour->name, other->name, sizeof(neighbour->name));
		neighbour->subnet = other->subnet;
		neighbour->prefix = other->ipv6_prefix;
		self->n_neighbours++;
	}
	return 0;
}

/* config: NULL, or taken over. */
static struct linux_network *new_network(const char *name, struct network_config *config)
{
	struct linux_network *self = calloc(1, sizeof(*self));
	int result;

	if (!self) {
		network_config_unref(config);
		return NULL;
	}
	(void)snprintf(self->name, sizeof(self->name), "%s", name);
	self->config = config;
	result = sd_event_add_time(linux_platform.event, &self->retry, CLOCK_MONOTONIC, 0, 0,
				   on_retry, self);
	if (result >= 0)
		result = sd_event_source_set_enabled(self->retry, SD_EVENT_OFF);
	if (result >= 0)
		return self;
	free_network(self);
	return NULL;
}

void platform_network_create(struct network *network)
{
	struct linux_network *self =
		new_network(network->config->name, network_config_ref(network->config));

	if (!self || copy_neighbours(self, network->broker->config) < 0) {
		if (self)
			free_network(self);
		linux_platform_refuse_later();
		return;
	}
	self->network = network;
	network->platform = self;
	submit(self, run_create, create_done);
}

void networks_refuse(struct broker *broker)
{
	struct error error;
	struct network *network = broker->networks;

	error_set(&error, ERROR_INTERNAL, "out of memory");
	while (network) {
		struct network *next = network->next;

		if (network->state == NETWORK_CREATING && !network->platform) {
			broker_network_created(network, &error);
			next = broker->networks; /* the answer may have changed the list */
		}
		network = next;
	}
}

void platform_network_remove(struct network *network)
{
	struct linux_network *self = network->platform;

	self->removal_wanted = true;
	if (!self->busy)
		start_removal(self);
}

struct network *network_adopt(struct broker *broker, struct network_config *config,
			      const struct network_addresses *addresses, int bridge)
{
	struct linux_network *self = new_network(config->name, network_config_ref(config));
	struct network *network =
		self ? broker_network_adopt(broker, config, addresses, self) : NULL;

	if (!network) {
		if (self)
			free_network(self);
		network_config_unref(config);
		return NULL;
	}
	self->network = network;
	self->addresses = *addresses;
	self->bridge.index = self->bridge_seen = bridge;
	network_repair(network, REPAIR_EVERYTHING);
	return network;
}

void network_remove_leftover(const char *name, struct network_config *config,
			     const struct network_addresses *addresses, int bridge)
{
	struct linux_network *self = new_network(name, config);

	if (!self) {
		log_warning(name, "what an earlier broker left stays: out of memory");
		return;
	}
	self->addresses = *addresses;
	if (!self->addresses.bridge[0])
		bridge_name(name, self->addresses.bridge);
	self->bridge.index = bridge;
	log_info(name, "removing what an earlier broker left");
	start_removal(self);
}

void network_has_machines(const struct network *network)
{
	const struct linux_network *self = network->platform;

	/* After a job it is asked for the interfaces that there are. */
	if (!self->busy && self->dnsmasq)
		dnsmasq_has_machines(self->dnsmasq);
}

int network_bridge(const struct network *network)
{
	const struct linux_network *self = network->platform;

	return self ? self->bridge_seen : 0;
}

bool network_has_port(const struct network *network, const struct link *link)
{
	return bridge_has_port(network->config, &network->addresses, network_bridge(network), link);
}

void networks_forget(struct broker *broker)
{
	for (struct network *network = broker->networks; network; network = network->next) {
		struct linux_network *self = network->platform;

		if (!self)
			continue;
		if (self->dnsmasq) {
			dnsmasq_unsupervise(self->dnsmasq);
			dnsmasq_forget(self->dnsmasq);
		}
		free_network(self);
		network->platform = NULL;
	}
}
