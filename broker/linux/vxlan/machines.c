/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the kernel is told, and asked whether all is still so. What is to be so is plan.c's; where
 * that differs from what is, a job for the worker (telling.c) makes up for it.
 */
#include "machines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "broker/linux/worker.h"
#include "plan.h"
#include "telling.h"

/* Whatever machines say, the worker is asked no more often. */
#define HEARD_USEC ((uint64_t)100 * 1000)

/* Within the second half of it, when something else is looked at. */
#define LOOK_USEC ((uint64_t)5 * 1000 * 1000)

/* The kernel forgets whom nobody has heard of for a minute, if it knows very many. */
#define CONFIRM_USEC ((uint64_t)30 * 1000 * 1000)

struct machines_job {
	struct telling telling;
	struct machines *machines; /* the policy's to clear */
	char name[NETWORK_NAME_MAX + 1];
};

struct machines {
	struct network *network;
	void (*on_brought)(struct interface *interface, struct in_addr address);
	struct elsewhere *elsewhere;
	int bridge;
	sd_event_source *tell;
	sd_event_source *look; /* whether all is still so */
	struct machines_job *job; /* under way */
	bool is_wanted; /* another one, when it is done */
	bool has_routes; /* those that there are were looked at */
	struct address_list routes; /* sorted */
	struct address_list given; /* the same, at the last time */
	uint64_t confirmed_usec;
};

/* Jobs */

static void telling_done(struct job *job);

/* Returns 0, and the changes are the job's, or -ENOMEM. */
static int submit(struct machines *self, struct change *changes, size_t n_changes)
{
	const struct network_addresses *addresses = &self->network->addresses;
	struct machines_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = (struct machines_job){
		.telling = {
			.job = { .run = telling_run, .done = telling_done },
			.bridge = self->bridge,
			.source = addresses->ipv4_gateway,
			.finds_routes = !self->has_routes,
			.changes = changes,
			.n_changes = n_changes,
		},
		.machines = self,
	};
	strcpy(job->name, self->network->config->name);
	self->job = job;
	worker_submit(&network_worker, &job->telling.job);
	return 0;
}

/* Has what is told last time be what this plan is; the changes are a job's. */
static void take_over(struct machines *self, struct plan *plan)
{
	address_list_clear(&self->given);
	address_list_clear(&self->routes);
	self->given = plan->given;
	self->routes = plan->routes;
	plan->given = plan->routes = (struct address_list){ 0 };
	plan->changes = NULL;
}

static void tell(struct machines *self)
{
	struct plan plan = {
		.network = self->network,
		.elsewhere = self->elsewhere,
		.on_brought = self->on_brought,
		.last_given = &self->given,
		.last_routes = &self->routes,
	};
	uint64_t now = 0;
	int result;

	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	plan.is_to_be_confirmed = now - self->confirmed_usec > CONFIRM_USEC;
	result = plan_make(&plan);
	if (plan.is_outdated)
		machines_changed(self);
	if (result == 0 && plan.n_changes)
		result = submit(self, plan.changes, plan.n_changes);
	if (result == 0) {
		take_over(self, &plan);
		if (plan.is_to_be_confirmed)
			self->confirmed_usec = now;
	}
	plan_clear(&plan);
}

static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct machines *self = userdata;

	(void)source;
	(void)usec;
	if (self->job)
		self->is_wanted = true;
	else if (self->bridge && !self->has_routes)
		(void)submit(self, NULL, 0);
	else if (self->bridge)
		tell(self);
	return 0;
}

static void end_telling(struct machines *self, struct machines_job *job)
{
	const bool found_routes = job->telling.finds_routes && job->telling.bridge == self->bridge;

	self->job = NULL;
	if (job->telling.result < 0) {
		/* What there is is not known: it is looked at anew, before long. */
		log_debug(job->name, "the kernel cannot be told of all of its machines: %s",
			  strerror(-job->telling.result));
		self->has_routes = false;
	} else if (found_routes) {
		address_list_clear(&self->routes);
		self->routes = job->telling.found;
		address_list_sort(&self->routes);
		job->telling.found = (struct address_list){ 0 };
		self->has_routes = true;
		self->is_wanted = true;
	}
	if (self->is_wanted)
		timer_set(self->tell, 0);
	self->is_wanted = false;
}

