/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One conversation with each host at a time: connect, ask, read the answer, which is one message
 * of at most 64 KiB, as dnsmasq makes it.
 */
#include "zones.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/machine_name.h"
#include "base/memstream.h"
#include "broker/interface.h"
#include "broker/linux/linux.h"
#include "broker/linux/timer.h"
#include "files.h"
#include "leases.h"
#include "zone.h"

#define DNS_PORT 53

/* From one question to the next of the same host, for each so many hosts: each answer is a fork. */
#define PERIOD_USEC ((uint64_t)3 * 1000 * 1000)
#define PERIOD_HOSTS 16
/* All of an answer is there by then, or the question has failed. */
#define ANSWER_USEC ((uint64_t)2 * 1000 * 1000)
/* After so many failures in a row a host has no names, and is asked less often. */
#define FAILURES_MAX 3U
#define SILENT_PERIODS 4

struct peer {
	struct zones *zones;
	const struct vxlan_host *host;
	sd_event_source *timer; /* while there is a question: its end; else: the next one */
	sd_event_source *answer; /* NULL: there is no question */
	int fd;
	uint8_t *message; /* with its length before it; NULL: it has not been asked yet */
	size_t length; /* of what is there */
	struct zone zone;
	bool was_asked;
	bool differs; /* its configuration */
	unsigned int failures; /* since the last answer */
};

struct zones {
	struct network *network;
	void (*on_changed)(struct network *network);
	size_t n_peers;
	struct peer peers[]; /* in the order of the configuration */
};

/* Names that are known here, sorted */

struct own_name {
	const char *name;
	bool is_free; /* its machine has gone, and nobody has taken its name along */
};

struct own_names {
	struct own_name *items;
	size_t n;
};

static int compare_names(const void *left, const void *right)
{
	const struct own_name *a = left;
	const struct own_name *b = right;
	const int result = strcasecmp(a->name, b->name);

	return result ? result : a->is_free - b->is_free;
}

static size_t count_own(const struct network *network)
{
	const struct network_config *config = network->config;
	size_t n = config->vxlan.n_hosts + config->n_dhcp_reservations;

	for (size_t i = 0; sought_names[i]; i++)
		n++;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		n++;
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		n++;
	return n;
}

static void add_own(struct own_names *own, const char *name, bool is_free)
{
	if (name && *name)
		own->items[own->n++] = (struct own_name){ name, is_free };
}

static bool is_used(const struct network *network, const struct lease *lease)
{
	struct in_addr address;

	return interfaces_have_mac(network, &lease->mac) ||
	       (inet_pton(AF_INET, lease->address, &address) == 1 &&
		lease_has_gone_on(network, &lease->mac, address));
}

static int list_own(const struct network *network, struct own_names *own)
{
	const struct network_config *config = network->config;

	own->n = 0;
	own->items = calloc(count_own(network), sizeof(*own->items));
	if (!own->items)
		return -1;
	for (size_t i = 0; sought_names[i]; i++)
		add_own(own, sought_names[i], false);
	for (size_t i = 0; i < config->vxlan.n_hosts; i++)
		add_own(own, config->vxlan.hosts[i].name, false);
	for (size_t i = 0; i < config->n_dhcp_reservations; i++)
		add_own(own, config->dhcp_reservations[i].hostname, false);
	for (const struct interface *i = network->interfaces; i; i = i->next)
		add_own(own, i->options.name, false);
	for (const struct lease *lease = network->leases; lease; lease = lease->next)
		add_own(own, lease->hostname, !is_used(network, lease));
	qsort(own->items, own->n, sizeof(*own->items), compare_names);
	return 0;
}

static bool has(const struct own_names *own, struct own_name wanted)
{
	return bsearch(&wanted, own->items, own->n, sizeof(wanted), compare_names) != NULL;
}

/* Whether a name is one of them. is_alive: the machine elsewhere that has it, too. */
static bool is_own(const struct own_names *own, const char *name, bool is_alive)
{
	return has(own, (struct own_name){ name, false }) ||
	       (!is_alive && has(own, (struct own_name){ name, true }));
}

/* The file */

