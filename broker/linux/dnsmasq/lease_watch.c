/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the lease file when it has changed, and has done what leases.c, lease_keep.c,
 * lease_release.c and taken.c say: what takes its time on network_worker, in jobs that outlive
 * the watch.
 */
#include "lease_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/container_of.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "broker/linux/worker.h"
#include "files.h"
#include "lease_keep.h"
#include "lease_release.h"
#include "leases.h"
#include "reservations.h"
#include "taken.h"

/* A lease file is read when nothing has been written to it for so long, */
#define SETTLE_USEC ((uint64_t)50 * 1000)
/* or has been written to for so long: a machine can have it written to all the time. */
#define UNSETTLED_USEC ((uint64_t)1000 * 1000)
/* Networks look at the same time, and then all share one look at neighbours. */
#define TOGETHER_USEC ((uint64_t)10 * 1000)

struct lease_watch {
	struct lease_watch *next; /* of all networks */
	struct network *network;
	int bridge;
	const char *path;
	const struct lease_owner *owner;
	sd_event_source *changes; /* of the file */
	sd_event_source *settle;
	uint64_t changed_usec; /* the first change that it is on for */
	bool is_empty; /* the file was, and has not changed since */
	struct dhcp_lease *leases; /* as they were read last */
	size_t n_leases;
	time_t ahead; /* the time of day, of the server's clock, by then */
	struct releasing *releasing; /* under way */
	bool is_listening; /* wants to, at the next look at neighbours */
};

/* Addresses being given up on the worker. Without its watch when nobody waits for it any more. */
struct releasing {
	struct job job;
	struct lease_watch *watch; /* the policy's to clear */
	struct lease_release *release;
	int result;
};

/* Neighbours being looked at on the worker, for all networks that want to. */
struct listening {
	struct job job;
	int result;
	size_t n;
	struct neighbours lists[];
};

static struct {
	struct lease_watch *watches;
	sd_event_source *listen; /* on while one wants to */
	bool is_listening; /* the job is under way */
} all;

/* Giving up */

static void run_releasing(struct job *job)
{
	struct releasing *releasing = container_of(job, struct releasing, job);

	releasing->result = lease_release_send(releasing->release);
}

static void releasing_done(struct job *job)
{
	struct releasing *releasing = container_of(job, struct releasing, job);
	struct lease_watch *watch = releasing->watch;

	if (watch)
		watch->releasing = NULL;
	if (watch && releasing->result < 0)
		log_warning(watch->network->config->name,
			    "addresses of machines that have gone cannot be freed: %s",
			    strerror(-releasing->result));
	else if (watch)
		log_debug(watch->network->config->name,
			  "freed the addresses of %d machines that have gone", releasing->result);
	free(releasing->release);
	free(releasing);
}

/* Frees addresses when they are getting short; what was freed shows in the lease file. */
static void release_leases(struct lease_watch *watch)
{
	struct releasing *releasing;
	struct lease_release *release;

	if (watch->releasing)
		return;
	release = lease_release_plan(watch->network, watch->leases, watch->n_leases);
	releasing = release ? calloc(1, sizeof(*releasing)) : NULL;
	if (!releasing) {
		free(release);
		return;
	}
	releasing->job.run = run_releasing;
	releasing->job.done = releasing_done;
	releasing->watch = watch;
	releasing->release = release;
	watch->releasing = releasing;
	worker_submit(&network_worker, &releasing->job);
}

/* Reading */

/* The server's clock: see preload.c. */
static time_t server_time(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* For people alone: nothing is done by the time of day. */
static time_t clock_ahead(void)
{
	struct timespec day = { 0 };
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &day);
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return day.tv_sec - now.tv_sec - (day.tv_nsec < now.tv_nsec);
}

/*
 * It is written anew each time. When it ends within a line, the rest is yet to come;
 * when it is empty, all of it, unless it stays so.
 */
static bool is_unfinished(struct lease_watch *watch, const char *text, size_t length)
{
	const bool was_empty = watch->is_empty;

	watch->is_empty = length == 0;
	if (length > 0 ? text[length - 1] == '\n' : watch->n_leases == 0 || was_empty)
		return false;
	timer_set(watch->settle, SETTLE_USEC);
	return true;
}

