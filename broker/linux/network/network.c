/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs for network_worker, one for a network at a time, and what comes of them. While one of its
 * jobs is under way (busy) the worker alone touches a network's parts. What is asked for meanwhile
 * is noted, and begun when the job is done.
 */
#include "network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "attach.h"
#include "base/array.h"
#include "base/container_of.h"
#include "base/log.h"
#include "broker/interface_options.h"
#include "broker/linux/dnsmasq/dnsmasq.h"
#include "broker/linux/dnsmasq/lease_watch.h"
#include "broker/linux/dnsmasq/taken.h"
#include "broker/linux/dnsmasq/zones.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "broker/linux/vxlan/machines.h"
#include "broker/linux/worker.h"
#include "broker/network.h"
#include "host/names.h"
#include "host_names.h"
#include "interface_record.h"

/* How long a network that could not be repaired is left alone. */
#define RETRY_USEC ((uint64_t)5 * 1000 * 1000)

struct linux_network {
	struct job job; /* the one under way */
	struct network_parts parts;
	bool failed; /* to make them */
	struct network *network; /* NULL: a leftover */
	bool busy;
	enum repair repair_wanted;
	bool removal_wanted;
	struct port_request *requests; /* for the next job */
	struct port_forwarding *left; /* the same */
	size_t n_left;
	enum repair remedy; /* of its faults, when it is tried again */
	bool is_unread; /* what interfaces have asked for may be other than dnsmasq knows */
	struct zones *zones; /* NULL: the network has none of other hosts */
	bool has_names; /* that dnsmasq is to read */
	int bridge_seen; /* the index of its bridge, as of the last job that was done */
	struct vxlan_devices vxlan_seen; /* the same */
	sd_event_source *retry; /* on while there is a remedy */
	struct machines *machines; /* NULL: it is on this host alone, or not active */
};

/* What looks again at that which such a fault is about. */
static const enum repair remedies[N_FAULTS] = {
	[FAULT_NETWORK] = REPAIR_EVERYTHING,
	[FAULT_SERVERS] = REPAIR_EVERYTHING,
	[FAULT_ROUTING] = REPAIR_ROUTING,
	[FAULT_RECORDS] = REPAIR_BRIDGE,
};

static struct linux_network *of_job(struct job *job)
{
	return container_of(job, struct linux_network, job);
}

static void run_create(struct job *job)
{
	struct linux_network *self = of_job(job);

	self->failed = network_parts_make(&self->parts) < 0;
}

static void run_repair(struct job *job)
{
	network_parts_repair(&of_job(job)->parts);
}

static void run_remove(struct job *job)
{
	struct network_parts *all[JOBS_AT_ONCE_MAX];
	size_t n = 0;

	for (; job; job = job->next)
		all[n++] = &of_job(job)->parts;
	network_parts_remove(all, n);
}

static void free_network(struct linux_network *self)
{
	sd_event_source_disable_unref(self->retry);
	machines_free(self->machines);
	zones_free(self->zones);
	network_config_unref(self->parts.config);
	free(self->parts.others);
	free(self->parts.ports);
	free(self->parts.left);
	free(self->left);
	free(self);
}

/* Appends to a list that grows. Returns 0, or -1 when memory is short. */
static int append_ports(struct port_forwarding **list, size_t *n,
			const struct port_forwarding *ports, size_t n_ports)
{
	struct port_forwarding *grown =
		n_ports ? reallocarray(*list, *n + n_ports, sizeof(*grown)) : *list;

	if (!n_ports)
		return 0;
	if (!grown)
		return -1;
	memcpy(grown + *n, ports, n_ports * sizeof(*ports));
	*list = grown;
	*n += n_ports;
	return 0;
}

/* With those of interfaces whose requests are to be looked at. */
static size_t count_asked(const struct network *network)
{
	size_t n = 0;

	for (const struct interface *i = network->interfaces; i; i = i->next)
		n += i->options.n_port_forwardings;
	return n;
}

