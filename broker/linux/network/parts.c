/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps, each with its opposite. A new kind of device for a network is one more, made in a
 * file beside bridge.c by what host/link.h knows of links:
 *
 *	1. addresses	chosen
 *	2. record	for the next broker: from here on nothing is lost by a crash
 *	3. bridge	with its address; from here on it is taken
 *	4. IPv6		addresses of the bridge
 *	5. VXLAN	the devices of a network that is on several hosts, joined to nothing
 *	6. dnsmasq	begins to start, which takes as long as what follows; it reads nothing
 *	7. firewall	before anything can pass
 *	8. filters	of other programs, which let its packets pass from here on
 *	9. other hosts	by its VXLAN: from here on frames come from them
 *	10. reach	by which the host finds the machines, before others' rules
 *	11. uplink	where packets leave, if the configuration has a say in it
 *	12. forwarding	of shared networks
 *	13. serving	by dnsmasq: it needs all of the above to answer
 *	14. keeping	of the addresses, for the next life
 *
 * A network can do without 10, 11 and 14: failing is its fault, and does not end it.
 *
 * Creation takes the steps in this order. One that fails has undone its own
 * part; those before it are undone backwards. Removal undoes all of them
 * backwards; what is not there is no error then, so that it does for what a
 * crashed broker left, too. It undoes each step of several networks at once where
 * that is quicker; if that fails, of one by one. Repair takes the steps again with the addresses
 * that are there: each finds out by itself whether something is missing. One
 * that fails keeps those behind it from it, unless they do not need it.
 */
#include "parts.h"

#include <stdio.h>
#include <string.h>

#include "addresses.h"
#include "base/log.h"
#include "broker/linux/dnsmasq/dnsmasq.h"
#include "broker/linux/firewall/firewall.h"
#include "broker/linux/firewall/foreign_firewalls.h"
#include "broker/linux/linux.h"
#include "broker/linux/routing/forwarding.h"
#include "broker/linux/routing/reach.h"
#include "broker/linux/routing/uplink.h"
#include "broker/linux/shortage.h"
#include "broker/linux/worker.h"
#include "forwarded.h"
#include "host/names.h"
#include "record.h"
#include "tap.h"

struct step {
	int (*make)(struct network_parts *self);
	/* NULL: nothing to undo. Returns 0, or a negative errno, or -1, with an error of its own. */
	int (*unmake)(struct network_parts *self, struct error *error);
	/* NULL, or undoes it of several. Returns 0, or -1: each is to be undone by itself. */
	int (*unmake_all)(struct network_parts *const *all, size_t n);
	enum fault_kind fault; /* what failing is */
	bool can_wait; /* a network can be created without it */
	bool is_needed; /* by the steps behind it, when it is repaired */
	enum repair repair; /* the least that takes it again */
};

/* What undoing a step has come to. */
static int undone(int result, const char *what, const char *name, struct error *error)
{
	if (result < 0)
		(void)error_set(error, ERROR_INTERNAL, "%s%s: %s", what, name, strerror(-result));
	return result;
}

static bool is_bridged(const struct network_parts *self)
{
	return self->config && self->config->mode == NETWORK_BRIDGED;
}

/* The same of what nothing is known of. */
static bool has_vxlan(const struct network_parts *self)
{
	return !self->config || self->config->vxlan.vni;
}

static bool is_routed(const struct network_parts *self)
{
	return !self->config || self->config->mode == NETWORK_SHARED;
}

/* What is left of one of which nothing is known may be of any kind. */
static bool has_uplink(const struct network_parts *self)
{
	return !self->config || uplink_of(self->config);
}

/* What knows a device by its index, and not by its name, is to be made again. */
static bool is_new(const struct network_parts *self)
{
	return self->bridge.is_new || self->vxlan.is_new;
}

static bool is_served(const struct network_parts *self)
{
	return !is_bridged(self) && (self->config->dhcp || self->config->dns_proxy ||
				     self->config->router_advertisement);
}

/* Step 1: addresses */

static int make_addresses(struct network_parts *self)
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
	return addresses_choose(self->config, self->others, self->n_others,
				linux_platform.options->state_dir, addresses, &self->error);
}

/* Step 2: record */

