/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everybody may, or root and those that the configuration's "allow" names. Uid and groups are
 * as the kernel had them (broker/linux/varlink/peer.c, broker/darwin/xpc.c), and whoever may
 * not have a network is told nothing of it.
 */
#include "permission.h"

#include <stdio.h>
#include <string.h>

bool broker_may_know(const struct client *client, const struct network_config *config)
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

int permission_check(const struct client *client, const struct network_config *config,
		     struct error *error)
{
	return broker_may_know(client, config) ? 0 : set_not_allowed(config, error);
}
