/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' platform: see fake_platform.h. */
#include "fake_platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/hold.h"
#include "broker/platform.h"
#include "broker/user_limits.h"
#include "must.h"

/* What a network or interface has at the platform. */
enum fake_work {
	FAKE_NOTHING,
	FAKE_CREATING,
	FAKE_PRESENT,
	FAKE_REMOVING,
};

struct fake_thing {
	enum fake_work work;
	bool device; /* counted in fake_devices */
};

struct interface_fds {
	struct interface *interface;
};

char fake_events[65536];
unsigned int fake_idle_calls;
unsigned int fake_discarded;
unsigned int fake_devices;
const void *fake_gone;
static unsigned int next_device;
static uint32_t random_state;

void fake_reset(void)
{
	fake_events[0] = '\0';
	fake_idle_calls = 0;
	fake_discarded = 0;
	fake_devices = 0;
	fake_gone = NULL;
	next_device = 0;
	random_state = 1;
}

static struct fake_thing *thing_new(enum fake_work work)
{
	struct fake_thing *thing = calloc(1, sizeof(*thing));

	must(thing);
	thing->work = work;
	return thing;
}

/* What the policy asks for */

int platform_network_create(struct network *network)
{
	must(!network->platform);
	must(network->state == NETWORK_CREATING);
	network->platform = thing_new(FAKE_CREATING);
	return 0;
}

void platform_network_remove(struct network *network)
{
	struct fake_thing *thing = network->platform;

	must(thing && thing->work == FAKE_PRESENT);
	must(network->state == NETWORK_REMOVING);
	must(!holds_keep(network) && !network->interfaces);
	thing->work = FAKE_REMOVING;
}

int platform_interface_attach(struct interface *interface)
{
	must(!interface->platform);
	must(interface->network->state == NETWORK_ACTIVE);
	must(mac_address_is_unicast(&interface->mac));
	interface->platform = thing_new(FAKE_CREATING);
	return 0;
}

void platform_interface_detach(struct interface *interface)
{
	struct fake_thing *thing = interface->platform;

	must(thing && thing->work == FAKE_PRESENT);
	must(interface->state == INTERFACE_DETACHING);
	thing->work = FAKE_REMOVING;
}

void platform_hold_ended(struct client *client, struct network *network)
{
	broker_interfaces_release(client, network);
}

int64_t platform_now(void)
{
	return INT64_C(1700000000000000);
}

void platform_idle(void)
{
	fake_idle_calls++;
}

/* Repeatable, and small enough for collisions to happen. */
void platform_random(void *bytes, size_t size)
{
	uint8_t *byte = bytes;

	for (size_t i = 0; i < size; i++) {
		random_state = random_state * 1103515245U + 12345U;
		byte[i] = (uint8_t)(random_state >> 16);
	}
}

static void answer(struct client *client, const struct network *network,
		   const struct interface *interface, const struct error *error)
{
	struct fake_client *fake = client->connection;

	must(fake->asked);
	must(!error == (network != NULL));
	fake->asked = false;
	fake->answers++;
	fake->error = error ? *error : (struct error){ 0 };
	must(!error || (error->code != ERROR_NONE && error->reason[0]));
	(void)snprintf(fake->network, sizeof(fake->network), "%s",
		       network ? network->config->name : "");
	(void)snprintf(fake->interface, sizeof(fake->interface), "%s",
		       interface ? interface->name : "");
	if (fake->answered)
		fake->answered(fake);
}

void platform_acquired(struct client *client, const struct network *network,
		       const struct error *error)
{
	must(!network || network->state == NETWORK_ACTIVE);
	answer(client, network, NULL, error);
}

void platform_attached(struct client *client, const struct interface *interface,
		       struct interface_fds *fds, const struct error *error)
{
	must(!fds == (error != NULL));
	must(!fds || fds->interface == interface);
	free(fds);
	answer(client, interface ? interface->network : NULL, interface, error);
}

