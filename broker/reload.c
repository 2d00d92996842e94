/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another configuration, while the broker runs. What is active keeps the one that it was made
 * with until it ends.
 */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static void log_difference(const struct config *before, const struct config *after)
{
	if (before->fault) {
		log_info(NULL, "the configuration can be used now");
		return;
	}
	for (size_t i = 0; i < after->n_networks; i++) {
		const struct network_config *new = after->networks[i];
		const struct network_config *old = config_find_named(before, new->name);

		if (!old)
			log_info(new->name, "added to the configuration");
		else if (strcmp(old->json, new->json) != 0)
			log_info(new->name, "changed in the configuration");
	}
	for (size_t i = 0; i < before->n_networks; i++)
		if (!config_find_named(after, before->networks[i]->name))
			log_info(before->networks[i]->name, "removed from the configuration");
}

static void log_kept(const struct broker *broker)
{
	for (const struct network *network = broker->networks; network; network = network->next) {
		const struct network_config *new =
			config_find_named(broker->config, network->config->name);

		if (!new || strcmp(new->json, network->config->json) != 0)
			log_info(network->config->name,
				 "active: keeps the configuration it was created with");
	}
}

static void replace_config(struct broker *broker, struct config *config)
{
	config_free(broker->config);
	broker->config = config;
}

static int refuse_reload(struct broker *broker, const struct config_errors *errors,
			 struct error *error)
{
	char *text = config_errors_format(errors, broker->config_path, false);
	struct config *unusable = NULL;

	log_error(NULL, "the configuration is not changed, it has errors:\n%s",
		  text ? text : "out of memory");
	(void)error_set(error, ERROR_INVALID_CONFIGURATION, "%s", text ? text : "out of memory");
	free(text);
	/* What is wrong may be something else by now. */
	if (broker->config->fault)
		unusable = config_unusable(errors, broker->config_path);
	if (unusable)
		replace_config(broker, unusable);
	return -1;
}

int broker_reload(struct broker *broker, struct error *error)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(broker->config_path, true, &errors);
	int result = 0;

	if (config) {
		log_difference(broker->config, config);
		replace_config(broker, config);
		log_kept(broker);
	} else {
		result = refuse_reload(broker, &errors, error);
	}
	config_errors_clear(&errors);
	return result;
}

int broker_reload_for(struct client *client, struct error *error)
{
	if (client->credentials.uid != 0)
		return error_set(error, ERROR_NOT_ALLOWED,
				 "only root may have the configuration read again");
	return broker_reload(client->broker, error);
}
