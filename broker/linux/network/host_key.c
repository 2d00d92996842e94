/* SPDX-License-Identifier: Apache-2.0 */
/* STATE_DIR/key: what makes names of machines other MAC addresses here than on another host. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/platform.h"

#define TEXT_SIZE (2 * sizeof(struct host_key) + 2)

/* Hexadecimal digits and the end of the line. */
static int parse(const char *text, struct host_key *key)
{
	if (strspn(text, "0123456789abcdef") != 2 * sizeof(key->bytes) ||
	    strcmp(text + 2 * sizeof(key->bytes), "\n") != 0)
		return -1;
	for (size_t i = 0; i < sizeof(key->bytes); i++)
		if (sscanf(text + 2 * i, "%2hhx", &key->bytes[i]) != 1)
			return -1;
	return 0;
}

static void save(const char *path, const struct host_key *key)
{
	char text[TEXT_SIZE];
	int result;

	for (size_t i = 0; i < sizeof(key->bytes); i++)
		(void)snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02x\n", key->bytes[i]);
	result = file_replace(path, text, 0600);
	if (result < 0)
		log_warning(NULL,
			    "%s cannot be written, and machines' names get other MAC addresses "
			    "after the broker's next start: %s",
			    path, strerror(-result));
}

/* One that is missing or damaged is replaced. */
static int load(struct host_key *key, struct error *error)
{
	char path[PATH_MAX];
	size_t length;
	char *text;

	(void)snprintf(path, sizeof(path), "%s/key", linux_platform.options->state_dir);
	text = file_read(path, TEXT_SIZE, &length);
	if (!text && errno != ENOENT)
		return error_set(error, ERROR_CREATE_FAILED,
				 "%s, from which MAC addresses of machines with a name are made, "
				 "cannot be read: %s; mend that, or ask for a MAC address, too",
				 path, strerror(errno));
	if (!text || parse(text, key) < 0) {
		platform_random(key->bytes, sizeof(key->bytes));
		save(path, key);
	}
	free(text);
	return 0;
}

int platform_host_key(struct host_key *key, struct error *error)
{
	static struct host_key known;
	static bool is_known;

	is_known = is_known || load(&known, error) == 0;
	*key = known;
	return is_known ? 0 : -1;
}
