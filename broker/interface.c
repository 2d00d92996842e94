/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many interfaces, with which MAC addresses, for how long. An interface lives as long as its
 * device, which nobody but the machine keeps open: when its client dies alone the machine
 * goes on. One that is opened by its name, which any process of its user may do, lives as
 * long as the hold of the client that attached it.
 */
#include "interface.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hold.h"
#include "interface_options.h"
#include "interface_ports.h"
#include "names.h"
#include "platform.h"
#include "user_limits.h"

static void interface_event(const struct interface *interface, enum event_type type)
{
	platform_event(&(struct event){
		.type = type, .network = interface->network, .interface = interface });
}

/* Of the longest frames, how many the kernel may hold for it. */
static unsigned int frames_held(unsigned int queued, const struct interface_options *options)
{
	return queued + rate_limit_frames(&options->rate_in) +
	       rate_limit_frames(&options->rate_out);
}

static int charge_of(const struct interface *interface)
{
	return (int)frames_held(interface->queues * interface->frames, &interface->options);
}

static void interface_free(struct interface *interface)
{
	struct interface **link = &interface->network->interfaces;

	while (*link != interface)
		link = &(*link)->next;
	*link = interface->next;
	interface->usage->interfaces--;
	usage_charge_frames(interface->usage, -charge_of(interface));
	interface->usage->ports -= interface_ports_kept(&interface->options);
	if (interface->state == INTERFACE_ATTACHING)
		interface->usage->requests--;
	usage_leave(interface->usage);
	free(interface->options.port_forwardings);
	free(interface);
}

/* Of one that is attached: interface_start() has another wait for that. */
static struct interface *interface_new(struct network *network, const struct interface_made *made)
{
	struct interface *interface = calloc(1, sizeof(*interface));

	if (!interface)
		return NULL;
	interface->usage = usage_join(platform_account(made->owner));
	if (!interface->usage) {
		free(interface);
		return NULL;
	}
	interface->usage->interfaces++;
	interface->number = ++network->broker->last_number;
	interface->state = INTERFACE_ATTACHED;
	interface->owner = made->owner;
	interface->queues = made->queues;
	interface->frames = made->frames;
	interface->network = network;
	interface->mac = made->mac;
	interface->attached = made->attached;
	if (made->options) {
		interface->options = *made->options;
		made->options->port_forwardings = NULL;
	}
	usage_charge_frames(interface->usage, charge_of(interface));
	interface->usage->ports += interface_ports_kept(&interface->options);
	interface->next = network->interfaces;
	network->interfaces = interface;
	return interface;
}

bool interface_options_are_given(const struct interface_options *options)
{
	return options->name[0] || options->has_ipv4 || options->has_ipv6 ||
	       options->n_port_forwardings || options->rate_in.bits_per_second ||
	       options->rate_out.bits_per_second;
}

struct interface *broker_interface_find(const struct client *client, const char *network,
					const char *device, struct error *error)
{
	struct target target;

	if (names_resolve(client, network, &target, error) < 0)
		return NULL;
	for (struct interface *i = target.network ? target.network->interfaces : NULL; i;
	     i = i->next)
		if (i->state == INTERFACE_ATTACHED && strcmp(i->name, device) == 0)
			return i;
	error_set(error, ERROR_INVALID_PARAMETER,
		  "network \"%s\" has no machine with device %s; \"vmnetctl machines %s\" lists "
		  "those that it has",
		  network, device, network);
	error->parameter = "device";
	return NULL;
}

bool interfaces_have_mac(const struct network *network, const struct mac_address *mac)
{
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (i->state != INTERFACE_DETACHING && mac_address_equal(mac, &i->mac))
			return true;
	return false;
}

/* The host's own address on the network counts as used, too. */
static bool mac_is_used(const struct network *network, const struct mac_address *mac)
{
	if (mac_address_equal(mac, &network->addresses.bridge_mac) ||
	    vxlan_mac_is_hosts(network->config, mac))
		return true;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (mac_address_equal(mac, &i->mac))
			return true;
	return false;
}

