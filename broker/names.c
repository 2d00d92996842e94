/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the network of a name or an alias, by the configuration as it is now, and by those of
 * the networks that live on under an earlier one.
 */
#include "names.h"

#include <string.h>

#include "network.h"
#include "permission.h"

static int set_not_found(const struct broker *broker, const char *name, struct error *error)
{
	if (broker->config->fault)
		return error_set(error, ERROR_INVALID_CONFIGURATION, "%s", broker->config->fault);
	return error_set(
		error, ERROR_NETWORK_NOT_FOUND,
		"no network \"%s\" is configured; \"vmnetctl networks\" lists those that are",
		name);
}

int names_resolve(const struct client *client, const char *name, struct target *target,
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
	return permission_check(client, target->config, error);
}
