/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key "allow": users and groups, by name or number, as this host knows them. Whether a
 * client is one of them is asked elsewhere (broker/permission.c).
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

#define LOOKUP_BUFFER_MAX (1024 * 1024)

/* A user or a group, and how the file has it. */
struct account {
	uint32_t id;
	char *text;
};

static config_look_up_function *look_up = config_look_up;

void config_look_up_by(config_look_up_function *function)
{
	look_up = function;
}

int config_look_up(const char *name, bool group, uint32_t *id)
{
	struct passwd user_entry;
	struct group group_entry;
	struct passwd *user_found = NULL;
	struct group *group_found = NULL;
	int error = ERANGE;

	for (size_t size = 4096; error == ERANGE && size <= LOOKUP_BUFFER_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (!buffer)
			return ENOMEM;
		if (group)
			error = getgrnam_r(name, &group_entry, buffer, size, &group_found);
		else
			error = getpwnam_r(name, &user_entry, buffer, size, &user_found);
		free(buffer);
	}
	/* The entries' ids stay when the buffer, which has their strings, is gone. */
	if (group_found)
		*id = group_found->gr_gid;
	else if (user_found)
		*id = user_found->pw_uid;
	else if (!error)
		return ENOENT;
	return error;
}

/* A text of digits alone is a number, as for chown(1). Returns 0 or an errno. */
static int resolve(const char *text, bool group, uint32_t *id)
{
	unsigned long long number = 0;

	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
		return look_up(text, group, id);
	errno = 0;
	number = strtoull(text, NULL, 10);
	if (errno || number >= UINT32_MAX) /* the last number means nobody, or all */
		return ERANGE;
	*id = (uint32_t)number;
	return 0;
}

static void read_account(struct config_reader *reader, const struct place *place,
			 const json_t *value, bool group, struct account *account)
{
	const char *expected = group ? "a group of this host, by name or number"
				     : "a user of this host, by name or number";
	char number[24];
	const char *text = json_string_value(value);
	int error;

	if (json_is_integer(value)) {
		(void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			       json_integer_value(value));
		text = number;
	}
	error = text ? resolve(text, group, &account->id) : ENOENT;
	if (error == ENOMEM) {
		config_errors_memory_short(reader->errors);
		return;
	}
	if (error && text && reader->lenient) {
		account->id = UINT32_MAX; /* nobody's */
		error = 0;
	}
	if (error == ENOENT || error == ESRCH || error == ERANGE)
		config_report_value(reader, place, value, expected);
	else if (error)
		config_report(reader, place, "cannot be looked up: %s", strerror(error));
	else
		account->text = config_copy(reader, text);
}

static void read_user(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	read_account(reader, place, value, false, field);
}

static void read_group(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	read_account(reader, place, value, true, field);
}

/* Turns n accounts, which are freed, into an array of ids and one of texts. */
static void split_accounts(struct config_reader *reader, struct account *accounts, size_t n,
			   uint32_t **ids, char ***texts)
{
	*ids = calloc(n + 1, sizeof(**ids));
	*texts = calloc(n + 1, sizeof(**texts));
	if (!*ids || !*texts)
		config_errors_memory_short(reader->errors);
	for (size_t i = 0; i < n; i++) {
		if (*ids)
			(*ids)[i] = accounts[i].id;
		if (*texts)
			(*texts)[i] = accounts[i].text;
		else
			free(accounts[i].text);
	}
	free(accounts);
}

static void read_users(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	struct network_allow *allow = field;
	struct account *users = config_read_list(reader, place, value, "a list of users",
						 sizeof(*users), read_user, &allow->n_users);

	split_accounts(reader, users, allow->n_users, &allow->users, &allow->users_text);
}

static void read_groups(struct config_reader *reader, const struct place *place,
			const json_t *value, void *field)
{
	struct network_allow *allow = field;
	struct account *groups = config_read_list(reader, place, value, "a list of groups",
						  sizeof(*groups), read_group, &allow->n_groups);

	split_accounts(reader, groups, allow->n_groups, &allow->groups, &allow->groups_text);
}

void config_read_allow(struct config_reader *reader, const struct place *place, const json_t *value,
		       void *field)
{
	static const struct config_key keys[] = {
		{ "users", read_users, 0, NULL },
		{ "groups", read_groups, 0, NULL },
	};
	const struct place *given[ARRAY_SIZE(keys)];
	struct network_allow *allow = field;

	allow->restricted = true;
	(void)config_read_object(reader, place, value, keys, ARRAY_SIZE(keys), given, allow);
}
