/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes the file of a network, which is
 *
 *	{ "ipv4_subnet": "192.168.64.0/24", "bridge_mac": "52:54:00:12:34:56" }
 *
 * in NAME.json. It is written beside its place, flushed, and renamed into it:
 * whenever the power fails, the old or the new one is there, whole. Keys that
 * a later version may have are left alone. The names of networks can mean
 * nothing else as names of files.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_text.h"
#include "base/log.h"
#include "config/config.h"

#define FILE_MAX 65536

/* The names of a record and of what is beside it: NAME.json.damaged. */
#define FILE_NAME_SIZE (NETWORK_NAME_MAX + sizeof(".json.damaged"))

static void file_name(char name[FILE_NAME_SIZE], const char *network, const char *suffix)
{
	(void)snprintf(name, FILE_NAME_SIZE, "%s.json%s", network, suffix);
}

/* Each returns -1 when the value is there and wrong. */
static int read_subnet(const json_t *root, const char *key, struct ipv4_subnet *subnet)
{
	const json_t *value = json_object_get(root, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || ipv4_subnet_parse(json_string_value(value), subnet) < 0)
		return -1;
	return subnet->length < 8 || subnet->length > 29 ? -1 : 0;
}

static int read_prefix(const json_t *root, const char *key, struct ipv6_prefix *prefix)
{
	const json_t *value = json_object_get(root, key);

	if (!value)
		return 0;
	if (!json_is_string(value) || ipv6_prefix_parse(json_string_value(value), prefix) < 0)
		return -1;
	return prefix->length == 64 ? 0 : -1;
}

/*
 * The values of the record. What is not there is none yet; what is there has
 * to be right.
 *
 * Returns NULL, or which value is wrong.
 */
static const char *read_values(const json_t *root, struct network_state_kept *kept)
{
	const json_t *mac = json_object_get(root, "bridge_mac");

	if (!json_is_object(root))
		return "it is no object";
	if (read_subnet(root, "ipv4_subnet", &kept->ipv4_subnet) < 0)
		return "\"ipv4_subnet\" is no subnet";
	if (read_subnet(root, "ipv4_subnet_instead", &kept->ipv4_subnet_instead) < 0)
		return "\"ipv4_subnet_instead\" is no subnet";
	if (read_prefix(root, "ipv6_prefix", &kept->ipv6_prefix) < 0)
		return "\"ipv6_prefix\" is no prefix";
	if (read_prefix(root, "ipv6_prefix_instead", &kept->ipv6_prefix_instead) < 0)
		return "\"ipv6_prefix_instead\" is no prefix";
	if (mac && (!json_is_string(mac) ||
		    mac_address_parse(json_string_value(mac), &kept->bridge_mac) < 0 ||
		    !mac_address_is_unicast(&kept->bridge_mac)))
		return "\"bridge_mac\" is no MAC address";
	return NULL;
}

/* Opens, and reads. Returns what is to be freed, or NULL with errno. */
static char *read_file(int directory, const char *name, size_t *length)
{
	/* Not blocking: a FIFO must not stop the broker. */
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char *text;
	int error;

	if (fd < 0)
		return NULL;
	text = file_read_open(fd, FILE_MAX, length);
	error = errno;
	(void)close(fd);
	errno = error;
	return text;
}

static const char memory_is_short[] = "memory is short";

