/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an interface. If it has asked for ports of the host, a repair of its network has them
 * lead to it before anything else is made. attach_worker makes the device, joins it to the bridge
 * and hands over its open descriptors, which are sent to the client and then closed on
 * network_worker; from then on the device lives as long as somebody has it open: a client that
 * dies does not end it while its machine runs. Its end comes by itself, and rtnetlink tells of it:
 * nothing else ends an interface, and platform_interface_detach() only makes it happen.
 *
 * A device may end before the policy has heard of it. Then the notification
 * found nobody to tell, so its link is looked up once more at that point.
 */
#include "attach.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container_of.h"
#include "base/log.h"
#include "bridge.h"
#include "broker/linux/fds.h"
#include "broker/linux/firewall/firewall.h"
#include "broker/linux/linux.h"
#include "broker/linux/shortage.h"
#include "broker/linux/worker.h"
#include "broker/platform.h"
#include "broker/user_limits.h"
#include "host/link.h"
#include "host/names.h"
#include "host/neighbours.h"
#include "ingress.h"
#include "interface_record.h"
#include "limiter.h"
#include "monitor.h"
#include "network.h"
#include "port.h"
#include "tap.h"

/* How often the address of a device is put back in such a time until it is enough. */
#define MOVES_MAX 8
#define MOVES_USEC ((uint64_t)60 * 1000 * 1000)

/* interface->platform: the device of an interface, from its request to its end. */
struct device {
	struct job job; /* removes it */
	struct attach_job *waiting; /* until its ports lead there; or NULL */
	struct interface *interface; /* NULL once the policy knows that it is gone */
	uid_t owner;
	char network[NETWORK_NAME_MAX + 1];
	int index; /* 0: not made yet */
	int result; /* of the job */
	bool removing; /* the job is under way, and frees the device */
	bool unfiltered; /* by name or by its queues it has no filter of its own: see ingress.c */
	bool cut_off; /* not joined to its network as it has to be, by the last notification */
	bool doubtful; /* it was so, which may have been of the time before it was joined */
	unsigned int moves; /* how often it was found with another address, since: */
	uint64_t moving_since;
};

/* Copies of all that making a device takes. */
struct attach_job {
	struct job job;
	struct port_request ports;
	struct interface *interface; /* the policy's thread alone */
	struct interface_fds *fds; /* NULL: it failed */
	char network[NETWORK_NAME_MAX + 1];
	char *record; /* the text of its record; NULL: nothing was asked for */
	int reserved; /* 0, or why what was asked for cannot be had: a negative errno */
	struct former_addresses former;
	char bridge[INTERFACE_NAME_SIZE];
	bool bridged; /* the bridge is the host's own */
	char name[INTERFACE_NAME_SIZE];
	char alias[ALIAS_SIZE];
	struct port_setup port;
	struct gateway_filter filter;
	unsigned int queues;
	bool vhost;
	bool by_name;
	uid_t owner;
	struct error error;
};

/*
 * The host side's own MAC address. It has to differ from the machine's, and be
 * higher than any other on the bridge: a bridge of the host's own may take the
 * lowest of its ports'.
 */
static struct mac_address random_port_mac(void)
{
	struct mac_address mac;

	platform_random(mac.bytes, sizeof(mac.bytes));
	mac.bytes[0] = 0xfe;
	return mac;
}

/* The network is repaired as soon as the kernel's notification has been read. */
static int bridge_is_gone(struct attach_job *self)
{
	return error_set(&self->error, ERROR_CREATE_FAILED,
			 "bridge %s has been removed just now; try again", self->bridge);
}

/* A queue that was opened before the device had its owner may be anybody's. */
static bool is_ours_alone(const struct attach_job *self)
{
	struct link link;

	return self->queues == 1 ||
	       (link_get(self->name, &link) == 0 && link.queues == self->queues);
}