static int make_record(struct network_parts *self)
{
	int result =
		record_save(linux_platform.options->runtime_dir, self->config, &self->addresses);

	if (result < 0)
		return error_set(&self->error, ERROR_CREATE_FAILED,
				 "cannot write its record in %s: %s",
				 linux_platform.options->runtime_dir, strerror(-result));
	return 0;
}

static int unmake_record(struct network_parts *self, struct error *error)
{
	const char *directory = linux_platform.options->runtime_dir;

	return undone(record_remove(directory, self->name), "record in ", directory, error);
}

/* Step 3: bridge */

static int make_bridge(struct network_parts *self)
{
	int result;

	if (is_bridged(self))
		result = bridge_find_host(&self->addresses, &self->bridge, &self->error);
	else
		result = bridge_make(&self->now, &self->addresses, self->repair, &self->bridge,
				     &self->error);
	if (result == 0 && self->repair)
		result = bridge_join_ports(self->config, &self->addresses, &self->bridge,
					   &self->rejoined, &self->n_rejoined, &self->error);
	return result;
}

static int leave_bridge(const struct network_parts *self, int *group)
{
	int result = bridge_leave(self->name, &self->addresses, self->bridge.index, group);

	return result == 0 && has_vxlan(self) ? vxlan_leave(self->addresses.bridge, group) : result;
}

static int unmake_bridges(struct network_parts *const *all, size_t n)
{
	int group = 0;
	int result = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_bridged(all[i]) && leave_bridge(all[i], &group) < 0)
			result = -1;
	if (group && shortage_check(link_delete_group(group)) < 0)
		return -1;
	return result;
}

static int unmake_bridge(struct network_parts *self, struct error *error)
{
	const char *name = self->addresses.bridge;
	int vxlan;
	int result;

	if (is_bridged(self) || unmake_bridges(&self, 1) == 0)
		return 0;
	/* One of them is not there, or goes just now. */
	vxlan = has_vxlan(self) ? vxlan_remove(name) : 0;
	result = bridge_remove(self->name, &self->addresses, self->bridge.index);
	return undone(result < 0 ? result : vxlan, "bridge ", name, error);
}

/* Step 4: IPv6 */

static int make_ipv6(struct network_parts *self)
{
	return bridge_add_ipv6(&self->now, &self->addresses, self->bridge.index, &self->error);
}

/* Step 5: VXLAN, undone with the bridge */

static int make_vxlan(struct network_parts *self)
{
	if (!has_vxlan(self))
		return 0;
	return vxlan_make(&self->now, &self->addresses, &self->vxlan, &self->error);
}

/* Step 6: dnsmasq */

static int begin_dnsmasq(struct network_parts *self)
{
	const struct options *options = linux_platform.options;

	self->dnsmasq = dnsmasq_begin(self->config, &self->addresses, options->state_dir,
				      options->runtime_dir, &self->error);
	self->has_begun = self->dnsmasq && self->repair;
	return self->dnsmasq ? 0 : -1;
}

/* When it is repaired it is started when all else is right. */
static int make_dnsmasq(struct network_parts *self)
{
	return is_served(self) && !self->repair ? begin_dnsmasq(self) : 0;
}

/* One that does not serve yet: in a removal there is none any more. */
static int unmake_begun(struct network_parts *self, struct error *error)
{
	(void)error;
	dnsmasq_stop(self->dnsmasq);
	self->dnsmasq = NULL;
	return 0;
}

/* Step 7: firewall */

static int remove_firewall(const struct network_parts *self, struct error *error)
{
	const char *name = self->name;

	return firewall_remove(&name, 1, error);
}

static struct forwarded_ports ports_now(const struct network_parts *self)
{
	return (struct forwarded_ports){ .network = self->name,
					 .items = self->now.port_forwardings,
					 .n = self->now.n_port_forwardings };
}

static void forget_left(struct network_parts *self)
{
	forwarded_end(&(struct forwarded_ports){
		.network = self->name, .items = self->left, .n = self->n_left });
	self->n_left = 0;
}

