/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the addresses out of the host's resolv.conf, and leaves the rest. */
#include "resolvers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pthread.h>
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
#include "host/names.h"

/* A resolv.conf is a few lines; what follows this much is not read. */
#define SOURCE_SIZE_MAX 65536

/* Of an interface that is there, and that a line for dnsmasq can name. */
static bool is_scope(const char *name)
{
	static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._";

	return !name[strspn(name, characters)] && if_nametoindex(name);
}

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
	return inet_pton(AF_INET6, address, &ipv6) == 1 && (!scope || is_scope(scope));
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
			(void)fprintf(file, "server=%s\n", server);
	}
	free(copy);
	return memstream_close(file, &servers);
}

/* The networks' domains: lines without a server, by which nobody else is asked about them. */
static struct {
	pthread_mutex_t lock; /* the loop writes, the worker reads */
	char *lines; /* NULL: none */
} domains = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What a dnsmasq is to read, or NULL when memory is short. */
static char *make_servers(const char *source_text)
{
	char *parsed = resolvers_parse(source_text);
	char *servers = NULL;

	(void)pthread_mutex_lock(&domains.lock);
	if (parsed && asprintf(&servers, "%s%s", parsed, domains.lines ? domains.lines : "") < 0)
		servers = NULL;
	(void)pthread_mutex_unlock(&domains.lock);
	free(parsed);
	return servers;
}

/* Whether these are there already. */
static bool has(const char *path, const char *servers)
{
	size_t length;
	char *text = file_read(path, SOURCE_SIZE_MAX, &length);
	bool same = text && strcmp(text, servers) == 0;

	free(text);
	return same;
}

int resolvers_copy(const char *path)
{
	size_t length;
	char *text = file_read(RESOLVERS_SOURCE, SOURCE_SIZE_MAX, &length);
	char *servers;
	int result = 0;

	if (!text && errno != ENOENT)
		return -errno;
	servers = make_servers(text ? text : "");
	free(text);
	if (!servers)
		return -ENOMEM;
	if (!has(path, servers)) {
		/* By the time that it is read, dnsmasq may be another user. */
		result = file_replace(path, servers, 0644);
		result = result < 0 ? result : 1;
	}
	free(servers);
	return result;
}

struct resolvers_watch {
	struct resolvers_watch *next;
	const char *network;
	const char *path;
	void (*on_copied)(void *userdata);
	void *userdata;
};

/*
 * The file is watched in three ways: its directory, in which it may be replaced
 * (by a link, too); the directory of the file that a link leads to; and that
 * file itself, which in a container is mounted from elsewhere. The first of them
 * goes on without networks: the loop's one instance of inotify ends with the
 * last watch of a file, for which the kernel takes 16 ms.
 */
static struct {
	sd_event_source *directory;
	sd_event_source *real_directory;
	sd_event_source *file;
	char real_name[NAME_MAX + 1]; /* in real_directory */
	struct resolvers_watch *watches;
} source;

#define DIRECTORY_EVENTS (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE)
#define FILE_EVENTS (IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

static int on_change(sd_event_source *event_source, const struct inotify_event *event,
		     void *userdata);

/* Watches what the source leads to now; there may be nothing. */
static void watch_real_file(sd_event *event)
{
	char *real = realpath(RESOLVERS_SOURCE, NULL);
	char *slash = real ? strrchr(real, '/') : NULL;

	source.real_directory = sd_event_source_disable_unref(source.real_directory);
	source.file = sd_event_source_disable_unref(source.file);
	if (slash) {
		(void)sd_event_add_inotify(event, &source.file, real, FILE_EVENTS, on_change, NULL);
		(void)snprintf(source.real_name, sizeof(source.real_name), "%s", slash + 1);
		slash[slash == real] = '\0';
		(void)sd_event_add_inotify(event, &source.real_directory, real, DIRECTORY_EVENTS,
					   on_change, NULL);
	}
	free(real);
}

static bool is_about_source(const sd_event_source *event_source, const struct inotify_event *event)
{
	if (event_source == source.file || !event->len)
		return true;
	if (event_source == source.real_directory)
		return strcmp(event->name, source.real_name) == 0;
	return strcmp(event->name, strrchr(RESOLVERS_SOURCE, '/') + 1) == 0;
}

static void copy(const struct resolvers_watch *watch)
{
	int result = resolvers_copy(watch->path);

	if (result > 0)
		watch->on_copied(watch->userdata);
	else if (result < 0)
		log_warning(watch->network, "the name servers in %s cannot be passed on: %s",
			    RESOLVERS_SOURCE, strerror(-result));
}

static void copy_all(void)
{
	for (const struct resolvers_watch *watch = source.watches; watch; watch = watch->next)
		copy(watch);
}

static int on_change(sd_event_source *event_source, const struct inotify_event *event,
		     void *userdata)
{
	(void)userdata;
	if (!is_about_source(event_source, event))
		return 0;
	watch_real_file(sd_event_source_get_event(source.directory));
	copy_all();
	return 0;
}

static int watch_source(sd_event *event)
{
	int result;

	if (source.directory)
		return 0;
	result = sd_event_add_inotify(event, &source.directory, "/etc", DIRECTORY_EVENTS, on_change,
				      NULL);
	if (result >= 0)
		watch_real_file(event);
	return result;
}

int resolvers_watch_new(struct resolvers_watch **watch, sd_event *event, const char *network,
			const char *path, void (*on_copied)(void *userdata), void *userdata)
{
	struct resolvers_watch *new;
	int result = watch_source(event);

	if (result < 0)
		return result;
	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = (struct resolvers_watch){ source.watches, network, path, on_copied, userdata };
	source.watches = new;
	*watch = new;
	copy(new);
	return 0;
}

void resolvers_watch_free(struct resolvers_watch *watch)
{
	struct resolvers_watch **link = &source.watches;

	if (!watch)
		return;
	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	free(watch);
}

static void write_domain(FILE *file, const struct network_config *config)
{
	char domain[NETWORK_DOMAIN_SIZE];

	if (config->mode != NETWORK_BRIDGED && config->dns_proxy)
		(void)fprintf(file, "server=/%s/\n", network_domain(config->name, domain));
}

static char *write_domains(const struct broker *broker)
{
	char *lines;
	size_t size;
	FILE *file = open_memstream(&lines, &size);

	if (!file)
		return NULL;
	for (size_t i = 0; i < broker->config->n_networks; i++)
		write_domain(file, broker->config->networks[i]);
	/* Those that the configuration has no more. */
	for (const struct network *i = broker->networks; i; i = i->next)
		if (!config_find_named(broker->config, i->config->name))
			write_domain(file, i->config);
	return memstream_close(file, &lines);
}

void resolvers_keep_names(const struct broker *broker)
{
	char *lines = write_domains(broker);
	char *before;

	if (!lines) {
		log_warning(NULL, "memory is short: machines may ask for other networks' names");
		return;
	}
	(void)pthread_mutex_lock(&domains.lock);
	before = domains.lines;
	domains.lines = lines;
	(void)pthread_mutex_unlock(&domains.lock);
	if (!before || strcmp(before, lines) != 0)
		copy_all();
	free(before);
}

void resolvers_stop(void)
{
	free(domains.lines);
	domains.lines = NULL;
	source.directory = sd_event_source_disable_unref(source.directory);
	source.real_directory = sd_event_source_disable_unref(source.real_directory);
	source.file = sd_event_source_disable_unref(source.file);
}