static int make_device(struct attach_job *self)
{
	const bool filtered = !self->bridged && self->queues == 1;
	char checksums[INTERFACE_NAME_SIZE];
	int result;

	if (tap_open(self->queues, self->owner, filtered ? &self->filter : NULL, self->name,
		     self->fds, &self->error) < 0)
		return -1;
	if (!is_ours_alone(self))
		return error_set(&self->error, ERROR_CREATE_FAILED,
				 "somebody else has opened %s at once; try again", self->name);
	self->port.index = link_index(self->name);
	self->port.bridge = link_index(self->bridge);
	if (!self->bridged) {
		checksums_name(self->bridge, checksums);
		self->port.checksums = link_index(checksums);
	}
	if (!self->port.bridge || (!self->bridged && !self->port.checksums))
		return bridge_is_gone(self);
	if (!self->port.index)
		return error_set(&self->error, ERROR_CREATE_FAILED, "%s is gone; try again",
				 self->name);
	if (!self->bridged)
		self->port.group = firewall_port_group((unsigned int)self->port.bridge);
	result = port_join(&self->port);
	if (result < 0 && link_index(self->bridge) != self->port.bridge)
		return bridge_is_gone(self);
	if (result < 0)
		return error_set(&self->error, ERROR_CREATE_FAILED,
				 "cannot join %s to bridge %s: %s%s", self->name, self->bridge,
				 strerror(-result), result == -ENOENT ? INGRESS_REMEDY : "");
	if (self->by_name) {
		if (tap_keep(self->fds->tap[0], &self->error) < 0)
			return -1;
		/* Who opens it by name finds it busy while one of these is open. */
		tap_close(self->fds);
	} else if (self->vhost) {
		tap_open_vhost(self->fds);
	}
	return 0;
}

/* Before there is a device, so that the next broker knows what was asked for with each. */
static int save_record(struct attach_job *self)
{
	int result = self->record ? interface_record_save(linux_platform.options->runtime_dir,
							  self->network, &self->port.machine,
							  self->record)
				  : 0;

	if (result == 0)
		result = self->reserved;
	if (result == 0)
		return 0;
	return error_set(&self->error, ERROR_CREATE_FAILED,
			 "what is asked for with the interface cannot be written down: %s",
			 strerror(-result));
}

/* Else an address that the machine had in a former life would be taken for its own. */
static void forget_neighbours(const struct attach_job *self)
{
	const int bridge = self->former.n > 0 ? link_index(self->bridge) : 0;

	for (size_t i = 0; i < self->former.n && bridge; i++)
		(void)neighbour_forget(
			bridge, &(struct neighbour){ .family = AF_INET,
						     .address.ipv4 = self->former.items[i] });
}

static void run_attach(struct job *job)
{
	struct attach_job *self = container_of(job, struct attach_job, job);

	forget_neighbours(self);
	if (save_record(self) == 0 && make_device(self) == 0)
		return;
	if (self->record)
		(void)interface_record_remove(linux_platform.options->runtime_dir, self->network,
					      &self->port.machine);
	if (self->port.rate_out.bits_per_second)
		(void)limiter_remove(self->port.index);
	tap_close(self->fds);
	free(self->fds);
	self->fds = NULL;
}

/* What is sent to one without a filter has to be complete. */
static bool has_unfiltered(const struct network *network)
{
	if (network->config->mode == NETWORK_BRIDGED)
		return false;
	for (const struct interface *i = network->interfaces; i; i = i->next) {
		const struct device *device = i->platform;

		if (i->by_name || i->queues > 1 || device->unfiltered)
			return true;
	}
	return false;
}

/* The others were joined when there was none, or this one was. */
static void device_has_joined(const struct attach_job *job)
{
	struct network *network = job->interface->network;

	if (has_unfiltered(network) &&
	    (job->by_name || job->queues > 1 || !job->port.completes_all))
		network_repair(network, REPAIR_BRIDGE);
}

/* Before the policy forgets of it: it is not among those that are reserved for. */
static void leave_reservation(struct interface *interface)
{
	const enum interface_state state = interface->state;

	interface->state = INTERFACE_DETACHING;
	network_unreserve(interface->network, interface);
	interface->state = state;
}

static void attach_job_free(struct attach_job *self)
{
	free(self->record);
	free(self);
}

/* Nothing is left of it. */
static void attach_failed(struct attach_job *self, const struct error *error)
{
	struct interface *interface = self->interface;
	struct network *network = interface->network;
	struct device *device = interface->platform;
	const bool had_ports = interface->has_ports;

	leave_reservation(interface);
	network_leave_ports(network, interface);
	broker_interface_attached(interface, NULL, error);
	free(device);
	if (had_ports)
		network_repair(network, REPAIR_BRIDGE);
}

static void attach_done(struct job *job)
{
	struct attach_job *self = container_of(job, struct attach_job, job);
	struct interface *interface = self->interface;
	struct device *device = interface->platform;
	char name[INTERFACE_NAME_SIZE];

	if (self->fds) {
		device->index = self->port.index;
		(void)snprintf(interface->name, sizeof(interface->name), "%s", self->name);
		network_has_machines(interface->network);
		device_has_joined(self);
		network_machines_changed(interface->network);
		broker_interface_attached(interface, self->fds, NULL);
		if (!link_name(self->port.index, name))
			interface_link_gone(self->port.index);
	} else {
		attach_failed(self, &self->error);
	}
	attach_job_free(self);
}