/* What a host has told of a name. */
struct told {
	const struct zone_record *record;
	const struct peer *peer;
};

static int compare_told(const void *left, const void *right)
{
	const struct told *a = left;
	const struct told *b = right;
	int result = strcmp(a->record->name, b->record->name);

	if (result == 0)
		result = (a->peer > b->peer) - (a->peer < b->peer);
	if (result == 0)
		result = a->record->family - b->record->family;
	/* In the same order, whatever the order of an answer. */
	if (result == 0)
		result = memcmp(&a->record->address, &b->record->address,
				address_size(a->record->family));
	return result;
}

static struct told *list_told(const struct zones *self, size_t *n_told)
{
	struct told *told;
	size_t n = 0;

	for (size_t i = 0; i < self->n_peers; i++)
		n += self->peers[i].zone.n_records;
	told = calloc(n + 1, sizeof(*told));
	if (!told)
		return NULL;
	*n_told = 0;
	for (const struct peer *peer = self->peers; peer < self->peers + self->n_peers; peer++)
		for (size_t i = 0; i < peer->zone.n_records; i++)
			told[(*n_told)++] = (struct told){ &peer->zone.records[i], peer };
	qsort(told, n, sizeof(*told), compare_told);
	return told;
}

static bool is_alive(const struct network *network, const struct zone_record *record)
{
	bool is_elsewhere;

	return record->family == AF_INET &&
	       platform_known_ipv4(network, record->address.ipv4, &is_elsewhere) && is_elsewhere;
}

/*
 * Writes what there is of one name: what the first host has told whose machine is there, or else
 * the first one.
 */
static void write_name(FILE *file, const struct network *network, const struct told *told, size_t n,
		       const struct own_names *own)
{
	const struct told *chosen = NULL;
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < n && !chosen; i++)
		if (is_alive(network, told[i].record))
			chosen = &told[i];
	if (is_own(own, told->record->name, chosen))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct zone_record *record = told[i].record;

		if (told[i].peer == (chosen ? chosen : told)->peer)
			(void)fprintf(
				file, "%s %s\n",
				inet_ntop(record->family, &record->address, text, sizeof(text)),
				record->name);
	}
}

static void write_told(FILE *file, const struct network *network, const struct told *told, size_t n,
		       const struct own_names *own)
{
	size_t end;

	for (size_t i = 0; i < n; i = end) {
		end = i + 1;
		while (end < n && strcmp(told[i].record->name, told[end].record->name) == 0)
			end++;
		write_name(file, network, &told[i], end - i, own);
	}
}

/* A reserved name is the same on all hosts: that its machine is here is in this host's zone. */
static void write_reserved(FILE *file, const struct network *network)
{
	const struct network_config *config = network->config;
	const struct vxlan_host *own = network_host(config, &network->addresses);
	char address[INET_ADDRSTRLEN];
	char zone[ZONE_NAME_SIZE];

	for (size_t i = 0; i < config->n_dhcp_reservations; i++) {
		const struct dhcp_reservation *reservation = &config->dhcp_reservations[i];

		if (!reservation->hostname || !interfaces_have_mac(network, &reservation->mac))
			continue;
		(void)fprintf(file, "%s ",
			      inet_ntop(AF_INET, &reservation->address, address, sizeof(address)));
		machine_name_write(file, reservation->hostname);
		(void)fprintf(file, ".%s\n", zone_name(config, own, zone));
	}
}

/* Returns NULL when memory is short. */
static char *make_text(const struct zones *self)
{
	struct own_names own = { 0 };
	size_t size, n_told;
	char *text = NULL;
	struct told *told = list_told(self, &n_told);
	FILE *file =
		told && list_own(self->network, &own) == 0 ? open_memstream(&text, &size) : NULL;

	if (file) {
		(void)fputs("# Made by vmnet-broker of what the network's other hosts tell.\n",
			    file);
		write_told(file, self->network, told, n_told, &own);
		write_reserved(file, self->network);
		text = memstream_close(file, &text);
	}
	free(own.items);
	free(told);
	return file ? text : NULL;
}

