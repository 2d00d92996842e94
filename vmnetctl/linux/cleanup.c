/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl cleanup: removes what a broker has left on the host, when none can be started any more
 * to do it. All of it is known by marks of its own (host/names.h), whatever is damaged or missing.
 *
 * The order is the one in which a broker removes a network, but that machines lose their devices
 * first, and other hosts their way here: from then on no packet is without rules.
 */
#include "cleanup.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/instance_lock.h"
#include "host/link.h"
#include "host/names.h"
#include "subcommands.h"
#include "vmnetctl/text.h"

#define RUNTIME_DIR "/run/vmnet-broker"
#define STOP "\"systemctl stop vmnet-broker.socket vmnet-broker.service\""

/* What a broker that was killed had open may outlive it by a moment: see instance_lock.c. */
#define LISTENING_TRIES 20
#define LISTENING_MSEC 50
/* In /proc/net/unix: __SO_ACCEPTCON. */
#define LISTENS 0x10000UL

static struct {
	bool dry_run;
	bool force;
	const char *runtime_dir;
	char what[512]; /* is being removed */
	bool found; /* anything */
	bool failed;
} cleaning = { .runtime_dir = RUNTIME_DIR };

bool cleanup_begin(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(cleaning.what, sizeof(cleaning.what), format, arguments);
	va_end(arguments);
	cleaning.found = true;
	if (!cleaning.dry_run)
		return true;
	(void)fputs("would remove ", stdout);
	(void)text_write(stdout, cleaning.what, "");
	(void)putchar('\n');
	return false;
}

void cleanup_end(int result)
{
	if (result < 0) {
		cleaning.failed = true;
		complain("cannot remove %s: %s", cleaning.what, strerror(-result));
		return;
	}
	(void)fputs("removed ", stdout);
	(void)text_write(stdout, cleaning.what, "");
	(void)putchar('\n');
}

void cleanup_blind(const char *what, int result)
{
	cleaning.failed = true;
	complain("cannot look for %s: %s", what, strerror(-result));
}

/* Links */

static bool is_device(const struct link *link, struct alias *alias)
{
	return alias_parse(link->alias, alias) == 0 && alias->is_interface;
}

/* A broker that died while it made one may not have come to the alias. */
static bool is_bridge(const struct link *link)
{
	struct alias alias;

	return strcmp(link->kind, "bridge") == 0 &&
	       (link->alias[0] == '\0'
			? strncmp(link->name, BRIDGE_PREFIX, strlen(BRIDGE_PREFIX)) == 0
			: alias_parse(link->alias, &alias) == 0 && !alias.is_interface);
}

static bool is_of_kind(const struct link *link, const char *kind, const char *prefix)
{
	return strcmp(link->kind, kind) == 0 && strncmp(link->name, prefix, strlen(prefix)) == 0;
}

static bool is_checksums(const struct link *link)
{
	return is_of_kind(link, "ifb", CHECKSUMS_PREFIX);
}

/* By which machines of other hosts have the network. */
static bool is_vxlan(const struct link *link)
{
	return is_of_kind(link, "vxlan", VXLAN_PREFIX);
}

/* This host's own end; the other end, a port of the bridge, goes with it. */
static bool is_own_end(const struct link *link)
{
	return is_of_kind(link, "veth", OWN_PREFIX);
}

static bool is_limiter(const struct link *link)
{
	return strcmp(link->kind, "ifb") == 0 && limiter_port(link->name);
}

static bool is_capture(const struct link *link)
{
	struct capture_alias alias;

	return capture_alias_parse(link->alias, &alias) == 0;
}

/* One that has gone by itself meanwhile is no failure. */
static int delete_link(const struct link *link)
{
	int result = link_delete(link->index);

	return result == -ENODEV ? 0 : result;
}

/* With a machine's device its filters go, those of captures and limits, too. */
static void remove_devices(const struct link *links, size_t n_links)
{
	struct alias alias;
	char mac[MAC_TEXT_SIZE];

	for (size_t i = 0; i < n_links; i++) {
		if (is_device(&links[i], &alias) &&
		    cleanup_begin("device %s of machine %s on network \"%s\"%s", links[i].name,
				  mac_address_format(&alias.mac, mac), alias.network,
				  links[i].carrier ? ", which uses it" : ""))
			cleanup_end(delete_link(&links[i]));
		if (is_capture(&links[i]) &&
		    cleanup_begin("device %s, of a capture", links[i].name))
			cleanup_end(delete_link(&links[i]));
		if (is_vxlan(&links[i]) &&
		    cleanup_begin("device %s, to other hosts", links[i].name))
			cleanup_end(delete_link(&links[i]));
		if (is_limiter(&links[i]) && cleanup_begin("device %s, of a limit", links[i].name))
			cleanup_end(delete_link(&links[i]));
	}
}