static void ports_done(struct port_request *request)
{
	struct attach_job *self = container_of(request, struct attach_job, ports);
	struct device *device = self->interface->platform;

	device->waiting = NULL;
	if (request->is_granted) {
		worker_submit(&attach_worker, &self->job);
		return;
	}
	attach_failed(self, &request->error);
	free(self->fds);
	attach_job_free(self);
}

/* With room for all that it holds. Returns NULL when memory is short. */
static struct attach_job *attach_job_alloc(const struct interface_options *options)
{
	const bool has_record = interface_options_are_given(options);
	struct attach_job *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->fds = calloc(1, sizeof(*self->fds));
	self->record = has_record ? interface_record_text(options) : NULL;
	if (self->fds && (self->record || !has_record))
		return self;
	free(self->fds);
	attach_job_free(self);
	return NULL;
}

/* Returns NULL when memory is short. */
static struct attach_job *attach_job_new(struct interface *interface)
{
	const struct network *network = interface->network;
	struct attach_job *self = attach_job_alloc(&interface->options);
	struct alias alias;

	if (!self)
		return NULL;
	self->job = (struct job){
		.run = run_attach,
		.done = attach_done,
		.owner = JOB_OWNER(interface->usage->uid),
	};
	self->interface = interface;
	(void)snprintf(self->bridge, sizeof(self->bridge), "%s", network->addresses.bridge);
	self->bridged = network->config->mode == NETWORK_BRIDGED;
	alias = (struct alias){
		.is_interface = true,
		.mac = interface->mac,
		.is_whole = true,
		.owner = interface->owner,
		.host_mac = random_port_mac(),
		.attached = interface->attached,
	};
	(void)snprintf(self->network, sizeof(self->network), "%s", network->config->name);
	(void)snprintf(alias.network, sizeof(alias.network), "%s", network->config->name);
	alias_format(&alias, self->alias);
	self->port = (struct port_setup){
		.mac = alias.host_mac,
		.machine = interface->mac,
		.gateway = network->addresses.bridge_mac,
		.mtu = network->addresses.mtu,
		.frames = interface->frames,
		.alias = self->alias,
		.isolated = network->config->isolated,
		.fixed = network->config->vxlan.vni != 0,
		.movable =
			network->config->vxlan.vni && network->config->vxlan.control == VXLAN_EVPN,
		.completes_all = network->config->vxlan.vni || has_unfiltered(network),
		.rate_in = interface->options.rate_in,
		.rate_out = interface->options.rate_out,
	};
	if (!self->bridged)
		gateway_filter_make(network->config, &network->addresses,
				    interface->options.n_port_forwardings > 0, &self->filter);
	self->queues = interface->queues;
	self->vhost = interface->vhost;
	self->by_name = interface->by_name;
	self->owner = interface->owner;
	return self;
}

static struct device *device_new(struct interface *interface)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->interface = interface;
	device->owner = interface->owner;
	(void)snprintf(device->network, sizeof(device->network), "%s",
		       interface->network->config->name);
	interface->platform = device;
	return device;
}

int platform_interface_attach(struct interface *interface)
{
	struct device *device = device_new(interface);
	struct attach_job *job;

	network_keep_address(interface->network, interface);
	job = device ? attach_job_new(interface) : NULL;
	if (!job) {
		free(device);
		return -1;
	}
	job->reserved = network_reserve(interface->network, interface, &job->former);
	if (!interface->options.n_port_forwardings) {
		worker_submit(&attach_worker, &job->job);
		return 0;
	}
	device->waiting = job;
	job->ports = (struct port_request){
		.interface = interface,
		.ports = interface->options.port_forwardings,
		.n_ports = interface->options.n_port_forwardings,
		.done = ports_done,
	};
	network_forward(interface->network, &job->ports);
	return 0;
}

struct limiter_job {
	struct job job;
	int port;
};

static void run_remove_limiter(struct job *job)
{
	(void)shortage_check(limiter_remove(container_of(job, struct limiter_job, job)->port));
}

static void remove_limiter_done(struct job *job)
{
	free(container_of(job, struct limiter_job, job));
}

