/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds: a client's claims on networks, which networks live by. One waits while its network is
 * made, or for the next life of one that is being removed; a client has at most one on a
 * network, and they end with its connection.
 */
#include "hold.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "names.h"
#include "network.h"
#include "platform.h"
#include "user_limits.h"

static void client_event(const struct hold *hold, enum event_type type)
{
	platform_event(
		&(struct event){ .type = type, .network = hold->network, .client = hold->client });
}

static struct hold *client_hold(const struct client *client, const struct network *network)
{
	for (struct hold *hold = client->holds; hold; hold = hold->next)
		if (hold->network == network)
			return hold;
	return NULL;
}

struct hold *hold_new(struct client *client, struct network *network)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (!hold)
		return NULL;
	hold->client = client;
	hold->network = network;
	hold->number = ++network->broker->last_number;
	hold->waiting = true;
	client->usage->holds++;
	client->usage->requests++;
	hold->next = client->holds;
	client->holds = hold;
	hold->next_on_network = network->holds;
	network->holds = hold;
	return hold;
}

void hold_free(struct hold *hold)
{
	struct hold **link = &hold->client->holds;

	while (*link != hold)
		link = &(*link)->next;
	*link = hold->next;
	link = &hold->network->holds;
	while (*link != hold)
		link = &(*link)->next_on_network;
	*link = hold->next_on_network;
	hold->client->usage->holds--;
	if (hold->waiting)
		hold->client->usage->requests--;
	free(hold);
}

static void hold_wait_no_more(struct hold *hold)
{
	hold->waiting = false;
	hold->client->usage->requests--;
}

static void log_hold(const struct hold *hold, const char *what)
{
	const struct credentials *credentials = &hold->client->credentials;

	if (!platform_may_log(credentials->uid, false))
		return;
	log_info(hold->network->config->name, "%s by %s (pid %jd, uid %ju)", what,
		 credentials->command, (intmax_t)credentials->pid, (uintmax_t)credentials->uid);
}

void hold_end(struct hold *hold)
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

void hold_granted(struct hold *hold)
{
	hold_wait_no_more(hold);
	log_hold(hold, "acquired");
	client_event(hold, EVENT_CLIENT_ACQUIRED);
	platform_acquired(hold->client, hold->network, NULL);
}

struct hold *hold_waiting(const struct network *network)
{
	for (struct hold *hold = network->holds; hold; hold = hold->next_on_network)
		if (hold->waiting)
			return hold;
	return NULL;
}

bool holds_keep(const struct network *network)
{
	for (const struct hold *hold = network->holds; hold; hold = hold->next_on_network)
		if (!hold->waiting || !network->ending)
			return true;
	return false;
}

/* A hold on a network that is there, or on its way. Returns 0, or -1 when memory is short. */
static int join(struct client *client, struct network *network)
{
	struct hold *hold = hold_new(client, network);

	if (!hold)
		return -1;
	if (network->state == NETWORK_ACTIVE && !network->ending)
		hold_granted(hold);
	return 0;
}

/* Takes the hold; it is answered here unless it has to wait. Returns 0, or -1 with error. */
static int acquire(struct client *client, const char *name, struct error *error)
{
	struct target target;

	if (names_resolve(client, name, &target, error) < 0)
		return -1;
	if (target.network && client_hold(client, target.network)) {
		platform_acquired(client, target.network, NULL);
		return 0;
	}
	if (limits_check_hold(client, error) < 0 ||
	    (!target.network && network_check_ports(client->broker, target.config, error) < 0))
		return -1;
	if (target.network ? join(client, target.network) == 0
			   : network_start(client, target.config) == 0)
		return 0;
	return error_set(error, ERROR_INTERNAL, "out of memory for network \"%s\"", name);
}

void broker_acquire(struct client *client, const char *name)
{
	struct error error;

	if (acquire(client, name, &error) < 0)
		platform_acquired(client, NULL, &error);
}

int broker_hold_adopt(struct client *client, struct network *network)
{
	struct hold *hold = hold_new(client, network);

	if (!hold)
		return -1;
	hold_wait_no_more(hold);
	log_hold(hold, "still held");
	return 0;
}

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
	int result = names_resolve(client, name, &target, error);
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
