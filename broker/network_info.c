/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told of networks: of one, and of all that they may have. */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "interface.h"
#include "names.h"
#include "network.h"

void broker_describe(const struct network *network, struct network_info *info)
{
	struct network_config *now =
		config_find_named(network->broker->config, network->config->name);

	*info = (struct network_info){
		.config = network->config,
		.network = network,
		.removed = !now && !network->broker->config->fault,
	};
	if (now && strcmp(now->json, network->config->json) != 0)
		info->next = now;
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
		if (broker_may_know(client, target.config))
			describe(&target, &(*infos)[n++]);
	}
	/* Those that the configuration has lost since. */
	for (struct network *network = broker->networks; network; network = network->next) {
		struct target target = { .network = network, .config = network->config };

		if (!config_find_named(config, network->config->name) &&
		    broker_may_know(client, network->config))
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

	if (names_resolve(client, name, &target, error) < 0)
		return -1;
	describe(&target, info);
	return 0;
}