/* Where memory is short it stays for the next broker to remove. */
static void remove_limiter(int port)
{
	struct limiter_job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	*job = (struct limiter_job){
		.job = { .run = run_remove_limiter, .done = remove_limiter_done },
		.port = port,
	};
	worker_submit_last(&network_worker, &job->job);
}

/* The policy hears of it, once. */
static void device_gone(struct device *device)
{
	struct interface *interface = device->interface;
	const int index = device->index;
	struct network *network;
	bool had_ports;

	device->interface = NULL;
	if (!device->removing)
		free(device);
	if (!interface)
		return;
	if (interface_options_are_given(&interface->options))
		(void)interface_record_remove(linux_platform.options->runtime_dir,
					      interface->network->config->name, &interface->mac);
	network = interface->network;
	had_ports = interface->has_ports;
	leave_reservation(interface);
	if (interface->options.rate_out.bits_per_second)
		remove_limiter(index);
	network_leave_ports(network, interface);
	network_machines_changed(network);
	broker_interface_detached(interface);
	/* One that goes with its last interface takes them along. */
	if (had_ports)
		network_repair(network, REPAIR_BRIDGE);
}

static void run_remove(struct job *job)
{
	struct device *device = container_of(job, struct device, job);

	device->result = shortage_check(link_delete(device->index));
}

/* A device that could not be removed is given up: its network must not wait for ever. */
static void remove_done(struct job *job)
{
	struct device *device = container_of(job, struct device, job);

	if (device->result < 0 && device->result != -ENODEV &&
	    platform_may_log(device->owner, true))
		log_warning(device->network, "a TAP device cannot be removed: %s",
			    strerror(-device->result));
	device->removing = false;
	device_gone(device);
}

void platform_interface_detach(struct interface *interface)
{
	struct device *device = interface->platform;

	device->removing = true;
	device->job = (struct job){ .run = run_remove, .done = remove_done };
	worker_submit_last(&network_worker, &device->job);
}

static struct device *device_find(int index)
{
	for (struct network *network = linux_platform.broker->networks; network;
	     network = network->next) {
		for (struct interface *i = network->interfaces; i; i = i->next) {
			struct device *device = i->platform;

			if (device->index == index)
				return device;
		}
	}
	return NULL;
}

int interface_link(const struct interface *interface)
{
	const struct device *device = interface->platform;

	return device->index;
}

bool interface_is_link(int index)
{
	return device_find(index) != NULL;
}

void interface_link_gone(int index)
{
	struct device *device = index ? device_find(index) : NULL;

	if (device)
		device_gone(device);
}

/* Its program may have done that, over and over. */
static void log_cut_off(const struct device *device, const char *name)
{
	if (platform_may_log(device->owner, true))
		log_warning(device->network, "interface %s was cut off, and is joined again", name);
}

static void device_is_misused(struct device *device, const char *name, const char *how)
{
	struct interface *interface = device->interface;

	if (platform_may_log(interface->owner, true))
		log_warning(device->network, "interface %s is removed: its program %s", name, how);
	interface->state = INTERFACE_DETACHING;
	platform_interface_detach(interface);
}

/*
 * With the address of its device a program takes what is for a neighbour, or
 * for the host's own bridge. It may mean no harm by it, once.
 */
static void device_has_moved(struct device *device, const char *name)
{
	struct interface *interface = device->interface;
	uint64_t now = 0;

	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	if (now - device->moving_since > MOVES_USEC) {
		device->moving_since = now;
		device->moves = 0;
	}
	if (++device->moves < MOVES_MAX) {
		log_cut_off(device, name);
		network_repair(interface->network, REPAIR_BRIDGE);
		return;
	}
	device_is_misused(device, name, "changes the device's address over and over");
}

/*
 * A named device outlives its last descriptor, for as long as its client holds
 * it: not after a restart. So does one that a program has made persistent, which
 * nobody has to hold. They go when nobody has them open.
 */
void interface_link_changed(const struct link *link)
{
	struct device *device = device_find(link->index);
	struct interface *interface = device ? device->interface : NULL;

	if (!interface || interface->state != INTERFACE_ATTACHED)
		return;
	if (bridge_port_has_moved(link)) {
		device_has_moved(device, link->name);
		return;
	}
	/* Each of them holds as many frames. Whoever may open the device can make 256. */
	if (link->queues > interface->queues) {
		device_is_misused(device, link->name, "opened more queues than it asked for");
		return;
	}
	if (link->persistent && !device->unfiltered) {
		device->unfiltered = true;
		if (has_unfiltered(interface->network))
			network_repair(interface->network, REPAIR_BRIDGE);
	}
	device->cut_off = !network_has_port(interface->network, link);
	if (device->cut_off)
		monitor_look_at_ports();
	if (!link->persistent || link->carrier || (interface->client && interface->by_name))
		return;
	interface->state = INTERFACE_DETACHING;
	platform_interface_detach(interface);
}