static void remove_bridges(const struct link *links, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++) {
		if (is_checksums(&links[i]) &&
		    cleanup_begin("device %s, for checksums", links[i].name))
			cleanup_end(delete_link(&links[i]));
		if (is_own_end(&links[i]) &&
		    cleanup_begin("device %s, of the host itself", links[i].name))
			cleanup_end(delete_link(&links[i]));
		if (is_bridge(&links[i]) && cleanup_begin("bridge %s", links[i].name))
			cleanup_end(delete_link(&links[i]));
	}
}

/* Whether to go on */

/* Complains of each machine that would lose its network. */
static bool is_used(const struct link *links, size_t n_links)
{
	char mac[MAC_TEXT_SIZE];
	struct alias alias;
	bool found = false;

	for (size_t i = 0; i < n_links; i++) {
		if (!is_device(&links[i], &alias) || !links[i].carrier)
			continue;
		found = true;
		complain("machine %s of uid %u uses network \"%s\" by %s",
			 mac_address_format(&alias.mac, mac), alias.owner, alias.network,
			 links[i].name);
	}
	if (found)
		complain("end these machines first, by \"vmnetctl end NETWORK\" while a broker "
			 "runs, or take their networks from them with --force; what would go "
			 "--dry-run shows");
	return found;
}

/* Where programs find a broker. To connect there would start one. */
static bool is_listened_at(const char *path)
{
	char line[512], bound[256];
	unsigned long flags;
	bool found = false;
	FILE *file = fopen("/proc/net/unix", "re");

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %*s %*s %lx %*s %*s %*s %255s", &flags, bound) == 2 &&
			(flags & LISTENS) && strcmp(bound, path) == 0;
	if (file)
		(void)fclose(file);
	return found;
}

static bool may_start(void)
{
	const char *variable = getenv("VMNET_BROKER_SOCKET");
	const char *path = variable && *variable ? variable : RUNTIME_DIR "/socket";

	for (unsigned int tries = 1; is_listened_at(path); tries++) {
		if (tries == LISTENING_TRIES)
			return true;
		(void)poll(NULL, 0, LISTENING_MSEC);
	}
	return false;
}

/*
 * From here on no broker starts. One that runs has gone on without the lock if another program had
 * it. Returns DONE, or FAILED after complaining.
 */
static int keep_brokers_out(void)
{
	const char *unknown;
	int result = instance_lock_claim(&unknown);

	if (result == -EBUSY)
		complain("a broker runs here, and removes by itself what nobody uses; \"vmnetctl "
			 "inspect NETWORK\" shows who does, and \"vmnetctl end NETWORK\" ends "
			 "them. To clean up without it stop it first: " STOP);
	else if (may_start())
		complain("a broker runs here, or is started by the first program that wants one; "
			 "stop it first: " STOP);
	else if (result == 0)
		return DONE;
	else if (result == -EADDRINUSE && !unknown)
		complain("a program that is no broker has taken the name @" INSTANCE_LOCK_NAME
			 ", and hides whether one runs; \"ss -xap\" shows it: end it first");
	else
		complain("cannot tell whether a broker runs here: %s",
			 unknown ? unknown : strerror(-result));
	return FAILED;
}

static void remove_all(const struct link *links, size_t n_links)
{
	remove_devices(links, n_links);
	cleanup_servers(cleaning.runtime_dir);
	cleanup_forwarding(cleaning.runtime_dir);
	cleanup_routing();
	cleanup_filters();
	remove_bridges(links, n_links);
	cleanup_records(cleaning.runtime_dir);
}

static int clean_up(void)
{
	struct link *links;
	size_t n_links;
	int result;

	if (geteuid() != 0) {
		complain("only root can clean up; run \"sudo vmnetctl cleanup\"");
		return FAILED;
	}
	if (keep_brokers_out() != DONE)
		return FAILED;
	result = link_list(&links, &n_links);
	if (result < 0) {
		complain("cannot list the network devices: %s", strerror(-result));
		return FAILED;
	}
	cleaning.failed = !cleaning.force && !cleaning.dry_run && is_used(links, n_links);
	if (!cleaning.failed) {
		remove_all(links, n_links);
		if (!cleaning.found && !cleaning.failed)
			puts("There is nothing left of a broker.");
	}
	free(links);
	return cleaning.failed ? FAILED : DONE;
}

int cleanup(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dry-run", no_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'f' },
		{ "runtime-dir", required_argument, NULL, 'r' },
		{ 0 },
	};
	int option;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		if (option == 'd')
			cleaning.dry_run = true;
		else if (option == 'f')
			cleaning.force = true;
		else if (option == 'r')
			cleaning.runtime_dir = optarg;
		else
			return option;
	}
	if (check_arguments(argc, 0, 0, "") != DONE)
		return WRONG_USAGE;
	return clean_up();
}