int platform_capture_start(struct capture *capture, const struct interface *interface)
{
	must(interface->state == INTERFACE_ATTACHED);
	must(!capture->platform);
	return 0;
}

void platform_captured(struct client *client, struct interface_fds *fds, const struct error *error)
{
	struct fake_client *fake = client->connection;

	must(fake->asked && !fds == (error != NULL));
	free(fds);
	fake->asked = false;
	fake->answers++;
	fake->error = error ? *error : (struct error){ 0 };
}

void platform_client_end(struct client *client, const struct network *network,
			 const struct error *error)
{
	struct fake_client *fake = client->connection;

	must(error->code == ERROR_ENDED && network->holds);
	fake->ended = true;
	fake->error = *error;
}

void platform_gone(const void *what)
{
	fake_gone = what;
}

void platform_fds_discard(struct interface_fds *fds)
{
	fake_discarded++;
	free(fds);
}

/* Somebody has all ids from 65536 on. */
uid_t platform_account(uid_t uid)
{
	return uid < 65536 ? uid : 65536;
}

bool platform_may_log(uid_t uid, bool fault)
{
	(void)uid;
	(void)fault;
	return true;
}

static void take_event(struct client *client, const struct event *event)
{
	size_t length = strlen(fake_events);
	const char *detail = "";

	must(client->monitoring);
	if (event->interface)
		detail = event->interface->name;
	else if (event->client)
		detail = event->client->credentials.command;
	else if (event->lease)
		detail = event->lease->address;
	(void)snprintf(fake_events + length, sizeof(fake_events) - length, "%s %s%s%s\n",
		       event_type_name(event->type), event->network->config->name,
		       *detail ? " " : "", detail);
}

void platform_fault_changed(void)
{
}

void platform_event(const struct event *event)
{
	for (struct client *client = event->network->broker->clients; client; client = client->next)
		if (client->monitoring && broker_may_know(client, event->network->config))
			take_event(client, event);
}

/* Clients */

struct fake_client *fake_connect(struct broker *broker, uid_t uid, gid_t gid)
{
	struct fake_client *fake = calloc(1, sizeof(*fake));
	struct credentials credentials = { .pid = 100, .uid = uid, .command = "test" };

	must(fake);
	credentials.groups = malloc(sizeof(gid_t));
	must(credentials.groups);
	credentials.groups[0] = gid;
	credentials.n_groups = 1;
	fake->client = broker_client_new(broker, &credentials, fake);
	if (!fake->client) {
		free(credentials.groups);
		free(fake);
		return NULL;
	}
	must(!credentials.groups);
	return fake;
}

void fake_acquire(struct fake_client *client, const char *name)
{
	must(!client->asked);
	client->asked = true;
	broker_acquire(client->client, name);
}

void fake_attach(struct fake_client *client, const struct attach_request *request)
{
	must(!client->asked);
	client->asked = true;
	broker_attach(client->client, request);
}

void fake_capture(struct fake_client *client, const char *network, const char *device)
{
	must(!client->asked);
	client->asked = true;
	broker_capture(client->client, network, device);
}

void fake_disconnect(struct fake_client *client)
{
	broker_captures_release(client->client);
	broker_client_gone(client->client);
	free(client);
}

/* What happens at the platform */

struct network *fake_network(const struct broker *broker, const char *name,
			     enum network_state state)
{
	for (struct network *network = broker->networks; network; network = network->next)
		if (network->state == state && strcmp(network->config->name, name) == 0)
			return network;
	return NULL;
}

static void adopt_named(struct network *network, struct client *client)
{
	const struct interface_made made = {
		.name = "vmt9",
		.mac = { { 2, 0, 0, 0, 0, 9 } },
		.owner = client->credentials.uid,
		.queues = 1,
		.frames = 128,
	};
	struct interface *interface = broker_interface_adopt(network, &made);
	struct fake_thing *thing = thing_new(FAKE_PRESENT);

	must(interface);
	thing->device = true;
	fake_devices++;
	interface->platform = thing;
	broker_interface_claim(network, &made.mac, client);
}