/* Has those of the requests among the network's that can be had. */
static void take_requests(struct network_parts *self)
{
	for (struct port_request *request = self->requests; request; request = request->next) {
		const struct forwarded_ports ports = { .network = self->name,
						       .items = request->ports,
						       .n = request->n_ports,
						       .is_asked = true };

		if (request->error.code != ERROR_NONE)
			continue;
		if (forwarded_check(&ports, &request->error) < 0) {
			request->error.code = ERROR_INVALID_PARAMETER;
			request->error.parameter = "portForwarding";
			continue;
		}
		memcpy(self->ports + self->now.n_port_forwardings, request->ports,
		       request->n_ports * sizeof(*request->ports));
		self->now.n_port_forwardings += request->n_ports;
		self->ports_changed = true;
	}
}

static void leave_loopback(const struct network_parts *self)
{
	const struct network_addresses *addresses = &self->addresses;
	char own[INTERFACE_NAME_SIZE];

	bridge_leave_loopback(&self->now, addresses, addresses->bridge, self->bridge.index);
	if (!has_vxlan(self))
		return;
	own_name(addresses->bridge, own);
	bridge_leave_loopback(&self->now, addresses, own, self->vxlan.own);
}

/* The rules are there, and lead to whom they have to. */
static void ports_lead(struct network_parts *self)
{
	const struct forwarded_ports ports = ports_now(self);

	if (self->ports_changed)
		leave_loopback(self);
	self->ports_changed = false;
	forget_left(self);
	forwarded_begin(&ports);
	for (struct port_request *request = self->requests; request; request = request->next)
		request->is_granted = request->error.code == ERROR_NONE;
}

/* Those that were not looked at, or could not be written: another step has failed. */
static void refuse_requests(struct network_parts *self)
{
	for (struct port_request *request = self->requests; request; request = request->next)
		if (!request->is_granted && request->error.code == ERROR_NONE)
			request->error = self->error;
}

static int make_firewall(struct network_parts *self)
{
	const struct forwarded_ports ports = ports_now(self);
	struct error ignored;

	if (is_bridged(self) ||
	    (self->repair == REPAIR_BRIDGE && !is_new(self) && !self->ports_changed))
		return 0;
	if (!self->repair && forwarded_check(&ports, &self->error) < 0)
		return -1;
	if (firewall_create(&self->now, &self->addresses, &self->error) == 0) {
		ports_lead(self);
		return 0;
	}
	/* nftables may have taken it, and ended before it could say so. */
	if (!self->repair)
		(void)shortage_check(remove_firewall(self, &ignored));
	return -1;
}

static int unmake_firewall(struct network_parts *self, struct error *error)
{
	const struct forwarded_ports ports = ports_now(self);
	int result = is_bridged(self) ? 0 : remove_firewall(self, error);

	forwarded_end(&ports);
	forget_left(self);
	return result;
}

static int unmake_firewalls(struct network_parts *const *all, size_t n)
{
	const char *names[JOBS_AT_ONCE_MAX] = { NULL };
	struct error ignored;
	size_t n_names = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_bridged(all[i]))
			names[n_names++] = all[i]->name;
	if (shortage_check(firewall_remove(names, n_names, &ignored)) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct forwarded_ports ports = ports_now(all[i]);

		forwarded_end(&ports);
		forget_left(all[i]);
	}
	return 0;
}

/* Step 8: foreign firewalls */

static int make_foreign_firewalls(struct network_parts *self)
{
	struct error ignored;

	if (is_bridged(self) || (self->repair == REPAIR_BRIDGE && !is_new(self)))
		return 0;
	if (foreign_firewalls_open(self->config, &self->addresses, &self->error) == 0)
		return 0;
	if (!self->repair)
		(void)shortage_check(foreign_firewalls_close(self->name, &ignored));
	return -1;
}

static int unmake_foreign_firewalls(struct network_parts *self, struct error *error)
{
	return is_bridged(self) ? 0 : foreign_firewalls_close(self->name, error);
}

/* Step 9: other hosts */

static int join_vxlan(struct network_parts *self)
{
	if (!has_vxlan(self))
		return 0;
	return vxlan_join(self->config, &self->addresses, self->bridge.index, &self->vxlan,
			  &self->error);
}

static int part_vxlan(struct network_parts *self, struct error *error)
{
	(void)error;
	if (has_vxlan(self))
		vxlan_part(self->addresses.bridge);
	return 0;
}

/* Step 10: reach */