/* The list of what the network forwards now. Without memory for it the last one stays. */
static void list_ports(struct linux_network *self, size_t n_asked)
{
	struct network_parts *parts = &self->parts;
	const struct network_config *config = parts->config;
	struct port_forwarding *ports =
		calloc(config->n_port_forwardings + n_asked, sizeof(*ports));
	size_t n = config->n_port_forwardings;

	if (!ports) {
		for (struct port_request *request = parts->requests; request;
		     request = request->next)
			(void)error_set(&request->error, ERROR_INTERNAL,
					"out of memory for forwarded ports");
		return;
	}
	if (n)
		memcpy(ports, config->port_forwardings, n * sizeof(*ports));
	for (const struct interface *i = self->network->interfaces; i; i = i->next) {
		if (!i->has_ports)
			continue;
		memcpy(ports + n, i->options.port_forwardings,
		       i->options.n_port_forwardings * sizeof(*ports));
		n += i->options.n_port_forwardings;
	}
	free(parts->ports);
	parts->ports = parts->now.port_forwardings = ports;
	parts->now.n_port_forwardings = n;
}

/* Copies for the job what is to be forwarded. */
static void take_ports(struct linux_network *self)
{
	struct network_parts *parts = &self->parts;
	const size_t n_asked = self->network ? count_asked(self->network) : 0;

	parts->requests = self->requests;
	self->requests = NULL;
	/* Without memory who used them before goes on where it did. */
	(void)append_ports(&parts->left, &parts->n_left, self->left, self->n_left);
	self->n_left = 0;
	if (parts->n_left)
		parts->ports_changed = true;
	if (n_asked) {
		list_ports(self, n_asked);
		return;
	}
	free(parts->ports);
	parts->ports = NULL;
	if (parts->config)
		parts->now = *parts->config;
}