/*
 * Writes the file if something else is there: another dnsmasq has begun without, and what an
 * earlier broker has left may be right. Returns 1 when it has, 0, or a negative errno.
 */
static int write_file(const struct network *network, const char *text)
{
	const struct options *options = linux_platform.options;
	struct dnsmasq_files files;
	size_t length;
	char *before;
	int result = 0;

	if (dnsmasq_files_init(&files, network->config->name, NULL, options->runtime_dir) < 0)
		return -errno;
	before = dnsmasq_file_read(files.names, &length);
	if (!before || strcmp(before, text) != 0) {
		result = file_replace_for(files.names, text, linux_platform.dnsmasq.gid);
		result = result < 0 ? result : 1;
	}
	dnsmasq_files_clear(&files);
	free(before);
	return result;
}

void zones_update(struct zones *self)
{
	char *text;
	int result;

	for (size_t i = 0; i < self->n_peers; i++)
		if (!self->peers[i].was_asked)
			return;
	text = make_text(self);
	result = text ? write_file(self->network, text) : -ENOMEM;
	free(text);
	if (result > 0)
		self->on_changed(self->network);
	else if (result < 0)
		log_warning(self->network->config->name,
			    "names of machines on other hosts are not passed on: %s",
			    strerror(-result));
}

/* Questions */

static void end_question(struct peer *peer)
{
	peer->answer = sd_event_source_disable_unref(peer->answer);
	if (peer->fd >= 0)
		(void)close(peer->fd);
	peer->fd = -1;
	free(peer->message);
	peer->message = NULL;
	peer->length = 0;
}

static void compare_texts(struct peer *peer)
{
	const struct network_config *config = peer->zones->network->config;
	char text[ZONE_TEXT_SIZE];
	const bool differs = strcmp(peer->zone.text, zone_text(config, text)) != 0;

	if (differs && !peer->differs)
		log_warning(config->name,
			    "host \"%s\" has another configuration of it: make both files the "
			    "same, and reload both",
			    peer->host->name);
	else if (!differs && peer->differs)
		log_info(config->name, "host \"%s\" has the same configuration of it again",
			 peer->host->name);
	peer->differs = differs;
}

/* With "evpn" the kernel is told of hosts, whether they have names or not (vxlan/elsewhere.c). */
static void look_at_hosts(struct zones *self)
{
	const struct vxlan *vxlan = &self->network->config->vxlan;
	bool is_alone = true;
	char fault[160];

	if (vxlan->control != VXLAN_STATIC)
		return;
	for (size_t i = 0; i < self->n_peers && is_alone; i++)
		is_alone = self->peers[i].failures == FAILURES_MAX;
	(void)snprintf(fault, sizeof(fault),
		       "none of its other hosts answers: if one of them has it active, look at the "
		       "way there, and at what stops UDP port %u",
		       vxlan->port);
	broker_network_fault(self->network, FAULT_HOSTS, is_alone ? fault : NULL);
}

/* Ends a question, and plans the next one. result: 0 or a negative errno. */
static void finish(struct peer *peer, int result)
{
	struct zones *self = peer->zones;
	uint64_t pause = PERIOD_USEC * (1 + self->n_peers / PERIOD_HOSTS);

	end_question(peer);
	peer->was_asked = true;
	if (result == 0)
		peer->failures = 0;
	else if (peer->failures < FAILURES_MAX && ++peer->failures == FAILURES_MAX) {
		log_debug(self->network->config->name, "host \"%s\" does not tell its names: %s",
			  peer->host->name, strerror(-result));
		zone_clear(&peer->zone);
	}
	timer_set(peer->timer, peer->failures == FAILURES_MAX ? pause * SILENT_PERIODS : pause);
	look_at_hosts(self);
	zones_update(self);
}

static int take_answer(struct peer *peer)
{
	const struct network_config *config = peer->zones->network->config;
	const bool was_whole = !peer->zone.records || peer->zone.is_whole;
	char name[ZONE_NAME_SIZE];
	struct zone zone;
	int result = zone_parse(peer->message + 2, peer->length - 2,
				zone_name(config, peer->host, name), config, &zone);

	if (result < 0)
		return result;
	zone_clear(&peer->zone);
	peer->zone = zone;
	if (was_whole && !zone.is_whole)
		log_warning(config->name,
			    "host \"%s\" has more names than it can tell at once: others of its "
			    "machines are found as NAME.%s alone",
			    peer->host->name, name);
	compare_texts(peer);
	return 0;
}