/* What is wrong with the text of a record, or NULL and its values. */
static const char *parse(const char *text, size_t length, struct network_state_kept *kept)
{
	const char *wrong;
	json_t *root;

	if (length == FILE_MAX)
		return "it is too large";
	root = json_text_load(text, length, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		return errno == ENOMEM ? memory_is_short : "it is not JSON";
	wrong = read_values(root, kept);
	json_decref(root);
	return wrong;
}

/* What is short now, and may not be at the next try. */
static bool is_passing(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* Says why a file or directory cannot be read. Returns what state_load() does. */
static int unreadable(const char *network, const char *path, int error)
{
	if (is_passing(error))
		return -error;
	log_warning(network, "cannot read %s, where its addresses are kept: %s", path,
		    strerror(error));
	return 0;
}

/* Reads what is in the state directory, which is open. */
static int load(int directory, const char *state_dir, const char *network,
		struct network_state_kept *kept)
{
	char aside[FILE_NAME_SIZE];
	char name[FILE_NAME_SIZE];
	const char *wrong = NULL;
	char path[PATH_MAX];
	size_t length;
	char *text;
	int error;

	file_name(name, network, "");
	file_name(aside, network, ".damaged");
	text = read_file(directory, name, &length);
	if (!text && errno == ENOENT)
		return 0;
	if (!text) {
		error = errno;
		(void)snprintf(path, sizeof(path), "%s/%s", state_dir, name);
		return unreadable(network, path, error);
	}
	wrong = parse(text, length, kept);
	free(text);
	if (!wrong)
		return 0;
	if (wrong == memory_is_short)
		return -ENOMEM;
	*kept = (struct network_state_kept){ 0 };
	if (renameat(directory, name, directory, aside) < 0)
		log_warning(network, "%s/%s is damaged (%s), and cannot be set aside: %s",
			    state_dir, name, wrong, strerror(errno));
	else
		log_warning(network,
			    "%s/%s is damaged (%s), and was set aside as %s; the "
			    "network may get other addresses",
			    state_dir, name, wrong, aside);
	return 0;
}

int state_load(const char *state_dir, const char *network, struct network_state_kept *kept)
{
	int directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result;

	*kept = (struct network_state_kept){ 0 };
	/* No directory yet: nothing is kept yet. */
	if (directory < 0)
		return errno == ENOENT ? 0 : unreadable(network, state_dir, errno);
	result = load(directory, state_dir, network, kept);
	(void)close(directory);
	return result;
}

/* Each writes nothing where nothing is kept. Returns 0, or -1 when memory is short. */
static int write_subnet(json_t *root, const char *key, const struct ipv4_subnet *subnet)
{
	char text[IPV4_SUBNET_TEXT_SIZE];

	return subnet->length == 0
		       ? 0
		       : json_object_set_new(root, key,
					     json_string(ipv4_subnet_format(subnet, text)));
}

static int write_prefix(json_t *root, const char *key, const struct ipv6_prefix *prefix)
{
	char text[IPV6_PREFIX_TEXT_SIZE];

	return prefix->length == 0
		       ? 0
		       : json_object_set_new(root, key,
					     json_string(ipv6_prefix_format(prefix, text)));
}

/* The record as text, to be freed; NULL when memory is short. */
static char *write_values(const struct network_state_kept *kept)
{
	static const struct mac_address none;
	char text[MAC_TEXT_SIZE];
	json_t *root = json_object();
	char *record = NULL;
	int r = root ? 0 : -1;

	r |= write_subnet(root, "ipv4_subnet", &kept->ipv4_subnet);
	r |= write_subnet(root, "ipv4_subnet_instead", &kept->ipv4_subnet_instead);
	r |= write_prefix(root, "ipv6_prefix", &kept->ipv6_prefix);
	r |= write_prefix(root, "ipv6_prefix_instead", &kept->ipv6_prefix_instead);
	if (!mac_address_equal(&kept->bridge_mac, &none))
		r |= json_object_set_new(root, "bridge_mac",
					 json_string(mac_address_format(&kept->bridge_mac, text)));
	if (r == 0)
		record = json_text_dump(root, JSON_INDENT(2));
	json_decref(root);
	return record;
}

/* Writes all of text, flushed to the disk. Returns 0, or -1 with errno. */
static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	return fsync(fd);
}

/* Replaces the record in the state directory, which is open. Returns 0, or -1 with errno. */
static int replace(int directory, const char *network, const char *text)
{
	char name[FILE_NAME_SIZE];
	char new_name[FILE_NAME_SIZE];
	int error;
	int fd;
	int r;

	file_name(name, network, "");
	file_name(new_name, network, ".new");
	(void)unlinkat(directory, new_name, 0); /* of a broker that was killed */
	fd = openat(directory, new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	r = write_all(fd, text);
	error = errno;
	if (close(fd) < 0 && r == 0) {
		r = -1;
		error = errno;
	}
	errno = error;
	if (r == 0)
		r = renameat(directory, new_name, directory, name);
	if (r == 0)
		return fsync(directory);
	error = errno;
	(void)unlinkat(directory, new_name, 0);
	errno = error;
	return -1;
}

int state_save(const char *state_dir, const char *network, const struct network_state_kept *kept)
{
	char *text = write_values(kept);
	int directory;
	int r = -1;

	if (!text)
		return -ENOMEM;
	directory = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory >= 0)
		r = replace(directory, network, text);
	if (r < 0)
		r = -errno;
	if (directory >= 0)
		(void)close(directory);
	free(text);
	return r;
}
