/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a network begins and ends. What it is made of, and with what, is the platform's
 * (platform_network_create(), on Linux in broker/linux/network/network.c).
 *
 * A network has a struct network for as long as it is not inactive:
 *
 *	(none) -> CREATING -> ACTIVE -> REMOVING -> (none)
 *
 * The first hold makes it and asks the platform to create the network;
 * clients that come meanwhile wait on it with a hold of their own. When an
 * active network has neither hold nor interface the platform is asked to remove
 * it; a client that comes meanwhile waits for the next life, and so does one that
 * comes while what somebody has ended is still in use. The platform has
 * only one thing to do for a network at a time, and what a client does in
 * between changes holds alone, so every order of events ends right.
 *
 * Answers may bring a front end to call in again at once: an answered hold or
 * network is not touched afterwards without having been looked up again.
 */
#include "network.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hold.h"
#include "interface.h"
#include "platform.h"
#include "user_limits.h"

static void network_event(const struct network *network, enum event_type type)
{
	platform_event(&(struct event){ .type = type, .network = network });
}

struct network *network_find(const struct broker *broker, const char *name)
{
	for (struct network *network = broker->networks; network; network = network->next)
		if (strcmp(network->config->name, name) == 0)
			return network;
	return NULL;
}

/* Takes over the reference to config on success. */
static struct network *network_new(struct broker *broker, struct network_config *config)
{
	struct network *network = calloc(1, sizeof(*network));

	if (!network)
		return NULL;
	network->broker = broker;
	network->config = config;
	network->next = broker->networks;
	broker->networks = network;
	return network;
}

static void network_unlink(struct network *network)
{
	struct network **link = &network->broker->networks;

	while (*link != network)
		link = &(*link)->next;
	*link = network->next;
}

void network_free(struct network *network)
{
	/* Not by interface.c, which is not linked where machines join by themselves. */
	while (network->interfaces) {
		struct interface *next = network->interfaces->next;

		usage_leave(network->interfaces->usage);
		free(network->interfaces->options.port_forwardings);
		free(network->interfaces);
		network->interfaces = next;
	}
	leases_free(network->leases);
	network_config_unref(network->config);
	for (size_t i = 0; i < N_FAULTS; i++)
		free(network->faults[i]);
	free(network->fault);
	free(network);
}

void broker_network_check(struct network *network)
{
	if (network->state != NETWORK_ACTIVE || holds_keep(network) || network->interfaces)
		return;
	log_debug(network->config->name, "nobody uses it any more");
	network->state = NETWORK_REMOVING;
	platform_network_remove(network);
}

int network_start(struct client *client, struct network_config *config)
{
	struct network *network = network_new(client->broker, config);
	struct hold *hold = network ? hold_new(client, network) : NULL;

	if (!network)
		return -1;
	network_config_ref(config);
	network->state = NETWORK_CREATING;
	network->user = client->credentials.uid;
	if (hold && platform_network_create(network) == 0)
		return 0;
	if (hold)
		hold_free(hold);
	network_unlink(network);
	network_free(network);
	return -1;
}

const char *interface_describe(const struct interface *interface, char text[INTERFACE_WHO_SIZE])
{
	const char *name = interface->options.name;
	char mac[MAC_TEXT_SIZE];

	(void)snprintf(text, INTERFACE_WHO_SIZE,
		       "machine %s%s%s of network \"%s\" (%s%s%suser %ju)", name[0] ? "\"" : "",
		       name[0] ? name : mac_address_format(&interface->mac, mac),
		       name[0] ? "\"" : "", interface->network->config->name,
		       interface->name[0] ? "device " : "", interface->name,
		       interface->name[0] ? ", " : "", (uintmax_t)interface->owner);
	return text;
}

/* Those that its interfaces have asked for stay theirs. */
static int check_machines(const struct network *network, const struct network_config *config,
			  struct error *error)
{
	struct port_forwarding shared;
	char text[PORT_FORWARDING_TEXT_SIZE];
	char who[INTERFACE_WHO_SIZE];

	for (const struct interface *i = network->interfaces; i; i = i->next)
		if (port_forwardings_share(config->port_forwardings, config->n_port_forwardings,
					   i->options.port_forwardings,
					   i->options.n_port_forwardings, &shared))
			return error_set(
				error, ERROR_CREATE_FAILED,
				"%s lead%s to %s, which has asked for %s; stop that one or "
				"choose another \"external_port\"",
				port_forwarding_format(&shared, text),
				shared.n_ports == 1 ? "s" : "", interface_describe(i, who),
				shared.n_ports == 1 ? "it" : "them");
	return 0;
}

int network_check_ports(const struct broker *broker, const struct network_config *config,
			struct error *error)
{
	for (const struct network *network = broker->networks; network; network = network->next) {
		char text[PORT_FORWARDING_TEXT_SIZE];
		struct port_forwarding shared;

		if (network->state == NETWORK_REMOVING)
			continue;
		if (check_machines(network, config, error) < 0)
			return -1;
		if (port_forwardings_share(config->port_forwardings, config->n_port_forwardings,
					   network->config->port_forwardings,
					   network->config->n_port_forwardings, &shared))
			return error_set(error, ERROR_CREATE_FAILED,
					 "%s still lead%s to network \"%s\", as it was "
					 "configured before; end that network's use first",
					 port_forwarding_format(&shared, text),
					 shared.n_ports == 1 ? "s" : "", network->config->name);
	}
	return 0;
}

/* Answers every client that waits for a network that could not be made. */
static void network_failed(struct network *network, const struct error *error)
{
	struct broker *broker = network->broker;

	if (platform_may_log(network->user, true))
		log_error(network->config->name, "cannot be created: %s", error->reason);
	network_unlink(network);
	while (network->holds) {
		struct client *client = network->holds->client;

		hold_free(network->holds);
		platform_acquired(client, NULL, error);
	}
	platform_gone(network);
	network_free(network);
	broker_tell_if_idle(broker);
}

void broker_network_created(struct network *network, const struct error *error)
{
	struct hold *hold;

	if (error) {
		network_failed(network, error);
		return;
	}
	network->state = NETWORK_ACTIVE;
	if (platform_may_log(network->user, false))
		log_info(network->config->name, "created");
	network_event(network, EVENT_NETWORK_CREATED);
	/* A front end that is answered may release at once, and even acquire again. */
	while (network->state == NETWORK_ACTIVE && !network->ending &&
	       (hold = hold_waiting(network)))
		hold_granted(hold);
	broker_network_check(network);
}

void broker_network_removed(struct network *network)
{
	struct broker *broker = network->broker;

	if (platform_may_log(network->user, false))
		log_info(network->config->name, "removed");
	network_event(network, EVENT_NETWORK_REMOVED);
	network_unlink(network);
	/* Who waited for the next life asks anew: the configuration may be another by now. */
	while (network->holds) {
		struct client *client = network->holds->client;

		hold_free(network->holds);
		broker_acquire(client, network->config->name);
	}
	platform_gone(network);
	network_free(network);
	broker_tell_if_idle(broker);
}

struct network *broker_network_adopt(struct broker *broker, struct network_config *config,
				     const struct network_addresses *addresses, void *platform)
{
	struct network *network = network_new(broker, config);

	if (!network)
		return NULL;
	network->state = NETWORK_ACTIVE;
	network->addresses = *addresses;
	network->platform = platform;
	log_info(config->name, "adopted from an earlier broker");
	return network;
}
