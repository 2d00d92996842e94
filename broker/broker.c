/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker and its clients, from their beginnings to their ends. What it does for clients is
 * in files of their own: names.c, permission.c, hold.c, network.c, interface.c, network_info.c,
 * reload.c.
 */
#include "broker.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "hold.h"
#include "network.h"
#include "platform.h"
#include "user_limits.h"

void broker_tell_if_idle(const struct broker *broker)
{
	if (broker_is_idle(broker))
		platform_idle();
}

bool broker_is_idle(const struct broker *broker)
{
	return !broker->networks && !broker->clients;
}

void broker_monitor(struct client *client)
{
	if (!client->monitoring)
		client->usage->monitors++;
	client->monitoring = true;
}

struct client *broker_client_new(struct broker *broker, struct credentials *credentials,
				 void *connection)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->usage = usage_join(platform_account(credentials->uid));
	if (!client->usage) {
		free(client);
		return NULL;
	}
	client->broker = broker;
	client->credentials = *credentials;
	*credentials = (struct credentials){ 0 };
	client->connection = connection;
	client->next = broker->clients;
	broker->clients = client;
	return client;
}

static void client_free(struct client *client)
{
	if (client->monitoring)
		client->usage->monitors--;
	usage_leave(client->usage);
	free(client->credentials.groups);
	free(client);
}

bool broker_client_end(struct client *client, unsigned int max)
{
	for (; client->holds && max > 0; max--)
		hold_end(client->holds);
	return !client->holds;
}

void broker_client_gone(struct client *client)
{
	struct broker *broker = client->broker;
	struct client **link = &broker->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	(void)broker_client_end(client, UINT_MAX);
	client_free(client);
	broker_tell_if_idle(broker);
}

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

/* Not by capture.c, which is not linked where machines join by themselves. */
static void free_captures(struct capture *capture)
{
	while (capture) {
		struct capture *next = capture->next;

		usage_leave(capture->usage);
		free(capture);
		capture = next;
	}
}

void broker_free(struct broker *broker)
{
	free_captures(broker->captures);
	while (broker->clients) {
		struct client *client = broker->clients;

		broker->clients = client->next;
		while (client->holds)
			hold_free(client->holds);
		client_free(client);
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