/* What is wrong with the file, the watch says. */
static void recall(struct network *network, const char *path)
{
	struct dhcp_lease *leases = NULL;
	struct lease *list;
	size_t length, n;
	char *text = dnsmasq_file_read(path, &length);

	if (text && length > 0 && text[length - 1] == '\n' &&
	    leases_parse(text, length, &leases, &n) == 0 &&
	    leases_list(network, leases, n, server_time(), clock_ahead(), &list) == 0)
		broker_leases_changed(network, list);
	free(leases);
	free(text);
}

void lease_watch_recall(struct network *network)
{
	const struct options *options = linux_platform.options;
	struct dnsmasq_files files;

	if (dnsmasq_files_init(&files, network->config->name, options->state_dir,
			       options->runtime_dir) < 0)
		return;
	if (network->config->dhcp && network->config->mode != NETWORK_BRIDGED)
		recall(network, files.leases);
	dnsmasq_files_clear(&files);
}

static int read_leases(struct lease_watch *watch)
{
	struct dhcp_lease *leases = NULL;
	struct lease *list;
	size_t n_leases;
	size_t length;
	char *text = dnsmasq_file_read(watch->path, &length);
	int result = -1;

	watch->ahead = clock_ahead();
	if (text && is_unfinished(watch, text, length)) {
		result = 0;
		goto out;
	}
	if (!text || leases_parse(text, length, &leases, &n_leases) < 0 ||
	    leases_list(watch->network, leases, n_leases, server_time(), watch->ahead, &list) < 0)
		goto out;
	free(watch->leases);
	watch->leases = leases;
	watch->n_leases = n_leases;
	leases = NULL;
	broker_leases_changed(watch->network, list);
	watch->owner->changed(watch->network);
	reservations_keep(watch->network, watch->leases, watch->n_leases);
	release_leases(watch);
	result = 0;
out:
	free(leases);
	free(text);
	return result;
}

void lease_watch_read(struct lease_watch *watch)
{
	(void)sd_event_source_set_enabled(watch->settle, SD_EVENT_OFF);
	if (read_leases(watch) == 0)
		return;
	if (errno == ENOENT)
		watch->owner->lost(watch->network);
	else
		log_warning(watch->network->config->name, "its leases in %s cannot be read: %s",
			    watch->path, strerror(errno));
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	lease_watch_read(userdata);
	return 0;
}

static int on_change(sd_event_source *source, const struct inotify_event *event, void *userdata)
{
	struct lease_watch *watch = userdata;
	uint64_t now = 0;

	(void)source;
	(void)event;
	watch->is_empty = false;
	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	if (!timer_is_on(watch->settle))
		watch->changed_usec = now;
	else if (now - watch->changed_usec > UNSETTLED_USEC)
		return 0;
	timer_set(watch->settle, SETTLE_USEC);
	return 0;
}

/* IN_ATTRIB: it is removed. */
int lease_watch_follow(struct lease_watch *watch)
{
	int result;

	watch->changes = sd_event_source_disable_unref(watch->changes);
	result = sd_event_add_inotify(linux_platform.event, &watch->changes, watch->path,
				      IN_MODIFY | IN_ATTRIB, on_change, watch);
	return result < 0 ? result : on_change(NULL, NULL, watch);
}

/* Keeping */

static void keep_leases(struct lease_watch *watch)
{
	uint64_t now = 0;
	int result;

	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	result =
		lease_keep(watch->network, watch->leases, watch->n_leases, (time_t)(now / 1000000));
	/* The clock was set: what was told of their ends is wrong. */
	if (clock_ahead() != watch->ahead)
		timer_set_unless_on(watch->settle, SETTLE_USEC);
	if (result < 0)
		log_debug(watch->network->config->name,
			  "leases of its machines are not renewed: %s", strerror(-result));
}

/* Taken addresses */

static void run_listening(struct job *job)
{
	struct listening *listening = container_of(job, struct listening, job);

	listening->result = taken_listen(listening->lists, listening->n);
}

static void claim_taken(const struct lease_watch *watch, const struct neighbours *neighbours)
{
	struct dhcp_lease chosen[TAKEN_AT_ONCE];
	const struct network *network = watch->network;
	size_t n = taken_choose(network, watch->leases, watch->n_leases, neighbours, chosen);
	int result = taken_claim(network, chosen, n);

	if (result < 0)
		log_debug(network->config->name, "what its machines have taken is not leased: %s",
			  strerror(-result));
}

/* Its watch may have gone meanwhile. */
static void heard(const struct neighbours *neighbours)
{
	for (const struct lease_watch *watch = all.watches; watch; watch = watch->next)
		if (watch->bridge == neighbours->bridge && watch->network->config->dhcp)
			claim_taken(watch, neighbours);
}

