/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores, notes, and reads again. What is written of a connection changes only when its holds do;
 * what it is at changes with every call, and is therefore noted where it costs nothing and cannot
 * be lost: in a socket option that has no meaning for a Unix socket, and that the next broker
 * finds on its copy.
 */
#include "fdstore.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "broker/interface.h"
#include "broker/linux/notify.h"
#include "broker/linux/shortage.h"
#include "broker/platform.h"

#define NAME_PREFIX "client-"
#define SUFFIX ".client"

static struct fdstore_entry *all_entries;
static unsigned int last_number;

/* A decimal number above 0 at the start of text; end gets what follows. Returns 0 for none. */
static unsigned int parse_number(const char *text, const char **end)
{
	char *rest;
	unsigned long number;

	if (text[0] < '1' || text[0] > '9')
		return 0;
	errno = 0;
	number = strtoul(text, &rest, 10);
	*end = rest;
	return errno || number >= UINT_MAX ? 0 : (unsigned int)number;
}

static void make_path(char path[PATH_MAX], const char *runtime_dir, unsigned int number)
{
	/* One that is cut is longer than any file's, and cannot be opened. */
	(void)snprintf(path, PATH_MAX, "%s/%u" SUFFIX, runtime_dir, number);
}

/* Taking over */

int fdstore_take(int fd, const char *name)
{
	const char *end;
	unsigned int number;
	struct fdstore_entry *entry;

	if (strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0)
		return 0;
	number = parse_number(name + strlen(NAME_PREFIX), &end);
	if (!number || *end != '\0' || sd_is_socket_unix(fd, SOCK_STREAM, 0, NULL, 0) <= 0)
		return 0;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = (struct fdstore_entry){ .next = all_entries, .number = number, .fd = fd };
	all_entries = entry;
	if (number > last_number)
		last_number = number;
	return 1;
}

static int load_named(const json_t *list, struct fdstore_hold *hold)
{
	size_t n = json_array_size(list);

	hold->named = calloc(n + 1, sizeof(*hold->named));
	if (!hold->named)
		shortage_end();
	for (; hold->n_named < n; hold->n_named++) {
		const char *text = json_string_value(json_array_get(list, hold->n_named));

		if (!text || mac_address_parse(text, &hold->named[hold->n_named]) < 0)
			return -1;
	}
	return 0;
}

static int load_hold(const json_t *item, struct fdstore_entry *entry)
{
	const char *network = json_string_value(json_object_get(item, "network"));
	struct fdstore_hold *hold;

	if (!network_name_is_valid(network))
		return -1;
	hold = calloc(1, sizeof(*hold));
	if (!hold)
		shortage_end();
	strcpy(hold->network, network);
	hold->next = entry->holds;
	entry->holds = hold;
	return load_named(json_object_get(item, "named_interfaces"), hold);
}

/* A client without a file holds nothing. */
static void load(const char *runtime_dir, struct fdstore_entry *entry)
{
	char path[PATH_MAX];
	const json_t *holds;
	json_t *root;

	make_path(path, runtime_dir, entry->number);
	root = json_text_load_file(path);
	if (!root && errno == ENOENT)
		return;
	if (!root && errno == ENOMEM)
		shortage_end();
	holds = json_object_get(root, "holds");
	entry->damaged = !json_is_array(holds);
	for (size_t i = 0; i < json_array_size(holds); i++)
		if (load_hold(json_array_get(holds, i), entry) < 0)
			entry->damaged = true;
	json_decref(root);
}

static void clear_holds(struct fdstore_entry *entry)
{
	while (entry->holds) {
		struct fdstore_hold *next = entry->holds->next;

		free(entry->holds->named);
		free(entry->holds);
		entry->holds = next;
	}
}

static bool is_taken(unsigned int number)
{
	for (const struct fdstore_entry *entry = all_entries; entry; entry = entry->next)
		if (entry->number == number)
			return true;
	return false;
}

/* What was written of a connection that has ended meanwhile, or a file that was not finished. */
static bool is_left(const char *name)
{
	static const char unfinished[] = FILE_NEW_SUFFIX;
	size_t length = strlen(name);
	const char *end;
	unsigned int number = parse_number(name, &end);

	if (length >= sizeof(unfinished) &&
	    strcmp(name + length - strlen(unfinished), unfinished) == 0)
		return true;
	return number && strcmp(end, SUFFIX) == 0 && !is_taken(number);
}

static void remove_leftovers(const char *runtime_dir)
{
	DIR *directory = opendir(runtime_dir);
	const struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (is_left(entry->d_name))
			(void)unlinkat(dirfd(directory), entry->d_name, 0);
	(void)closedir(directory);
}

