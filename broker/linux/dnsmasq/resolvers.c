/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the addresses out of the host's resolv.conf, and leaves the rest. */
#include "resolvers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memstream.h"

/* A resolv.conf is a few lines; what follows this much is not read. */
#define SOURCE_SIZE_MAX 65536

/* An IPv4 or IPv6 address, the latter with the interface that a link-local one needs. */
static bool is_server(const char *text)
{
	char address[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	struct in6_addr ipv6;
	struct in_addr ipv4;
	char *scope;

	if (strlen(text) >= sizeof(address))
		return false;
	strcpy(address, text);
	if (inet_pton(AF_INET, address, &ipv4) == 1)
		return true;
	scope = strchr(address, '%');
	if (scope)
		*scope++ = '\0';
	return inet_pton(AF_INET6, address, &ipv6) == 1 && (!scope || if_nametoindex(scope));
}

char *resolvers_parse(const char *text)
{
	static const char blanks[] = " \t\r";
	char *copy = strdup(text);
	char *servers;
	char *rest = NULL;
	size_t size;
	FILE *file = copy ? open_memstream(&servers, &size) : NULL;

	if (!file) {
		free(copy);
		return NULL;
	}
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *words = NULL;
		const char *key = strtok_r(line, blanks, &words);
		const char *server = key ? strtok_r(NULL, blanks, &words) : NULL;

		if (server && strcmp(key, "nameserver") == 0 && is_server(server))
			(void)fprintf(file, "nameserver %s\n", server);
	}
	free(copy);
	return memstream_close(file, &servers);
}

int resolvers_copy(const char *path)
{
	size_t length;
	char *text = file_read(RESOLVERS_SOURCE, SOURCE_SIZE_MAX, &length);
	char *servers;
	int result;

	if (!text && errno != ENOENT)
		return -errno;
	servers = resolvers_parse(text ? text : "");
	free(text);
	/* By the time that it is read, dnsmasq may be another user. */
	result = servers ? file_replace(path, servers, 0644) : -ENOMEM;
	free(servers);
	return result;
}

/*
 * The file is watched in three ways: its directory, in which it may be replaced
 * (by a link, too); the directory of the file that a link leads to; and that
 * file itself, which in a container is mounted from elsewhere.
 */
struct resolvers_watch {
	sd_event *event;
	const char *network;
	const char *path;
	sd_event_source *directory;
	sd_event_source *real_directory;
	sd_event_source *file;
	char real_name[NAME_MAX + 1]; /* in real_directory */
};

#define DIRECTORY_EVENTS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata);

/* Watches what the source leads to now; there may be nothing. */
static void watch_real_file(struct resolvers_watch *watch)
{
	char *real = realpath(RESOLVERS_SOURCE, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;

	watch->real_directory = sd_event_source_disable_unref(watch->real_directory);
	watch->file = sd_event_source_disable_unref(watch->file);
	if (slash) {
		(void)sd_event_add_inotify(watch->event, &watch->file, real, FILE_EVENTS, on_change,
					   watch);
		(void)snprintf(watch->real_name, sizeof(watch->real_name), "%s", slash + 1);
		slash[slash == real] = '\0';
		(void)sd_event_add_inotify(watch->event, &watch->real_directory, real,
					   DIRECTORY_EVENTS, on_change, watch);
	}
	free(real);
}

static bool is_about_source(const struct resolvers_watch *watch, const sd_event_source *source,
			    const struct inotify_event *event)
{
	if (source == watch->file || !event->len)
		return true;
	if (source == watch->real_directory)
		return strcmp(event->name, watch->real_name) == 0;
	return strcmp(event->name, strrchr(RESOLVERS_SOURCE, '/') + 1) == 0;
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct resolvers_watch *watch = userdata;
	int result;

	if (!is_about_source(watch, source, event))
		return 0;
	watch_real_file(watch);
	result = resolvers_copy(watch->path);
	if (result < 0)
		log_warning(watch->network, "the name servers in %s cannot be passed on: %s",
			    RESOLVERS_SOURCE, strerror(-result));
	return 0;
}

int resolvers_watch_new(struct resolvers_watch **watch, sd_event *event, const char *network,
			const char *path)
{
	struct resolvers_watch *new = calloc(1, sizeof(*new));
	int result;

	if (!new)
		return -ENOMEM;
	new->event = event;
	new->network = network;
	new->path = path;
	result = sd_event_add_inotify(event, &new->directory, "/etc", DIRECTORY_EVENTS, on_change,
				      new);
	if (result < 0) {
		free(new);
		return result;
	}
	watch_real_file(new);
	*watch = new;
	return 0;
}

void resolvers_watch_free(struct resolvers_watch *watch)
{
	if (!watch)
		return;
	sd_event_source_disable_unref(watch->directory);
	sd_event_source_disable_unref(watch->real_directory);
	sd_event_source_disable_unref(watch->file);
	free(watch);
}