static int make_reach(struct network_parts *self)
{
	if (is_bridged(self))
		return 0;
	return reach_open(&self->addresses, has_vxlan(self) ? self->vxlan.own : self->bridge.index,
			  &self->error);
}

/* None of them keeps for another what goes with the last. */
static int unmake_reaches(struct network_parts *const *all, size_t n)
{
	const char *bridges[JOBS_AT_ONCE_MAX];
	size_t n_bridges = 0;

	for (size_t i = 0; i < n; i++)
		if (!is_bridged(all[i]))
			bridges[n_bridges++] = all[i]->addresses.bridge;
	return n_bridges ? reach_close(bridges, n_bridges) : 0;
}

static int unmake_reach(struct network_parts *self, struct error *error)
{
	return undone(unmake_reaches(&self, 1), "routing rules", "", error);
}

/* Step 11: uplink */

static int make_uplink(struct network_parts *self)
{
	return has_uplink(self) ? uplink_open(self->config, &self->addresses, &self->error) : 0;
}

static int unmake_uplink(struct network_parts *self, struct error *error)
{
	const char *bridge = self->addresses.bridge;

	return undone(has_uplink(self) ? uplink_close(self->name, bridge, has_vxlan(self)) : 0,
		      "routing table", "", error);
}

/* Step 12: forwarding */

static int acquire_forwarding(struct network_parts *self, const char *device)
{
	return forwarding_acquire(linux_platform.options->runtime_dir, device,
				  self->repair != REPAIR_NOTHING, &self->error);
}

/* Machines of other hosts answer by the host's own end. */
static int make_forwarding(struct network_parts *self)
{
	const char *bridge = self->addresses.bridge;
	char own[INTERFACE_NAME_SIZE];
	struct error ignored;

	if (!is_routed(self) || (self->repair == REPAIR_BRIDGE && !is_new(self)))
		return 0;
	if (acquire_forwarding(self, bridge) < 0)
		return -1;
	if (!has_vxlan(self))
		return 0;
	own_name(bridge, own);
	if (acquire_forwarding(self, own) == 0)
		return 0;
	if (!self->repair)
		(void)shortage_check(
			forwarding_release(linux_platform.options->runtime_dir, bridge, &ignored));
	return -1;
}

static int unmake_forwarding(struct network_parts *self, struct error *error)
{
	const char *directory = linux_platform.options->runtime_dir;
	const char *bridge = self->addresses.bridge;
	char own[INTERFACE_NAME_SIZE];

	if (!is_routed(self))
		return 0;
	own_name(bridge, own);
	if (has_vxlan(self) && forwarding_release(directory, own, error) < 0)
		return -1;
	return forwarding_release(directory, bridge, error);
}

/* Step 13: serving */

/* One that was bound to a former bridge, or own end of the host's, hears nothing any more. */
static bool is_dnsmasq_useless(const struct network_parts *self)
{
	if (!self->repair || is_new(self))
		return self->repair;
	if (!self->dnsmasq ||
	    !dnsmasq_has_lost_leases(self->dnsmasq, linux_platform.options->state_dir))
		return false;
	log_warning(self->name, "its leases were removed; its dnsmasq is started again");
	return true;
}

static int finish_dnsmasq(struct network_parts *self)
{
	int result = self->dnsmasq ? 0 : begin_dnsmasq(self);

	if (result == 0 && dnsmasq_finish(self->dnsmasq, &self->error) < 0) {
		self->dnsmasq = NULL;
		result = -1;
	}
	return result;
}

static int make_serving(struct network_parts *self)
{
	if (!is_served(self))
		return 0;
	if (is_dnsmasq_useless(self)) {
		dnsmasq_stop(self->dnsmasq);
		if (!self->dnsmasq)
			(void)dnsmasq_stop_leftover(self->name,
						    linux_platform.options->runtime_dir);
		self->dnsmasq = NULL;
	}
	if ((self->repair && self->dnsmasq) || finish_dnsmasq(self) == 0)
		return 0;
	if (self->repair || !dnsmasq_lacks_bridge(&self->error))
		return -1;
	/* Somebody has just removed it, or its addresses: a new network is looked at again. */
	self->faults[FAULT_SERVERS] = self->error;
	return 0;
}