void fdstore_load(const char *runtime_dir)
{
	remove_leftovers(runtime_dir);
	for (struct fdstore_entry *entry = all_entries; entry; entry = entry->next)
		load(runtime_dir, entry);
}

static const struct fdstore_hold *hold_on(const struct fdstore_entry *entry, const char *network)
{
	for (const struct fdstore_hold *hold = entry->holds; hold; hold = hold->next)
		if (strcmp(hold->network, network) == 0)
			return hold;
	return NULL;
}

int fdstore_list_networks(int (*each)(const char *network, void *userdata), void *userdata)
{
	int result = 0;

	for (const struct fdstore_entry *entry = all_entries; entry; entry = entry->next)
		for (const struct fdstore_hold *hold = entry->holds; hold && result >= 0;
		     hold = hold->next)
			result = each(hold->network, userdata);
	return result < 0 ? result : 0;
}

bool fdstore_holds(const char *network)
{
	for (const struct fdstore_entry *entry = all_entries; entry; entry = entry->next)
		if (hold_on(entry, network))
			return true;
	return false;
}

bool fdstore_has_named(const char *network, const struct mac_address *mac)
{
	for (const struct fdstore_entry *entry = all_entries; entry; entry = entry->next) {
		const struct fdstore_hold *hold = hold_on(entry, network);

		for (size_t i = 0; hold && i < hold->n_named; i++)
			if (mac_address_equal(&hold->named[i], mac))
				return true;
	}
	return false;
}

struct fdstore_entry *fdstore_next(void)
{
	struct fdstore_entry *entry = all_entries;

	if (entry)
		all_entries = entry->next;
	return entry;
}

void fdstore_free(struct fdstore_entry *entry)
{
	clear_holds(entry);
	free(entry);
}

/* Keeping */

unsigned int fdstore_add(int fd)
{
	char text[64];
	int r;

	if (!notify_has_manager())
		return 0;
	last_number++;
	(void)snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=" NAME_PREFIX "%u", last_number);
	r = notify_with_fd(text, fd);
	if (r == 0)
		return last_number;
	log_debug(NULL, "a connection will not survive a restart: %s", strerror(-r));
	return 0;
}

void fdstore_remove(const char *runtime_dir, unsigned int number, int fd)
{
	char path[PATH_MAX];
	char text[64];

	(void)snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=" NAME_PREFIX "%u", number);
	if (!notify_withdraw(fd))
		notify(text);
	make_path(path, runtime_dir, number);
	(void)unlink(path);
}

static json_t *describe_named(const struct client *client, const struct network *network)
{
	json_t *list = json_array();
	char text[MAC_TEXT_SIZE];

	for (const struct interface *i = network->interfaces; i && list; i = i->next) {
		if (i->client != client || !i->by_name || i->state != INTERFACE_ATTACHED)
			continue;
		if (json_array_append_new(list, json_string(mac_address_format(&i->mac, text))) <
		    0) {
			json_decref(list);
			list = NULL;
		}
	}
	return list;
}

/* {"holds": [{"network": "lab", "named_interfaces": ["52:54:00:00:00:01"]}]} */
static json_t *describe_holds(const struct client *client)
{
	json_t *list = json_array();

	for (const struct hold *hold = client->holds; hold && list; hold = hold->next) {
		if (hold->waiting)
			continue;
		if (json_array_append_new(list,
					  json_pack("{s:s, s:o}", "network",
						    hold->network->config->name, "named_interfaces",
						    describe_named(client, hold->network))) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return json_pack("{s:o}", "holds", list);
}

void fdstore_save(const char *runtime_dir, unsigned int number, const struct client *client)
{
	char path[PATH_MAX];
	json_t *root = describe_holds(client);
	int r;

	make_path(path, runtime_dir, number);
	r = json_text_save(path, root, JSON_COMPACT);
	json_decref(root);
	for (struct hold *hold = client->holds; hold; hold = hold->next)
		hold->kept = r == 0 && !hold->waiting;
	if (r < 0 && platform_may_log(client->credentials.uid, true))
		log_warning(NULL,
			    "what %s (pid %jd, uid %ju) holds cannot be written to %s, and ends "
			    "with the broker: %s",
			    client->credentials.command, (intmax_t)client->credentials.pid,
			    (uintmax_t)client->credentials.uid, path, strerror(-r));
}

void fdstore_note(int fd, enum fdstore_state state)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &(int){ (int)state }, sizeof(int));
}

enum fdstore_state fdstore_noted(int fd)
{
	int state = FDSTORE_BUSY;

	if (getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &state, &(socklen_t){ sizeof(state) }) < 0 ||
	    state < FDSTORE_OPEN || state > FDSTORE_BUSY)
		return FDSTORE_BUSY;
	return (enum fdstore_state)state;
}