/* Sends the question once it is connected. Returns 0 or a negative errno. */
static int ask(struct peer *peer)
{
	uint8_t question[ZONE_QUESTION_SIZE];
	char name[ZONE_NAME_SIZE];
	socklen_t size = sizeof(int);
	int error = 0;
	size_t length;

	if (getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (error)
		return -error;
	length = zone_ask(zone_name(peer->zones->network->config, peer->host, name), question);
	/* There is room for it in any new socket. */
	if (send(peer->fd, question, length, MSG_NOSIGNAL) != (ssize_t)length)
		return -EIO;
	peer->message = malloc(2 + UINT16_MAX);
	return peer->message ? sd_event_source_set_io_events(peer->answer, EPOLLIN) : -ENOMEM;
}

/* Returns 1 when all of the answer is there, 0 while it is not, or a negative errno. */
static int read_answer(struct peer *peer)
{
	ssize_t n = recv(peer->fd, peer->message + peer->length, 2 + UINT16_MAX - peer->length, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EBADMSG;
	peer->length += (size_t)n;
	return peer->length >= 2 &&
	       peer->length >= 2 + ((size_t)peer->message[0] << 8 | peer->message[1]);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct peer *peer = userdata;
	int result = peer->message ? read_answer(peer) : ask(peer);

	(void)source;
	(void)fd;
	(void)events;
	if (result > 0)
		finish(peer, take_answer(peer));
	else if (result < 0)
		finish(peer, result);
	return 0;
}

/* From the host's own address, which the other host's server knows it by. */
static int begin_question(struct peer *peer)
{
	const struct sockaddr_in own = {
		.sin_family = AF_INET,
		.sin_addr = peer->zones->network->addresses.own_ipv4,
	};
	const struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(DNS_PORT),
		.sin_addr = vxlan_host_ipv4(peer->host),
	};

	peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer->fd < 0 || bind(peer->fd, (const struct sockaddr *)&own, sizeof(own)) < 0 ||
	    (connect(peer->fd, (const struct sockaddr *)&server, sizeof(server)) < 0 &&
	     errno != EINPROGRESS))
		return -errno;
	return sd_event_add_io(linux_platform.event, &peer->answer, peer->fd, EPOLLOUT, on_ready,
			       peer);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct peer *peer = userdata;
	int result = peer->answer ? -ETIMEDOUT : begin_question(peer);

	(void)source;
	(void)usec;
	if (result < 0)
		finish(peer, result);
	else
		timer_set(peer->timer, ANSWER_USEC);
	return 0;
}

/* All */

struct zones *zones_new(struct network *network, void (*on_changed)(struct network *network))
{
	const struct vxlan *vxlan = &network->config->vxlan;
	struct zones *self = calloc(1, sizeof(*self) + vxlan->n_hosts * sizeof(self->peers[0]));

	if (!self)
		return NULL;
	self->network = network;
	self->on_changed = on_changed;
	for (size_t i = 0; i < vxlan->n_hosts; i++) {
		struct peer *peer = &self->peers[self->n_peers];

		if (i + 1 == network->addresses.vxlan_host)
			continue;
		peer->zones = self;
		peer->host = &vxlan->hosts[i];
		peer->fd = -1;
		self->n_peers++;
		if (timer_add(linux_platform.event, &peer->timer, on_time, peer) < 0) {
			zones_free(self);
			return NULL;
		}
		/* One after the other. */
		timer_set(peer->timer, PERIOD_USEC * self->n_peers / (vxlan->n_hosts + 1));
	}
	return self;
}

void zones_free(struct zones *self)
{
	if (!self)
		return;
	for (size_t i = 0; i < self->n_peers; i++) {
		end_question(&self->peers[i]);
		sd_event_source_disable_unref(self->peers[i].timer);
		zone_clear(&self->peers[i].zone);
	}
	free(self);
}