struct network *fake_adopt(struct broker *broker, const char *name, struct fake_client **clients,
			   size_t n, bool named)
{
	struct network_config *config = config_find(broker->config, name);
	struct network_addresses addresses = { .mtu = 1500 };
	struct network *network;

	must(config);
	network = broker_network_adopt(broker, network_config_ref(config), &addresses,
				       thing_new(FAKE_PRESENT));
	must(network);
	for (size_t i = 0; i < n; i++)
		must(broker_hold_adopt(clients[i]->client, network) == 0);
	if (n > 0 && named)
		adopt_named(network, clients[0]->client);
	broker_network_check(network);
	return network;
}

void fake_created(struct network *network)
{
	struct fake_thing *thing = network->platform;

	must(thing && thing->work == FAKE_CREATING);
	thing->work = FAKE_PRESENT;
	must(ipv4_subnet_parse("192.168.64.0/24", &network->addresses.ipv4_subnet) == 0);
	network->addresses.bridge_mac = (struct mac_address){ { 2, 0, 0, 0, 0, 1 } };
	broker_network_created(network, NULL);
}

void fake_create_failed(struct network *network, const char *reason)
{
	struct fake_thing *thing = network->platform;
	struct error error;

	must(thing && thing->work == FAKE_CREATING);
	free(thing);
	network->platform = NULL;
	error_set(&error, ERROR_CREATE_FAILED, "%s", reason);
	broker_network_created(network, &error);
}

void fake_removed(struct network *network)
{
	struct fake_thing *thing = network->platform;

	must(thing && thing->work == FAKE_REMOVING);
	free(thing);
	network->platform = NULL;
	broker_network_removed(network);
}

void fake_attached(struct interface *interface)
{
	struct fake_thing *thing = interface->platform;
	struct interface_fds *fds = calloc(1, sizeof(*fds));

	must(fds);
	must(thing && thing->work == FAKE_CREATING);
	thing->work = FAKE_PRESENT;
	thing->device = true;
	fake_devices++;
	(void)snprintf(interface->name, sizeof(interface->name), "vmt%u", next_device++ % 1000);
	fds->interface = interface;
	broker_interface_attached(interface, fds, NULL);
}

void fake_attach_failed(struct interface *interface, const char *reason)
{
	struct fake_thing *thing = interface->platform;
	struct error error;

	must(thing && thing->work == FAKE_CREATING);
	free(thing);
	interface->platform = NULL;
	error_set(&error, ERROR_CREATE_FAILED, "%s", reason);
	broker_interface_attached(interface, NULL, &error);
}

void fake_detached(struct interface *interface)
{
	struct fake_thing *thing = interface->platform;

	must(thing && (thing->work == FAKE_PRESENT || thing->work == FAKE_REMOVING));
	must(thing->device);
	fake_devices--;
	free(thing);
	interface->platform = NULL;
	broker_interface_detached(interface);
}

void fake_captured(struct capture *capture, const char *failure)
{
	struct interface_fds *fds = failure ? NULL : calloc(1, sizeof(*fds));
	struct error error;

	must(failure || fds);
	if (failure)
		error_set(&error, ERROR_CREATE_FAILED, "%s", failure);
	broker_capture_started(capture, fds, failure ? &error : NULL);
}

/* Invariants */

/* The only one that there is. */
static const struct hold *hold_of(const struct client *client, const struct network *network)
{
	const struct hold *found = NULL;

	for (const struct hold *hold = client->holds; hold; hold = hold->next) {
		must(!found || hold->network != network);
		if (hold->network == network)
			found = hold;
	}
	return found;
}

static bool is_counted(const struct broker *broker, const struct hold *hold)
{
	for (const struct network *network = broker->networks; network; network = network->next)
		for (const struct hold *h = network->holds; h; h = h->next_on_network)
			if (h == hold)
				return true;
	return false;
}

