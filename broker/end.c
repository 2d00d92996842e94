/* SPDX-License-Identifier: Apache-2.0 */
/* Who may end what. All ends as it does by itself: holds with their connections, networks last. */
#include "end.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "hold.h"
#include "interface.h"
#include "names.h"
#include "platform.h"

#define OTHERS_MAX 8
#define OTHERS_SIZE 256

/* Users but the client's who have a part of a network. */
struct others {
	uid_t uids[OTHERS_MAX];
	size_t n;
	bool more;
};

static void add_other(struct others *others, const struct client *client, uid_t uid)
{
	if (uid == client->credentials.uid)
		return;
	for (size_t i = 0; i < others->n; i++)
		if (others->uids[i] == uid)
			return;
	if (others->n < OTHERS_MAX)
		others->uids[others->n++] = uid;
	else
		others->more = true;
}

static void list_others(const struct others *others, char text[OTHERS_SIZE])
{
	size_t length = 0;

	for (size_t i = 0; i < others->n; i++)
		length += (size_t)snprintf(text + length, OTHERS_SIZE - length, "%suser %ju",
					   i > 0 ? ", " : "", (uintmax_t)others->uids[i]);
	(void)snprintf(text + length, OTHERS_SIZE - length, "%s",
		       others->more ? " and others" : "");
}

/* Returns 0, or -1 with error. */
static int check_network(const struct client *client, const struct network *network,
			 struct error *error)
{
	struct others others = { 0 };
	char text[OTHERS_SIZE];

	for (const struct interface *i = network->interfaces; i; i = i->next)
		add_other(&others, client, i->owner);
	for (const struct hold *hold = network->holds; hold; hold = hold->next_on_network)
		add_other(&others, client, hold->client->credentials.uid);
	if (client->credentials.uid == 0 || others.n == 0)
		return 0;
	list_others(&others, text);
	return error_set(
		error, ERROR_NOT_ALLOWED,
		"network \"%s\" is used by %s, too; only root may end it, or end a machine "
		"of your own alone",
		network->config->name, text);
}

static void end_interface(const struct client *client, struct interface *interface)
{
	if (interface->state != INTERFACE_ATTACHED)
		return;
	log_info(interface->network->config->name, "interface %s is ended by user %ju",
		 interface->name, (uintmax_t)client->credentials.uid);
	interface->state = INTERFACE_DETACHING;
	platform_interface_detach(interface);
}

static void end_holds(struct client *client, struct network *network)
{
	struct hold *own = NULL;
	struct error error;

	error_set(&error, ERROR_ENDED, "network \"%s\" was ended by user %ju",
		  network->config->name, (uintmax_t)client->credentials.uid);
	for (struct hold *hold = network->holds; hold; hold = hold->next_on_network) {
		if (hold->client == client)
			own = hold;
		else
			platform_client_end(hold->client, network, &error);
	}
	if (own)
		hold_end(own);
}

static void end_network(struct client *client, struct network *network)
{
	if (network->state == NETWORK_REMOVING)
		return;
	log_info(network->config->name, "ended by user %ju", (uintmax_t)client->credentials.uid);
	/* Else who is ended could have it again at once, and it would never be gone. */
	network->ending = true;
	for (struct interface *i = network->interfaces; i; i = i->next)
		end_interface(client, i);
	end_holds(client, network);
}

static int end_device(const struct client *client, const char *network, const char *device,
		      const void **what, struct error *error)
{
	struct interface *interface = broker_interface_find(client, network, device, error);
	const uid_t uid = client->credentials.uid;

	if (!interface)
		return -1;
	if (uid != 0 && uid != interface->owner)
		return error_set(error, ERROR_NOT_ALLOWED,
				 "the machine with device %s on network \"%s\" is user %ju's, and "
				 "only that user and root may end it",
				 device, interface->network->config->name,
				 (uintmax_t)interface->owner);
	*what = interface;
	end_interface(client, interface);
	return 0;
}

int broker_end(struct client *client, const char *network, const char *device, const void **what,
	       struct error *error)
{
	struct target target;

	if (device[0])
		return end_device(client, network, device, what, error);
	*what = NULL;
	if (names_resolve(client, network, &target, error) < 0)
		return -1;
	if (!target.network)
		return 0;
	if (check_network(client, target.network, error) < 0)
		return -1;
	*what = target.network;
	end_network(client, target.network);
	return 0;
}