/* An attach brings several, which are not read where flags do not matter. */
void interface_port_changed(const struct nlmsghdr *message)
{
	const struct ifinfomsg *header = nlmsg_data(message);
	struct device *device = device_find(header->ifi_index);
	const struct network_config *config =
		device && device->interface ? device->interface->network->config : NULL;
	struct port_flags flags;

	if (!config || !(config->isolated || config->vxlan.vni) ||
	    !link_parse_port(message, &flags))
		return;
	if ((!config->isolated || flags.isolated) && (!config->vxlan.vni || !flags.learning))
		return;
	device->cut_off = true;
	monitor_look_at_ports();
}

void interface_filters_gone(int index)
{
	struct device *device = device_find(index);

	if (!device)
		return;
	device->cut_off = true;
	monitor_look_at_ports();
}

void interfaces_join(struct broker *broker)
{
	char name[INTERFACE_NAME_SIZE];

	for (struct network *network = broker->networks; network; network = network->next) {
		bool wanted = false;

		for (const struct interface *i = network->interfaces; i; i = i->next) {
			struct device *device = i->platform;

			if (!device->cut_off)
				continue;
			device->cut_off = false;
			if (!link_name(device->index, name))
				continue;
			wanted = true;
			device->doubtful = true;
		}
		if (wanted)
			network_repair(network, REPAIR_BRIDGE);
	}
}

static bool is_among(const struct device *device, const struct link *links, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++)
		if (links[i].index == device->index)
			return true;
	return false;
}

void interfaces_rejoined(const struct network *network, const struct link *links, size_t n_links)
{
	for (const struct interface *i = network->interfaces; i; i = i->next) {
		struct device *device = i->platform;

		if (!device->doubtful || !is_among(device, links, n_links))
			continue;
		device->doubtful = false;
		log_cut_off(device, i->name);
	}
}

void interfaces_look(struct broker *broker)
{
	char name[INTERFACE_NAME_SIZE];
	struct interface *next;

	/* A network that the last one takes with it ends later, when it has been removed. */
	for (struct network *network = broker->networks; network; network = network->next) {
		for (struct interface *i = network->interfaces; i; i = next) {
			struct device *device = i->platform;

			next = i->next;
			if (device->index && !link_name(device->index, name))
				device_gone(device);
		}
	}
}

/* How many it may have is not known, but what they hold together was no more than one may. */
static unsigned int queues_of(const struct link *link)
{
	unsigned int queues = link->frames ? LIMIT_INTERFACE_FRAMES / link->frames : 0;

	if (!link->multi_queue)
		return 1;
	if (queues == 0 || queues > INTERFACE_QUEUES_MAX)
		queues = INTERFACE_QUEUES_MAX;
	return link->queues > queues ? link->queues : queues;
}

int interface_adopt(struct network *network, const struct link *link, const struct alias *alias)
{
	struct interface_options options;
	const struct interface_made made = {
		.name = link->name,
		.mac = alias->mac,
		.owner = alias->is_whole ? alias->owner : link->owner,
		.queues = queues_of(link),
		.frames = link->frames,
		.options = &options,
		.attached = alias->attached ? alias->attached : platform_now(),
	};
	struct interface *interface;
	struct device *device;

	interface_record_load(linux_platform.options->runtime_dir, network->config->name,
			      &alias->mac, &options);
	interface = broker_interface_adopt(network, &made);
	free(options.port_forwardings);
	device = interface ? device_new(interface) : NULL;
	if (!device)
		return -ENOMEM;
	interface->has_ports = interface->options.n_port_forwardings > 0;
	device->index = link->index;
	device->unfiltered = link->persistent || link->multi_queue;
	return 0;
}

void interfaces_forget(struct broker *broker)
{
	for (struct network *network = broker->networks; network; network = network->next) {
		for (struct interface *i = network->interfaces; i; i = i->next) {
			struct device *device = i->platform;

			if (device->waiting) {
				free(device->waiting->fds);
				attach_job_free(device->waiting);
			}
			free(device);
			i->platform = NULL;
		}
	}
}