static void telling_done(struct job *job)
{
	struct machines_job *self = container_of(job, struct machines_job, telling.job);

	if (self->machines)
		end_telling(self->machines, self);
	address_list_clear(&self->telling.found);
	free(self->telling.changes);
	free(self);
}

static void look_later(struct machines *self)
{
	timer_set(self->look, LOOK_USEC / 2);
}

static int on_look(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct machines *self = userdata;

	(void)source;
	(void)usec;
	elsewhere_look(self->elsewhere);
	timer_set_unless_on(self->tell, 0);
	look_later(self);
	return 0;
}

static void on_heard(void *userdata)
{
	const struct machines *self = userdata;

	timer_set_unless_on(self->tell, HEARD_USEC);
}

struct machines *machines_new(struct network *network,
			      void (*on_brought)(struct interface *interface,
						 struct in_addr address),
			      elsewhere_entry_function *on_entry)
{
	struct machines *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->network = network;
	self->on_brought = on_brought;
	self->elsewhere = elsewhere_new(network, on_entry, on_heard, self);
	if (!self->elsewhere || timer_add(linux_platform.event, &self->tell, on_tell, self) < 0 ||
	    sd_event_source_set_time_accuracy(self->tell, 1) < 0 ||
	    timer_add(linux_platform.event, &self->look, on_look, self) < 0 ||
	    sd_event_source_set_time_accuracy(self->look, LOOK_USEC / 2) < 0) {
		machines_free(self);
		return NULL;
	}
	look_later(self);
	return self;
}

void machines_follow(struct machines *self, const struct elsewhere_links *links)
{
	int result = elsewhere_follow(self->elsewhere, links);

	if (result < 0)
		log_warning(self->network->config->name,
			    "what is told of its machines elsewhere cannot be heard: %s",
			    strerror(-result));
	/* Somebody may have removed some, or the bridge. */
	self->has_routes = false;
	self->bridge = links->bridge;
	timer_set(self->tell, 0);
}

void machines_changed(struct machines *self)
{
	timer_set(self->tell, 0);
}

const struct mac_address *machines_known(struct machines *self, const struct neighbour *wanted,
					 bool *is_elsewhere)
{
	const struct known *known = known_find(elsewhere_known(self->elsewhere), wanted);

	*is_elsewhere = known && known->place == KNOWN_ELSEWHERE;
	return known ? &known->neighbour.mac : NULL;
}

size_t machines_list_here(struct machines *self, struct neighbour *list, size_t max)
{
	const struct known *known = elsewhere_known(self->elsewhere)->here;
	size_t n = 0;

	for (; known && n < max; known = known->next_here)
		if (known->neighbour.family == AF_INET)
			list[n++] = known->neighbour;
	return n;
}

size_t machines_list_elsewhere(struct machines *self, struct neighbour *list, size_t max)
{
	const struct known_addresses *all = elsewhere_known(self->elsewhere);
	const struct ipv4_subnet *pool =
		network_pool(self->network->config, &self->network->addresses);
	size_t n = 0;

	for (size_t i = 0; i < all->n_buckets; i++)
		for (const struct known *known = all->buckets[i]; known && n < max;
		     known = known->next)
			if (known->place == KNOWN_ELSEWHERE && known->neighbour.family == AF_INET &&
			    ipv4_subnet_contains(pool, known->neighbour.address.ipv4))
				list[n++] = known->neighbour;
	return n;
}

bool machines_moved(struct machines *self, const struct mac_address *mac, struct in_addr *address)
{
	return known_ipv4(elsewhere_known(self->elsewhere), &self->network->addresses.ipv4_subnet,
			  mac, address);
}

void machines_free(struct machines *self)
{
	if (!self)
		return;
	if (self->job)
		self->job->machines = NULL;
	elsewhere_free(self->elsewhere);
	sd_event_source_disable_unref(self->tell);
	sd_event_source_disable_unref(self->look);
	address_list_clear(&self->routes);
	address_list_clear(&self->given);
	free(self);
}