static bool mac_is_reserved(const struct network *network, const struct mac_address *mac)
{
	const struct network_config *config = network->config;

	for (size_t i = 0; i < config->n_dhcp_reservations; i++)
		if (mac_address_equal(mac, &config->dhcp_reservations[i].mac))
			return true;
	return false;
}

/* A unicast, locally administered address (IEEE 802) that is new to the network. */
static struct mac_address mac_generate(const struct network *network)
{
	struct mac_address mac;

	do {
		platform_random(mac.bytes, sizeof(mac.bytes));
		mac.bytes[0] = (uint8_t)((mac.bytes[0] & 0xfc) | 0x02);
	} while (mac_is_used(network, &mac) || mac_is_reserved(network, &mac));
	return mac;
}

static int mac_of_name(const struct network *network, uid_t uid, const char *name,
		       struct mac_address *mac, struct error *error)
{
	unsigned int attempt = 0;
	struct host_key key;

	if (platform_host_key(&key, error) < 0)
		return -1;
	do
		*mac = interface_named_mac(network, &key, uid, name, attempt++);
	while (mac_is_used(network, mac) || mac_is_reserved(network, mac));
	return 0;
}

static int choose_mac(const struct client *client, const struct network *network,
		      const struct attach_request *request, struct mac_address *mac,
		      struct error *error)
{
	if (!request->mac && request->options && request->options->name[0])
		return mac_of_name(network, client->credentials.uid, request->options->name, mac,
				   error);
	*mac = request->mac ? *request->mac : mac_generate(network);
	return 0;
}

static int check_request(const struct network *network, const struct attach_request *request,
			 struct error *error)
{
	char text[MAC_TEXT_SIZE];
	unsigned int n = 0;

	for (const struct interface *i = network->interfaces; i; i = i->next)
		n++;
	if (n >= network->config->max_interfaces) {
		error_set(error, ERROR_LIMIT_EXCEEDED,
			  "network \"%s\" has %u interfaces, as many as its \"max_interfaces\" "
			  "allows; stop a machine or raise it",
			  network->config->name, n);
		error->limit = "max_interfaces";
		error->value = network->config->max_interfaces;
		return -1;
	}
	if (request->mac && mac_is_used(network, request->mac)) {
		error_set(error, ERROR_INVALID_PARAMETER,
			  "MAC address %s is used on network \"%s\" already; choose another",
			  mac_address_format(request->mac, text), network->config->name);
		error->parameter = "macAddress";
		return -1;
	}
	return 0;
}

/*
 * One with a name has an address from the start, by which it is found: until it has one, others
 * could have the name.
 */
static int check_options(const struct client *client, const struct network *network,
			 const struct attach_request *request, const struct mac_address *mac,
			 struct error *error)
{
	struct interface_options *options = request->options;

	if (interface_options_check(network, mac, options, error) < 0)
		return -1;
	if (options->name[0] && !options->has_ipv4 && network_gives_ipv4(network->config)) {
		options->has_ipv4 = options->is_ipv4_chosen = true;
		if (interface_choose_ipv4(network, mac, &options->ipv4, error) < 0)
			return -1;
	}
	return interface_ports_check(client, network, mac, options, error);
}

/* Returns 0, or -1 when memory is short. */
static int interface_start(struct client *client, struct network *network,
			   const struct attach_request *request, const struct mac_address *mac,
			   unsigned int frames)
{
	struct interface_made made = {
		.mac = *mac,
		.owner = client->credentials.uid,
		.queues = request->queues,
		.frames = frames,
		.options = request->options,
		.attached = platform_now(),
	};
	struct interface *interface = interface_new(network, &made);

	if (!interface)
		return -1;
	interface->client = client;
	interface->state = INTERFACE_ATTACHING;
	interface->is_new_mac = !request->mac && !interface->options.name[0];
	interface->usage->requests++;
	interface->vhost = request->vhost;
	interface->by_name = request->by_name;
	if (platform_interface_attach(interface) == 0)
		return 0;
	interface_free(interface);
	return -1;
}