static void submit(struct linux_network *self, void (*run)(struct job *),
		   void (*done)(struct job *))
{
	take_ports(self);
	self->busy = true;
	self->job = (struct job){ .run = run, .done = done, .at_once = run == run_remove };
	worker_submit(&network_worker, &self->job);
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
	machines_free(self->machines);
	self->machines = NULL;
	zones_free(self->zones);
	self->zones = NULL;
	if (self->parts.dnsmasq)
		dnsmasq_unsupervise(self->parts.dnsmasq);
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

/* What has to be tried again: REPAIR_NOTHING when all is well. */
static void set_remedy(struct linux_network *self, enum repair remedy)
{
	self->remedy = remedy;
	if (remedy)
		timer_set(self->retry, RETRY_USEC);
	else
		(void)sd_event_source_set_enabled(self->retry, SD_EVENT_OFF);
}

static void on_leases_lost(struct network *network)
{
	network_repair(network, REPAIR_BRIDGE);
}

void network_machines_changed(const struct network *network)
{
	const struct linux_network *self = network->platform;

	if (self->machines)
		machines_changed(self->machines);
}

static void on_leases(const struct network *network)
{
	const struct linux_network *self = network->platform;

	network_machines_changed(network);
	if (self->zones)
		zones_update(self->zones);
}

static void list_machines(const struct network *network, struct neighbours *list,
			  size_t (*of)(struct machines *, struct neighbour *, size_t))
{
	const struct linux_network *self = network->platform;
	struct neighbour *machines =
		self->machines ? calloc(ARRAY_SIZE(list->items), sizeof(*machines)) : NULL;

	list->n = machines ? of(self->machines, machines, ARRAY_SIZE(list->items)) : 0;
	for (size_t i = 0; i < list->n; i++) {
		list->items[i].mac = machines[i].mac;
		list->items[i].address = machines[i].address.ipv4;
	}
	free(machines);
}

static void list_here(const struct network *network, struct neighbours *list)
{
	list_machines(network, list, machines_list_here);
}

static void list_elsewhere(const struct network *network, struct neighbours *list)
{
	list_machines(network, list, machines_list_elsewhere);
}

static const struct lease_owner lease_owner = {
	.lost = on_leases_lost,
	.changed = on_leases,
	.list_here = list_here,
	.list_elsewhere = list_elsewhere,
};

/* During a job dnsmasq cannot be told; afterwards it is. */
static void on_names(struct network *network)
{
	struct linux_network *self = network->platform;

	self->has_names = self->busy || !self->parts.dnsmasq;
	if (!self->has_names)
		dnsmasq_reread(self->parts.dnsmasq);
}

static void ask_hosts(struct linux_network *self)
{
	if (self->zones || !self->parts.addresses.vxlan_host || !self->parts.config->dns_proxy)
		return;
	self->zones = zones_new(self->network, on_names);
	if (!self->zones)
		log_warning(self->parts.name,
			    "memory is short: names of machines on other hosts are not known");
}

static void watch_dnsmasq(struct linux_network *self)
{
	const bool rereads = self->is_unread && self->network->interfaces &&
			     reservations_write(self->network) == 0;
	char fault[128];
	int result = dnsmasq_supervise(self->parts.dnsmasq, self->network, self->bridge_seen,
				       rereads || self->has_names, &lease_owner);

	if (result >= 0) {
		self->is_unread = self->is_unread && !rereads;
		self->has_names = false;
		ask_hosts(self);
		return;
	}
	(void)snprintf(fault, sizeof(fault), "its dnsmasq and leases cannot be watched: %s",
		       strerror(-result));
	broker_network_fault(self->network, FAULT_SERVERS, fault);
	set_remedy(self, self->remedy ? self->remedy : REPAIR_BRIDGE);
}

static bool has_servers(const struct network *network)
{
	return network_gives_ipv4(network->config) || network_gives_ipv6(network);
}

/* During a job dnsmasq cannot be told; afterwards it is. */
static int write_reservations(const struct network *network)
{
	struct linux_network *self = network->platform;
	int result = reservations_write(network);

	self->is_unread = result < 0 || self->busy || !self->parts.dnsmasq;
	if (!self->is_unread)
		dnsmasq_reread(self->parts.dnsmasq);
	return result;
}

static void lead_ports_to(struct interface *interface, struct in_addr address)
{
	struct interface_options *options = &interface->options;
	const bool has_ports = interface->has_ports;

	network_leave_ports(interface->network, interface);
	for (size_t i = 0; i < options->n_port_forwardings; i++)
		if (options->port_forwardings[i].family == AF_INET)
			options->port_forwardings[i].internal_address.ipv4 = address;
	interface->has_ports = has_ports;
	if (has_ports)
		network_repair(interface->network, REPAIR_BRIDGE);
}

/* What cannot be told now is at the next look at it. */
static void on_brought(struct interface *interface, struct in_addr address)
{
	const struct network *network = interface->network;
	struct interface_options *options = &interface->options;
	const bool has_record = interface_options_are_given(options);
	char *record;

	if (has_record)
		lead_ports_to(interface, address);
	options->has_ipv4 = true;
	options->is_ipv4_chosen = false;
	options->ipv4 = address;
	record = has_record ? interface_record_text(options) : NULL;
	if (record)
		(void)interface_record_save(linux_platform.options->runtime_dir,
					    network->config->name, &interface->mac, record);
	free(record);
	if (has_servers(network))
		(void)write_reservations(network);
}

static void on_entry(struct network *network, const struct nlmsghdr *message)
{
	const struct linux_network *self = network->platform;

	if (!message || vxlan_mend_entry(network, &self->vxlan_seen, message) < 0)
		network_repair(network, REPAIR_BRIDGE);
}

/* Without memory for it the next job has another try. */
static void follow_machines(struct linux_network *self)
{
	if (!self->machines && self->network->addresses.vxlan_host)
		self->machines = machines_new(self->network, on_brought, on_entry);
	if (self->machines)
		machines_follow(self->machines, &(struct elsewhere_links){
							.bridge = self->bridge_seen,
							.vxlan = self->vxlan_seen.vxlan,
							.own_port = self->vxlan_seen.own_port,
						});
}

/* Takes over what a job has found out. */
static void job_ended(struct linux_network *self)
{
	const int bridge = self->parts.bridge.index;
	const struct vxlan_devices *vxlan = &self->parts.vxlan;
	const bool has_seen = bridge == self->bridge_seen &&
			      vxlan->vxlan == self->vxlan_seen.vxlan &&
			      vxlan->own == self->vxlan_seen.own;

	self->busy = false;
	self->is_unread |= self->parts.has_begun;
	self->parts.has_begun = false;
	/* Of devices that the job has made, notifications went by: they are looked at again. */
	if (bridge && !has_seen && !self->repair_wanted)
		self->repair_wanted = REPAIR_BRIDGE;
	self->bridge_seen = bridge;
	self->vxlan_seen = *vxlan;
	self->network->addresses = self->parts.addresses;
	follow_machines(self);
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
	else if (self->parts.dnsmasq)
		watch_dnsmasq(self);
}

/* Says what a job could not do, or that all is well again. */
static void report(struct linux_network *self)
{
	enum repair remedy = REPAIR_NOTHING;

	for (size_t i = 0; i < N_FAULTS; i++) {
		bool failed = self->parts.faults[i].code != ERROR_NONE;

		if (failed && remedies[i] > remedy)
			remedy = remedies[i];
		/* That these are well is dnsmasq_supervise()'s to say, and machines.h's. */
		if (failed || (i != FAULT_SERVERS && i != FAULT_HOSTS))
			broker_network_fault(self->network, (enum fault_kind)i,
					     failed ? self->parts.faults[i].reason : NULL);
	}
	set_remedy(self, remedy);
}

/* Whoever is told may have the network removed, for which it is not touched any more. */
static void answer(struct port_request *request)
{
	while (request) {
		struct port_request *next = request->next;

		request->done(request);
		request = next;
	}
}

static void repair_done(struct job *job)
{
	struct linux_network *self = of_job(job);
	struct port_request *requests = self->parts.requests;

	self->parts.requests = NULL;
	interfaces_rejoined(self->network, self->parts.rejoined, self->parts.n_rejoined);
	free(self->parts.rejoined);
	self->parts.rejoined = NULL;
	self->parts.n_rejoined = 0;
	for (struct port_request *request = requests; request; request = request->next)
		request->interface->has_ports = request->is_granted;
	job_ended(self);
	report(self);
	/* Also when it has just been made: it is looked at again then, see job_ended(). */
	host_names_offer(self->network);
	settle(self);
	answer(requests);
}

static void start_repair(struct linux_network *self)
{
	if (self->parts.dnsmasq)
		dnsmasq_unsupervise(self->parts.dnsmasq);
	/* Less than its faults take would only hide them. */
	self->parts.repair =
		self->repair_wanted > self->remedy ? self->repair_wanted : self->remedy;
	self->repair_wanted = REPAIR_NOTHING;
	submit(self, run_repair, repair_done);
}

void network_repair(struct network *network, enum repair repair)
{
	struct linux_network *self = network->platform;

	if (network->state == NETWORK_REMOVING)
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
	broker_network_created(network, &self->parts.error);
	free_network(self);
}

/* What an active network has need not be read from where it is kept. */
static void copy_addresses(struct other_network *other)
{
	const struct network *network = network_find(linux_platform.broker, other->name);

	if (network && !other->subnet.length)
		other->subnet = network->addresses.ipv4_subnet;
	if (network && !other->prefix.length)
		other->prefix = network->addresses.ipv6_prefix;
}

/* Copies of what the other networks of the configuration have. */
static int copy_others(struct linux_network *self, const struct config *config)
{
	self->parts.others = calloc(config->n_networks + 1, sizeof(*self->parts.others));
	if (!self->parts.others)
		return -1;
	for (size_t i = 0; i < config->n_networks; i++) {
		const struct network_config *from = config->networks[i];
		struct other_network *other = &self->parts.others[self->parts.n_others];

		if (strcmp(from->name, self->parts.name) == 0 || from->mode == NETWORK_BRIDGED)
			continue;
		memcpy(other->name, from->name, sizeof(other->name));
		other->subnet = from->subnet;
		other->prefix = from->ipv6_prefix;
		copy_addresses(other);
		self->parts.n_others++;
	}
	return 0;
}

/* config: NULL, or taken over. */
static struct linux_network *new_network(const char *name, struct network_config *config)
{
	struct linux_network *self = calloc(1, sizeof(*self));

	if (!self) {
		network_config_unref(config);
		return NULL;
	}
	(void)snprintf(self->parts.name, sizeof(self->parts.name), "%s", name);
	self->parts.config = config;
	if (config)
		self->parts.now = *config;
	if (timer_add(linux_platform.event, &self->retry, on_retry, self) >= 0)
		return self;
	free_network(self);
	return NULL;
}

int platform_network_create(struct network *network)
{
	struct linux_network *self =
		new_network(network->config->name, network_config_ref(network->config));

	if (!self || copy_others(self, network->broker->config) < 0) {
		if (self)
			free_network(self);
		return -1;
	}
	self->network = network;
	network->platform = self;
	submit(self, run_create, create_done);
	return 0;
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
	self->parts.addresses = *addresses;
	self->parts.bridge.index = self->bridge_seen = bridge;
	self->is_unread = true;
	return network;
}

int network_remove_leftover(const char *name, struct network_config *config,
			    const struct network_addresses *addresses, int bridge)
{
	struct linux_network *self = new_network(name, config);

	if (!self)
		return -ENOMEM;
	self->parts.addresses = *addresses;
	if (!self->parts.addresses.bridge[0])
		bridge_name(name, self->parts.addresses.bridge);
	self->parts.bridge.index = bridge;
	log_info(name, "removing what an earlier broker left");
	start_removal(self);
	return 0;
}

static bool has_lease(const struct network *network, const struct mac_address *mac)
{
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		if (mac_address_equal(&lease->mac, mac))
			return true;
	return false;
}

int network_reserve(struct network *network, struct interface *interface,
		    struct former_addresses *former)
{
	bool reserves = interface_reserves(interface);
	int result = 0;

	former->n = 0;
	if (!has_servers(network) ||
	    (!reserves && (interface->is_new_mac || !has_lease(network, &interface->mac))))
		return 0;
	if (reserves)
		result = write_reservations(network);
	if (result < 0)
		return result;
	reservations_begin(network, interface, former);
	broker_leases_forget(network, &interface->mac);
	return 0;
}

void network_unreserve(const struct network *network, const struct interface *interface)
{
	if (!has_servers(network) || !interface_reserves(interface))
		return;
	reservations_end(network, interface);
	(void)write_reservations(network);
}

const struct mac_address *platform_taken_ipv4(const struct network *network, struct in_addr address)
{
	const struct linux_network *self = network->platform;

	return !self->busy && self->parts.dnsmasq ? dnsmasq_taken(self->parts.dnsmasq, address)
						  : NULL;
}

const struct mac_address *platform_known_ipv4(const struct network *network, struct in_addr address,
					      bool *is_elsewhere)
{
	const struct linux_network *self = network->platform;
	const struct neighbour wanted = { .family = AF_INET, .address.ipv4 = address };

	*is_elsewhere = false;
	return self->machines ? machines_known(self->machines, &wanted, is_elsewhere) : NULL;
}

const struct mac_address *platform_known_ipv6(const struct network *network,
					      const struct in6_addr *address, bool *is_elsewhere)
{
	const struct linux_network *self = network->platform;
	const struct neighbour wanted = { .family = AF_INET6, .address.ipv6 = *address };

	*is_elsewhere = false;
	return self->machines ? machines_known(self->machines, &wanted, is_elsewhere) : NULL;
}

bool platform_moved_ipv4(const struct network *network, const struct mac_address *mac,
			 struct in_addr *address)
{
	const struct linux_network *self = network->platform;

	return self->machines && machines_moved(self->machines, mac, address);
}

void network_keep_address(struct network *network, struct interface *interface)
{
	const struct linux_network *self = network->platform;
	struct in_addr address;

	if (!self->machines || interface->options.has_ipv4 ||
	    !machines_moved(self->machines, &interface->mac, &address) ||
	    !interface_may_have_ipv4(interface, address))
		return;
	interface->options.has_ipv4 = true;
	interface->options.ipv4 = address;
}

void network_forward(struct network *network, struct port_request *request)
{
	struct linux_network *self = network->platform;
	struct port_request **link = &self->requests;

	while (*link)
		link = &(*link)->next;
	*link = request;
	network_repair(network, REPAIR_BRIDGE);
}

void network_leave_ports(struct network *network, struct interface *interface)
{
	struct linux_network *self = network->platform;

	if (!interface->has_ports)
		return;
	interface->has_ports = false;
	/* Without memory who used them before goes on where it did. */
	(void)append_ports(&self->left, &self->n_left, interface->options.port_forwardings,
			   interface->options.n_port_forwardings);
}

void network_has_machines(const struct network *network)
{
	const struct linux_network *self = network->platform;

	/* After a job it is asked for the interfaces that there are. */
	if (!self->busy && self->parts.dnsmasq)
		dnsmasq_has_machines(self->parts.dnsmasq);
}

int network_bridge(const struct network *network)
{
	const struct linux_network *self = network->platform;

	return self->bridge_seen;
}

const struct vxlan_devices *network_vxlan(const struct network *network)
{
	const struct linux_network *self = network->platform;

	return &self->vxlan_seen;
}

bool network_has_port(const struct network *network, const struct link *link)
{
	return bridge_has_port(network->config, &network->addresses, network_bridge(network), link);
}

void networks_forget(struct broker *broker)
{
	for (struct network *network = broker->networks; network; network = network->next) {
		struct linux_network *self = network->platform;

		if (self->parts.dnsmasq) {
			dnsmasq_unsupervise(self->parts.dnsmasq);
			dnsmasq_forget(self->parts.dnsmasq);
		}
		free_network(self);
		network->platform = NULL;
	}
}