static int unmake_dnsmasq(struct network_parts *self, struct error *error)
{
	int result = 0;

	if (self->dnsmasq)
		dnsmasq_stop(self->dnsmasq);
	else
		result = dnsmasq_stop_leftover(self->name, linux_platform.options->runtime_dir);
	self->dnsmasq = NULL;
	return undone(result, "dnsmasq", "", error);
}

/* They end side by side, and are waited for one by one. */
static int begin_to_unmake_dnsmasq(struct network_parts *const *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i]->dnsmasq)
			dnsmasq_ask_to_end(all[i]->dnsmasq);
	return -1;
}

/* Step 14: keeping */

static int make_kept(struct network_parts *self)
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
	{ make_addresses, NULL, NULL, FAULT_NETWORK, false, true, REPAIR_BRIDGE },
	{ make_record, unmake_record, NULL, FAULT_RECORDS, false, false, REPAIR_BRIDGE },
	{ make_bridge, unmake_bridge, unmake_bridges, FAULT_NETWORK, false, true, REPAIR_BRIDGE },
	{ make_ipv6, NULL, NULL, FAULT_NETWORK, false, false, REPAIR_BRIDGE },
	{ make_vxlan, NULL, NULL, FAULT_NETWORK, false, false, REPAIR_BRIDGE },
	{ make_dnsmasq, unmake_begun, NULL, FAULT_SERVERS, false, true, REPAIR_BRIDGE },
	{ make_firewall, unmake_firewall, unmake_firewalls, FAULT_NETWORK, false, true,
	  REPAIR_BRIDGE },
	{ make_foreign_firewalls, unmake_foreign_firewalls, NULL, FAULT_NETWORK, false, true,
	  REPAIR_BRIDGE },
	{ join_vxlan, part_vxlan, NULL, FAULT_NETWORK, false, false, REPAIR_BRIDGE },
	{ make_reach, unmake_reach, unmake_reaches, FAULT_ROUTING, true, false, REPAIR_ROUTING },
	{ make_uplink, unmake_uplink, NULL, FAULT_ROUTING, true, false, REPAIR_ROUTING },
	{ make_forwarding, unmake_forwarding, NULL, FAULT_NETWORK, false, true, REPAIR_BRIDGE },
	{ make_serving, unmake_dnsmasq, begin_to_unmake_dnsmasq, FAULT_SERVERS, false, true,
	  REPAIR_BRIDGE },
	{ make_kept, NULL, NULL, FAULT_RECORDS, true, false,
	  REPAIR_BRIDGE }, /* for the next life */
};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

/* Undoes the first n_steps of several networks, the last of them first. */
static void unmake(struct network_parts *const *all, size_t n, size_t n_steps)
{
	struct error error;

	while (n_steps-- > 0) {
		const struct step *step = &steps[n_steps];

		if (!step->unmake || (n > 1 && step->unmake_all && step->unmake_all(all, n) == 0))
			continue;
		for (size_t i = 0; i < n; i++)
			if (shortage_check(step->unmake(all[i], &error)) < 0)
				log_warning(all[i]->name, "not all of it can be removed: %s",
					    error.reason);
	}
}

int network_parts_make(struct network_parts *self)
{
	for (size_t i = 0; i < N_STEPS; i++) {
		if (steps[i].make(self) == 0)
			continue;
		if (steps[i].can_wait) {
			self->faults[steps[i].fault] = self->error;
			continue;
		}
		unmake(&self, 1, i);
		return -1;
	}
	return 0;
}

/* What is there stays when a step fails: machines use it. */
void network_parts_repair(struct network_parts *self)
{
	bool failed = false;

	for (size_t i = 0; i < N_FAULTS; i++)
		self->faults[i].code = ERROR_NONE;
	take_requests(self);
	for (size_t i = 0; i < N_STEPS; i++) {
		const struct step *step = &steps[i];

		/* What is written down needs none of them. */
		if (self->repair < step->repair || (failed && step->fault != FAULT_RECORDS) ||
		    step->make(self) == 0)
			continue;
		failed |= step->is_needed;
		self->faults[step->fault] = self->error;
	}
	refuse_requests(self);
}

void network_parts_remove(struct network_parts *const *all, size_t n)
{
	unmake(all, n, N_STEPS);
}