static size_t count_listening(void)
{
	size_t n = 0;

	for (const struct lease_watch *watch = all.watches; watch; watch = watch->next)
		n += watch->is_listening;
	return n;
}

static void listen_soon(void)
{
	timer_set_unless_on(all.listen, TOGETHER_USEC);
}

static void listening_done(struct job *job)
{
	struct listening *listening = container_of(job, struct listening, job);

	all.is_listening = false;
	if (listening->result < 0)
		log_debug(NULL, "what machines have taken is not known: %s",
			  strerror(-listening->result));
	for (size_t i = 0; i < listening->n && listening->result == 0; i++)
		heard(&listening->lists[i]);
	free(listening);
	if (count_listening() > 0)
		listen_soon();
}

/* One look at a time: those who want to meanwhile share the next. */
static int on_listen(sd_event_source *source, uint64_t usec, void *userdata)
{
	size_t n = all.is_listening ? 0 : count_listening();
	struct listening *listening =
		n > 0 ? calloc(1, sizeof(*listening) + n * sizeof(listening->lists[0])) : NULL;

	(void)source;
	(void)usec;
	(void)userdata;
	if (!listening)
		return 0; /* without memory, the next look of theirs has another */
	listening->job = (struct job){ .run = run_listening, .done = listening_done };
	for (struct lease_watch *watch = all.watches; watch; watch = watch->next) {
		if (watch->is_listening)
			listening->lists[listening->n++].bridge = watch->bridge;
		watch->is_listening = false;
	}
	all.is_listening = true;
	worker_submit(&network_worker, &listening->job);
	return 0;
}

/* Its bridge's list of neighbours has those of all hosts. */
static void claim_listed(const struct lease_watch *watch,
			 void (*list)(const struct network *, struct neighbours *))
{
	struct neighbours *neighbours = calloc(1, sizeof(*neighbours));

	if (!neighbours)
		return; /* without memory at the next look */
	list(watch->network, neighbours);
	claim_taken(watch, neighbours);
	free(neighbours);
}

void lease_watch_listen(struct lease_watch *watch)
{
	if (watch->network->addresses.vxlan_host) {
		if (watch->network->config->dhcp)
			claim_listed(watch, watch->owner->list_here);
		return;
	}
	watch->is_listening = watch->network->config->dhcp;
	listen_soon();
}

void lease_watch_look(struct lease_watch *watch)
{
	keep_leases(watch);
	/* Nobody else is to be given what machines have taken along to another host. */
	if (watch->network->addresses.vxlan_host && watch->network->config->dhcp)
		claim_listed(watch, watch->owner->list_elsewhere);
	reservations_keep(watch->network, watch->leases, watch->n_leases);
	lease_watch_listen(watch);
}

const struct mac_address *lease_watch_taken(const struct lease_watch *watch, struct in_addr address)
{
	for (size_t i = 0; i < watch->n_leases; i++)
		if (watch->leases[i].is_taken && watch->leases[i].address.s_addr == address.s_addr)
			return &watch->leases[i].mac;
	return NULL;
}

/* The watch */

int lease_watch_new(struct lease_watch **watch, struct network *network, int bridge,
		    const char *path, const struct lease_owner *owner)
{
	struct lease_watch *new = calloc(1, sizeof(*new));
	int result;

	if (!new)
		return -ENOMEM;
	new->network = network;
	new->bridge = bridge;
	new->path = path;
	new->owner = owner;
	result = timer_add(linux_platform.event, &new->settle, on_settled, new);
	/* Not when something else wakes the loop, such as the next change. */
	if (result == 0)
		result = sd_event_source_set_time_accuracy(new->settle, 1);
	if (result >= 0 && !all.listen)
		result = timer_add(linux_platform.event, &all.listen, on_listen, NULL);
	if (result < 0) {
		sd_event_source_disable_unref(new->settle);
		free(new);
		return result;
	}
	new->next = all.watches;
	all.watches = new;
	*watch = new;
	return 0;
}

void lease_watch_free(struct lease_watch *watch)
{
	struct lease_watch **link = &all.watches;

	if (!watch)
		return;
	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	if (!all.watches)
		all.listen = sd_event_source_disable_unref(all.listen);
	if (watch->releasing)
		watch->releasing->watch = NULL;
	sd_event_source_disable_unref(watch->changes);
	sd_event_source_disable_unref(watch->settle);
	free(watch->leases);
	free(watch);
}
