/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks, clients, holds and lifetimes.
 *
 * A network has a record for as long as it is not inactive:
 *
 *	(none) -> CREATING -> ACTIVE -> REMOVING -> (none)
 *
 * The first hold makes the record and asks the platform to create the network;
 * clients that come meanwhile wait on it with a hold of their own. When an
 * active network has neither hold nor interface the platform is asked to remove
 * it; a client that comes meanwhile waits for the next life. The platform has
 * only one thing to do for a network at a time, and what a client does in
 * between changes holds alone, so every order of events ends right.
 *
 * Answers may bring a door to call in again at once: an answered hold or record
 * is not touched afterwards without having been looked up again.
 */
#include "broker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "interface.h"
#include "platform.h"
#include "user_limits.h"

/* What a name stands for: network is NULL while it is inactive. */
struct target {
	struct network *network;
	struct network_config *config;
};

static const char *const event_names[] = {
	[EVENT_NETWORK_CREATED] = "network_created",
	[EVENT_NETWORK_REMOVED] = "network_removed",
	[EVENT_CLIENT_ACQUIRED] = "client_acquired",
	[EVENT_CLIENT_RELEASED] = "client_released",
	[EVENT_INTERFACE_ATTACHED] = "interface_attached",
	[EVENT_INTERFACE_DETACHED] = "interface_detached",
	[EVENT_LEASE_ADDED] = "lease_added",
	[EVENT_LEASE_REMOVED] = "lease_removed",
};

const char *event_type_name(enum event_type type)
{
	return event_names[type];
}

/* Who may do what */

static bool is_allowed(const struct client *client, const struct network_config *config)
{
	const struct credentials *credentials = &client->credentials;
	const struct network_allow *allow = &config->allow;

	if (!allow->restricted || credentials->uid == 0)
		return true;
	for (size_t i = 0; i < allow->n_users; i++)
		if (allow->users[i] == credentials->uid)
			return true;
	for (size_t i = 0; i < allow->n_groups; i++)
		for (size_t j = 0; j < credentials->n_groups; j++)
			if (allow->groups[i] == credentials->groups[j])
				return true;
	return false;
}

/* Appends to a text what fits of `, word "name"`; a list that is cut is still a list. */
static void append_name(char *text, size_t size, const char *word, const char *name)
{
	size_t length = strlen(text);

	(void)snprintf(text + length, size - length, "%s%s \"%s\"", length > 0 ? ", " : "", word,
		       name);
}

static int set_not_allowed(const struct network_config *config, struct error *error)
{
	const struct network_allow *allow = &config->allow;
	char who[300] = "";

	for (size_t i = 0; i < allow->n_users; i++)
		append_name(who, sizeof(who), "user", allow->users_text[i]);
	for (size_t i = 0; i < allow->n_groups; i++)
		append_name(who, sizeof(who), "group", allow->groups_text[i]);
	return error_set(error, ERROR_NOT_ALLOWED,
			 "network \"%s\" may be acquired only by %s%sroot", config->name, who,
			 who[0] ? " and " : "");
}

/* Names */

static struct network *network_find(const struct broker *broker, const char *name)
{
	for (struct network *network = broker->networks; network; network = network->next)
		if (strcmp(network->config->name, name) == 0)
			return network;
	return NULL;
}

static int set_not_found(const struct broker *broker, const char *name, struct error *error)
{
	if (broker->config->fault)
		return error_set(error, ERROR_INVALID_CONFIGURATION, "%s", broker->config->fault);
	return error_set(
		error, ERROR_NETWORK_NOT_FOUND,
		"no network \"%s\" is configured; \"vmnetctl networks\" lists those that are",
		name);
}

/*
 * What the configuration calls by this name; or a network that it has lost
 * since, for as long as that one lives.
 */
static int resolve(const struct client *client, const char *name, struct target *target,
		   struct error *error)
{
	const struct broker *broker = client->broker;

	target->config = config_find(broker->config, name);
	target->network = target->config ? network_find(broker, target->config->name) : NULL;
	for (struct network *network = broker->networks; network && !target->config;
	     network = network->next) {
		if (network_config_has_name(network->config, name)) {
			target->config = network->config;
			target->network = network;
		}
	}
	if (!target->config)
		return set_not_found(broker, name, error);
	if (target->network)
		target->config = target->network->config;
	if (!is_allowed(client, target->config))
		return set_not_allowed(target->config, error);
	return 0;
}

/* Events */

bool broker_may_know(const struct client *client, const struct network_config *config)
{
	return is_allowed(client, config);
}