void broker_attach(struct client *client, const struct attach_request *request)
{
	struct error error;
	struct network *network = broker_held_network(client, request->network, &error);
	unsigned int frames = limits_frames(client->usage, request->queues);
	struct interface_options none = { 0 };
	struct attach_request whole = *request;
	struct mac_address mac;

	if (!whole.options)
		whole.options = &none;
	if (!network || interface_options_set_rates(network, whole.options, &error) < 0 ||
	    limits_check_interface(client, frames_held(request->queues * frames, whole.options),
				   &error) < 0 ||
	    check_request(network, request, &error) < 0 ||
	    choose_mac(client, network, request, &mac, &error) < 0 ||
	    check_options(client, network, &whole, &mac, &error) < 0) {
		platform_attached(client, NULL, NULL, &error);
		return;
	}
	if (interface_start(client, network, &whole, &mac, frames) < 0) {
		error_set(&error, ERROR_INTERNAL, "out of memory for an interface on \"%s\"",
			  request->network);
		platform_attached(client, NULL, NULL, &error);
	}
}

static void interface_failed(struct interface *interface, const struct error *error)
{
	struct network *network = interface->network;
	struct client *client = interface->client;

	if (platform_may_log(interface->owner, true))
		log_error(network->config->name, "an interface cannot be attached: %s",
			  error->reason);
	network->user = interface->owner;
	interface_free(interface);
	if (client)
		platform_attached(client, NULL, NULL, error);
	broker_network_check(network);
}

void broker_interface_attached(struct interface *interface, struct interface_fds *fds,
			       const struct error *error)
{
	char text[MAC_TEXT_SIZE];

	if (error) {
		interface_failed(interface, error);
		return;
	}
	interface->state = INTERFACE_ATTACHED;
	interface->usage->requests--;
	interface_event(interface, EVENT_INTERFACE_ATTACHED);
	if (interface->client)
		platform_attached(interface->client, interface, fds, NULL);
	/* Whoever waits for the interface does not for this. */
	if (platform_may_log(interface->owner, false))
		log_info(interface->network->config->name, "interface %s attached, MAC address %s",
			 interface->name, mac_address_format(&interface->mac, text));
	if (interface->client)
		return;
	/* The client has left meanwhile; so does the device, with its descriptors or without. */
	platform_fds_discard(fds);
	if (interface->by_name) {
		interface->state = INTERFACE_DETACHING;
		platform_interface_detach(interface);
	}
}

void broker_interface_detached(struct interface *interface)
{
	struct network *network = interface->network;

	if (platform_may_log(interface->owner, false))
		log_info(network->config->name, "interface %s detached", interface->name);
	network->user = interface->owner;
	interface_event(interface, EVENT_INTERFACE_DETACHED);
	platform_gone(interface);
	interface_free(interface);
	broker_network_check(network);
}

struct interface *broker_interface_adopt(struct network *network, const struct interface_made *made)
{
	struct interface *interface = interface_new(network, made);

	if (!interface)
		return NULL;
	(void)snprintf(interface->name, sizeof(interface->name), "%s", made->name);
	interface->may_have_former = true;
	return interface;
}

void broker_interface_claim(const struct network *network, const struct mac_address *mac,
			    struct client *client)
{
	for (struct interface *i = network->interfaces; i; i = i->next) {
		if (i->client || !mac_address_equal(&i->mac, mac))
			continue;
		i->client = client;
		i->by_name = true;
		return;
	}
}

void broker_interfaces_release(struct client *client, struct network *network)
{
	for (struct interface *i = network->interfaces; i; i = i->next) {
		if (i->client != client)
			continue;
		i->client = NULL;
		if (i->by_name && i->state == INTERFACE_ATTACHED) {
			i->state = INTERFACE_DETACHING;
			platform_interface_detach(i);
		}
	}
}