static void check_network(const struct broker *broker, const struct network *network)
{
	unsigned int devices = 0;

	must(network->broker == broker);
	must(network->config->references > 0);
	must(network->platform);
	for (const struct network *other = broker->networks; other; other = other->next)
		must(other == network || strcmp(other->config->name, network->config->name) != 0);
	for (const struct hold *hold = network->holds; hold; hold = hold->next_on_network) {
		const struct fake_client *fake = hold->client->connection;

		must(hold->network == network);
		must(hold->waiting == (network->state != NETWORK_ACTIVE));
		must(!hold->waiting || fake->asked);
		must(hold_of(hold->client, network) == hold);
	}
	for (const struct interface *i = network->interfaces; i; i = i->next) {
		must(i->network == network);
		must(network->state == NETWORK_ACTIVE);
		devices++;
		must(!i->client || hold_of(i->client, network));
	}
	must(devices <= network->config->max_interfaces);
	/* It lives for a reason, and is not removed while there is one. */
	if (network->state == NETWORK_ACTIVE)
		must(network->holds || network->interfaces);
	if (network->state == NETWORK_REMOVING)
		must(!network->interfaces);
}

static void count_captures(const struct broker *broker, struct usage *usage)
{
	for (const struct capture *i = broker->captures; i; i = i->next) {
		if (i->usage != usage->next)
			continue;
		usage->references++;
		usage->captures++;
		usage->frames += LIMIT_CAPTURE_FRAMES;
	}
}

static void count_interfaces(const struct broker *broker, struct usage *usage)
{
	for (const struct network *network = broker->networks; network; network = network->next) {
		for (const struct interface *i = network->interfaces; i; i = i->next) {
			must((i->usage == usage->next) ==
			     (platform_account(i->owner) == usage->uid));
			if (i->usage != usage->next)
				continue;
			usage->references++;
			usage->interfaces++;
			usage->frames += i->queues * i->frames;
			usage->requests += i->state == INTERFACE_ATTACHING;
		}
	}
}

/* What is counted of a client's user is what there is. */
static void check_usage(const struct broker *broker, struct usage *counted)
{
	struct usage usage = { .next = counted, .uid = counted->uid };

	for (const struct client *client = broker->clients; client; client = client->next) {
		must((client->usage == counted) ==
		     (platform_account(client->credentials.uid) == usage.uid));
		if (client->usage != counted)
			continue;
		usage.references++;
		usage.monitors += client->monitoring;
		for (const struct hold *hold = client->holds; hold; hold = hold->next) {
			usage.holds++;
			usage.requests += hold->waiting;
		}
	}
	count_interfaces(broker, &usage);
	count_captures(broker, &usage);
	must(usage.references == counted->references);
	must(usage.holds == counted->holds);
	must(usage.interfaces == counted->interfaces);
	must(usage.captures == counted->captures);
	must(usage.requests == counted->requests);
	must(usage.monitors == counted->monitors);
	must(usage.frames == counted->frames);
}

void fake_check_invariants(const struct broker *broker)
{
	for (const struct network *network = broker->networks; network; network = network->next)
		check_network(broker, network);
	for (const struct client *client = broker->clients; client; client = client->next) {
		const struct fake_client *fake = client->connection;
		bool waiting = false;

		must(fake->client == client);
		for (const struct hold *hold = client->holds; hold; hold = hold->next) {
			must(hold->client == client);
			must(is_counted(broker, hold));
			waiting = waiting || hold->waiting;
		}
		for (const struct network *n = broker->networks; n; n = n->next)
			for (const struct interface *i = n->interfaces; i; i = i->next)
				waiting = waiting ||
					  (i->client == client && i->state == INTERFACE_ATTACHING);
		must(waiting == fake->asked);
		check_usage(broker, client->usage);
	}
	must(broker_is_idle(broker) == (!broker->networks && !broker->clients));
}