void broker_event(const struct event *event)
{
	platform_event(event);
}

static void network_event(const struct network *network, enum event_type type)
{
	broker_event(&(struct event){ .type = type, .network = network });
}

static void client_event(const struct hold *hold, enum event_type type)
{
	broker_event(
		&(struct event){ .type = type, .network = hold->network, .client = hold->client });
}

static void lease_event(const struct network *network, enum event_type type,
			const struct lease *lease)
{
	broker_event(&(struct event){ .type = type, .network = network, .lease = lease });
}

/* Networks */

void leases_free(struct lease *leases)
{
	while (leases) {
		struct lease *next = leases->next;

		free(leases);
		leases = next;
	}
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

static void network_free(struct network *network)
{
	while (network->interfaces) {
		struct interface *next = network->interfaces->next;

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

static void tell_if_idle(const struct broker *broker)
{
	if (broker_is_idle(broker))
		platform_idle();
}

bool broker_is_idle(const struct broker *broker)
{
	return !broker->networks && !broker->clients;
}

void broker_network_check(struct network *network)
{
	if (network->state != NETWORK_ACTIVE || network->holds || network->interfaces)
		return;
	log_debug(network->config->name, "nobody uses it any more");
	network->state = NETWORK_REMOVING;
	platform_network_remove(network);
}

/* Holds */

static struct hold *client_hold(const struct client *client, const struct network *network)
{
	for (struct hold *hold = client->holds; hold; hold = hold->next)
		if (hold->network == network)
			return hold;
	return NULL;
}

static struct hold *hold_new(struct client *client, struct network *network)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (!hold)
		return NULL;
	hold->client = client;
	hold->network = network;
	hold->waiting = true;
	hold->next = client->holds;
	client->holds = hold;
	hold->next_on_network = network->holds;
	network->holds = hold;
	return hold;
}

static void hold_free(struct hold *hold)
{
	struct hold **link = &hold->client->holds;

	while (*link != hold)
		link = &(*link)->next;
	*link = hold->next;
	link = &hold->network->holds;
	while (*link != hold)
		link = &(*link)->next_on_network;
	*link = hold->next_on_network;
	free(hold);
}

static void log_hold(const struct hold *hold, const char *what)
{
	const struct credentials *credentials = &hold->client->credentials;

	if (!platform_may_log(credentials->uid, false))
		return;
	log_info(hold->network->config->name, "%s by %s (pid %jd, uid %ju)", what,
		 credentials->command, (intmax_t)credentials->pid, (uintmax_t)credentials->uid);
}

static void hold_end(struct hold *hold)
{
	struct client *client = hold->client;
	struct network *network = hold->network;

	if (!hold->waiting) {
		log_hold(hold, "released");
		client_event(hold, EVENT_CLIENT_RELEASED);
	}
	hold_free(hold);
	network->user = client->credentials.uid;
	platform_hold_ended(client, network);
	broker_network_check(network);
}

static void hold_granted(struct hold *hold)
{
	hold->waiting = false;
	log_hold(hold, "acquired");
	client_event(hold, EVENT_CLIENT_ACQUIRED);
	platform_acquired(hold->client, hold->network, NULL);
}

static struct hold *waiting_hold(const struct network *network)
{
	for (struct hold *hold = network->holds; hold; hold = hold->next_on_network)
		if (hold->waiting)
			return hold;
	return NULL;
}

/* Starts an inactive network for its first hold. */
static int network_start(struct client *client, struct network_config *config)
{
	struct network *network = network_new(client->broker, config);

	if (!network)
		return -1;
	network_config_ref(config);
	if (!hold_new(client, network)) {
		network_unlink(network);
		network_free(network);
		return -1;
	}
	network->state = NETWORK_CREATING;
	network->user = client->credentials.uid;
	platform_network_create(network);
	return 0;
}

static const struct port_forwarding *shared_port(const struct network_config *one,
						 const struct network_config *other)
{
	for (size_t i = 0; i < one->n_port_forwardings; i++) {
		const struct port_forwarding *port = &one->port_forwardings[i];

		for (size_t j = 0; j < other->n_port_forwardings; j++) {
			const struct port_forwarding *taken = &other->port_forwardings[j];

			if (port->protocol == taken->protocol && port->family == taken->family &&
			    port->external_port == taken->external_port)
				return port;
		}
	}
	return NULL;
}

/* A port leads to one network in a configuration, but an active one may have an earlier one. */
static int check_ports(const struct broker *broker, const struct network_config *config,
		       struct error *error)
{
	for (const struct network *network = broker->networks; network; network = network->next) {
		const struct port_forwarding *port = shared_port(config, network->config);

		if (port && network->state != NETWORK_REMOVING)
			return error_set(error, ERROR_CREATE_FAILED,
					 "%s port %u still leads to network \"%s\", as it was "
					 "configured before; end that network's use first",
					 port->protocol == IPPROTO_TCP ? "tcp" : "udp",
					 port->external_port, network->config->name);
	}
	return 0;
}

static void refuse_acquire(struct client *client, const struct error *error)
{
	platform_acquired(client, NULL, error);
}

void broker_acquire(struct client *client, const char *name)
{
	struct target target;
	struct error error;
	struct hold *hold;

	if (resolve(client, name, &target, &error) < 0) {
		refuse_acquire(client, &error);
		return;
	}
	hold = target.network ? client_hold(client, target.network) : NULL;
	if (hold) {
		platform_acquired(client, target.network, NULL);
		return;
	}
	if (limits_check_hold(client, &error) < 0 ||
	    (!target.network && check_ports(client->broker, target.config, &error) < 0)) {
		refuse_acquire(client, &error);
		return;
	}
	if (!target.network) {
		if (network_start(client, target.config) < 0)
			goto no_memory;
		return;
	}
	hold = hold_new(client, target.network);
	if (!hold)
		goto no_memory;
	if (target.network->state == NETWORK_ACTIVE)
		hold_granted(hold);
	return;

no_memory:
	error_set(&error, ERROR_INTERNAL, "out of memory for network \"%s\"", name);
	refuse_acquire(client, &error);
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
		refuse_acquire(client, error);
	}
	network_free(network);
	tell_if_idle(broker);
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
	if (!network->holds) {
		broker_network_check(network);
		return;
	}
	/* A door that is answered may release at once, and even acquire again. */
	while (network->state == NETWORK_ACTIVE && (hold = waiting_hold(network)))
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
	network_free(network);
	tell_if_idle(broker);
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

int broker_hold_adopt(struct client *client, struct network *network)
{
	struct hold *hold = hold_new(client, network);

	if (!hold)
		return -1;
	hold->waiting = false;
	log_hold(hold, "still held");
	return 0;
}

/* All faults of a network in one sentence. NULL: there is none, or memory is short. */
static char *join_faults(const struct network *network)
{
	char *text = NULL;

	for (size_t i = 0; i < N_FAULTS; i++) {
		char *longer = NULL;

		if (!network->faults[i])
			continue;
		if (asprintf(&longer, "%s%s%s", text ? text : "", text ? "; " : "",
			     network->faults[i]) < 0)
			longer = NULL;
		free(text);
		text = longer;
	}
	return text;
}

void broker_network_fault(struct network *network, enum fault_kind kind, const char *fault)
{
	char **known = &network->faults[kind];

	if (fault ? *known && strcmp(*known, fault) == 0 : !*known)
		return;
	free(*known);
	*known = fault ? strdup(fault) : NULL;
	free(network->fault);
	network->fault = join_faults(network);
	if (fault)
		log_error(network->config->name, "%s", fault);
	else if (network->fault)
		log_info(network->config->name, "mended but for this: %s", network->fault);
	else
		log_info(network->config->name, "whole again");
}

/* Leases */

int lease_compare(const struct lease *a, const struct lease *b)
{
	int order = strcmp(a->address, b->address);

	return order ? order : memcmp(&a->mac, &b->mac, sizeof(a->mac));
}

/* An event for each lease that is not among others. */
static void tell_missing(struct network *network, const struct lease *leases,
			 const struct lease *others, enum event_type type)
{
	for (; leases; leases = leases->next) {
		while (others && lease_compare(others, leases) < 0)
			others = others->next;
		if (!others || lease_compare(others, leases) != 0)
			lease_event(network, type, leases);
	}
}

void broker_leases_changed(struct network *network, struct lease *leases)
{
	struct lease *old = network->leases;

	network->leases = leases;
	tell_missing(network, old, leases, EVENT_LEASE_REMOVED);
	tell_missing(network, leases, old, EVENT_LEASE_ADDED);
	leases_free(old);
}

/* What clients ask */

/* A name may be another network's since it was acquired. */
static struct hold *hold_by_name(const struct client *client, const char *name)
{
	for (struct hold *hold = client->holds; hold; hold = hold->next)
		if (network_config_has_name(hold->network->config, name))
			return hold;
	return NULL;
}

struct network *broker_held_network(const struct client *client, const char *name,
				    struct error *error)
{
	struct target target;
	int result = resolve(client, name, &target, error);
	const struct hold *hold =
		result == 0 && target.network ? client_hold(client, target.network) : NULL;

	if (!hold)
		hold = hold_by_name(client, name);
	if (hold && !hold->waiting)
		return hold->network;
	if (result == 0)
		error_set(error, ERROR_NOT_ACQUIRED,
			  "this connection does not hold network \"%s\"; acquire it first", name);
	return NULL;
}

int broker_release(struct client *client, const char *name, struct error *error)
{
	const struct network *network = broker_held_network(client, name, error);

	if (!network)
		return -1;
	hold_end(client_hold(client, network));
	return 0;
}

void broker_describe(const struct network *network, struct network_info *info)
{
	const struct network_config *now =
		config_find_named(network->broker->config, network->config->name);

	*info = (struct network_info){
		.config = network->config,
		.network = network,
		.changed = now ? strcmp(now->json, network->config->json) != 0
			       : !network->broker->config->fault,
	};
	for (const struct hold *hold = network->holds; hold; hold = hold->next_on_network)
		info->n_clients++;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		info->n_interfaces++;
}

static void describe(const struct target *target, struct network_info *info)
{
	if (target->network && target->network->state == NETWORK_ACTIVE)
		broker_describe(target->network, info);
	else
		*info = (struct network_info){ .config = target->config };
}

static int compare_infos(const void *a, const void *b)
{
	const struct network_info *left = a;
	const struct network_info *right = b;

	return strcmp(left->config->name, right->config->name);
}

int broker_list(struct client *client, struct network_info **infos, size_t *n_infos,
		struct error *error)
{
	const struct broker *broker = client->broker;
	const struct config *config = broker->config;
	size_t room = config->n_networks;
	size_t n = 0;

	for (const struct network *network = broker->networks; network; network = network->next)
		room++;
	*infos = calloc(room + 1, sizeof(**infos));
	if (!*infos)
		return error_set(error, ERROR_INTERNAL, "out of memory for the list of networks");
	for (size_t i = 0; i < config->n_networks; i++) {
		struct target target = {
			.network = network_find(broker, config->networks[i]->name),
			.config = config->networks[i],
		};

		if (target.network)
			target.config = target.network->config;
		if (is_allowed(client, target.config))
			describe(&target, &(*infos)[n++]);
	}
	/* Those that the configuration has lost since. */
	for (struct network *network = broker->networks; network; network = network->next) {
		struct target target = { .network = network, .config = network->config };

		if (!config_find_named(config, network->config->name) &&
		    is_allowed(client, network->config))
			describe(&target, &(*infos)[n++]);
	}
	qsort(*infos, n, sizeof(**infos), compare_infos);
	*n_infos = n;
	return 0;
}

int broker_inspect(struct client *client, const char *name, struct network_info *info,
		   struct error *error)
{
	struct target target;

	if (resolve(client, name, &target, error) < 0)
		return -1;
	describe(&target, info);
	return 0;
}

void broker_monitor(struct client *client)
{
	client->monitoring = true;
}

/* Clients */

struct client *broker_client_new(struct broker *broker, struct credentials *credentials, void *door)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->broker = broker;
	client->credentials = *credentials;
	*credentials = (struct credentials){ 0 };
	client->door = door;
	client->next = broker->clients;
	broker->clients = client;
	return client;
}

void broker_client_gone(struct client *client)
{
	struct broker *broker = client->broker;
	struct client **link = &broker->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	while (client->holds)
		hold_end(client->holds);
	free(client->credentials.groups);
	free(client);
	tell_if_idle(broker);
}

/* The broker */

struct broker *broker_new(struct config *config, const char *config_path)
{
	struct broker *broker = calloc(1, sizeof(*broker));

	if (!broker)
		return NULL;
	broker->config_path = strdup(config_path);
	if (!broker->config_path) {
		free(broker);
		return NULL;
	}
	broker->config = config;
	return broker;
}

void broker_free(struct broker *broker)
{
	while (broker->clients) {
		struct client *client = broker->clients;

		broker->clients = client->next;
		/* hold_free() takes it from the list, which the analyser does not see. */
		while (client->holds)
			hold_free(client->holds); /* NOLINT(clang-analyzer-unix.Malloc) */
		free(client->credentials.groups);
		free(client);
	}
	while (broker->networks) {
		struct network *network = broker->networks;

		broker->networks = network->next;
		network_free(network);
	}
	config_free(broker->config);
	free(broker->config_path);
	free(broker);
}
