/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between two parts of a list objects come and go, and so may the network. What is listed has an
 * order that objects keep, and each part begins behind the last object of the one before, whether
 * that is still there or not: so what is there all the time comes once, and the list ends. Where
 * nothing is left for the last reply, that has no object.
 */
#include "lists.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_text.h"
#include "broker/interface.h"
#include "connection.h"
#include "describe.h"
#include "metrics.h"
#include "sending.h"

#define PART_BYTES ((size_t)32 * 1024)

/*
 * What is listed of a kind. all: struct network_info, the network, or all of them, the last one
 * without a config; or struct metric.
 */
struct list {
	/* The first one behind listing->last. Returns NULL when there is none. */
	const void *(*first)(const struct listing *listing, const void *all);
	const void *(*next)(const void *object);
	void (*mark)(struct listing *listing, const void *object);
	json_t *(*describe)(const void *object); /* the parameters of its reply */
};

/* Networks, sorted by name */

static const void *network_or_end(const struct network_info *info)
{
	return info->config ? info : NULL;
}

static const void *first_network(const struct listing *listing, const void *all)
{
	const struct network_info *infos = all;

	while (listing->begun && infos->config &&
	       strcmp(infos->config->name, listing->last.name) <= 0)
		infos++;
	return network_or_end(infos);
}

static const void *next_network(const void *object)
{
	return network_or_end((const struct network_info *)object + 1);
}

static void mark_network(struct listing *listing, const void *object)
{
	strcpy(listing->last.name, ((const struct network_info *)object)->config->name);
}

static json_t *describe_listed_network(const void *object)
{
	return describe_network(object, -1);
}

/* Clients, by their holds */

static const void *first_hold(const struct listing *listing, const void *all)
{
	const struct network_info *infos = all;
	const struct hold *hold = infos->network ? infos->network->holds : NULL;

	while (listing->begun && hold && hold->number >= listing->last.number)
		hold = hold->next_on_network;
	return hold;
}

static const void *next_hold(const void *object)
{
	return ((const struct hold *)object)->next_on_network;
}

static void mark_hold(struct listing *listing, const void *object)
{
	listing->last.number = ((const struct hold *)object)->number;
}

static json_t *describe_hold(const void *object)
{
	return json_pack("{s:o}", "client", describe_client(((const struct hold *)object)->client));
}

/* Interfaces: those that have a device */

static const void *interface_with_device(const struct interface *interface)
{
	while (interface && interface->state == INTERFACE_ATTACHING)
		interface = interface->next;
	return interface;
}

static const void *first_interface(const struct listing *listing, const void *all)
{
	const struct network_info *infos = all;
	const struct interface *interface = infos->network ? infos->network->interfaces : NULL;

	while (listing->begun && interface && interface->number >= listing->last.number)
		interface = interface->next;
	return interface_with_device(interface);
}

static const void *next_interface(const void *object)
{
	return interface_with_device(((const struct interface *)object)->next);
}

static void mark_interface(struct listing *listing, const void *object)
{
	listing->last.number = ((const struct interface *)object)->number;
}

static json_t *describe_listed_interface(const void *object)
{
	return json_pack("{s:o}", "interface", describe_interface(object));
}

/* Leases, in the order of lease_compare() */

static const void *first_lease(const struct listing *listing, const void *all)
{
	const struct network_info *infos = all;
	const struct lease *lease = infos->network ? infos->network->leases : NULL;
	struct lease last = { .mac = listing->last.lease.mac };

	strcpy(last.address, listing->last.lease.address);
	while (listing->begun && lease && lease_compare(lease, &last) <= 0)
		lease = lease->next;
	return lease;
}

static const void *next_lease(const void *object)
{
	return ((const struct lease *)object)->next;
}

static void mark_lease(struct listing *listing, const void *object)
{
	const struct lease *lease = object;

	listing->last.lease.mac = lease->mac;
	strcpy(listing->last.lease.address, lease->address);
}

static json_t *describe_listed_lease(const void *object)
{
	return json_pack("{s:o}", "lease", describe_lease(object));
}

/* Metrics, and families of them */

static const void *metric_or_end(const struct metric *metric)
{
	return metric->network ? metric : NULL;
}

static bool has_come(const struct metric *metric, const struct listing *listing)
{
	if (!listing->begun || metric->family != listing->last.metric.family)
		return listing->begun && metric->family < listing->last.metric.family;
	return strcmp(metric->network, listing->last.metric.network) <= 0;
}

static const void *first_metric(const struct listing *listing, const void *all)
{
	const struct metric *metric = all;

	while (metric->network && has_come(metric, listing))
		metric++;
	return metric_or_end(metric);
}

static const void *next_metric(const void *object)
{
	return metric_or_end((const struct metric *)object + 1);
}

static void mark_metric(struct listing *listing, const void *object)
{
	const struct metric *metric = object;

	listing->last.metric.family = metric->family;
	strcpy(listing->last.metric.network, metric->network);
}

static json_t *describe_metric(const void *object)
{
	return metric_describe(object);
}

static json_t *describe_metric_family(const void *object)
{
	return metric_describe_family(object);
}

static const struct list lists[] = {
	[LIST_NETWORKS] = { first_network, next_network, mark_network, describe_listed_network },
	[LIST_CLIENTS] = { first_hold, next_hold, mark_hold, describe_hold },
	[LIST_INTERFACES] = { first_interface, next_interface, mark_interface,
			      describe_listed_interface },
	[LIST_LEASES] = { first_lease, next_lease, mark_lease, describe_listed_lease },
	[LIST_METRICS] = { first_metric, next_metric, mark_metric, describe_metric },
	[LIST_METRIC_FAMILIES] = { first_metric, next_metric, mark_metric, describe_metric_family },
};

/* Parts */

/* Messages, each with its NUL. */
struct part {
	char *text;
	size_t size;
};

/* parameters is taken over, and may be NULL. Returns 0, or -1 when memory is short. */
static int add_reply(struct part *part, json_t *parameters, bool continues)
{
	json_t *message = json_pack("{s:o, s:o*}", "parameters", parameters, "continues",
				    continues ? json_true() : NULL);
	char *text = json_text_dump(message, JSON_COMPACT);
	size_t size = text ? strlen(text) + 1 : 0;
	char *longer = text ? realloc(part->text, part->size + size) : NULL;

	json_decref(message);
	if (longer) {
		memcpy(longer + part->size, text, size);
		part->text = longer;
		part->size += size;
	}
	free(text);
	return longer ? 0 : -1;
}

/* Fills a part and moves the listing on. Returns the object for the next one, or NULL. */
static const void *fill(struct part *part, struct listing *listing, const void *all)
{
	const struct list *list = &lists[listing->kind];
	const void *object = list->first(listing, all);
	int r = object ? 0 : add_reply(part, json_object(), false);

	while (object && r == 0 && part->size < PART_BYTES) {
		const void *next = list->next(object);

		r = add_reply(part, list->describe(object), next != NULL);
		list->mark(listing, object);
		listing->begun = true;
		object = next;
	}
	if (r < 0) {
		free(part->text);
		part->text = NULL;
	}
	return object;
}

static struct metric *find_metrics(const struct connection *connection, struct error *error)
{
	struct network_info *infos = NULL;
	struct metric *metrics;
	size_t n;

	if (broker_list(connection->client, &infos, &n, error) < 0)
		return NULL;
	metrics = metrics_of(infos, n);
	free(infos);
	if (!metrics)
		error_set(error, ERROR_INTERNAL, "out of memory for metrics");
	return metrics;
}

static struct network_info *find_network(const struct connection *connection, struct error *error)
{
	struct network_info *info = calloc(1, sizeof(*info));

	if (!info)
		error_set(error, ERROR_INTERNAL, "out of memory for a list");
	if (info && broker_inspect(connection->client, connection->call.network, info, error) < 0) {
		free(info);
		info = NULL;
	}
	return info;
}

/* What there is to be listed now, which the caller frees. Returns NULL with error. */
static void *find_all(const struct connection *connection, struct error *error)
{
	struct network_info *infos;
	struct metric *families;
	size_t n;

	switch (connection->call.listing.kind) {
	case LIST_NETWORKS:
		return broker_list(connection->client, &infos, &n, error) < 0 ? NULL : infos;
	case LIST_METRICS:
		return find_metrics(connection, error);
	case LIST_METRIC_FAMILIES:
		families = metrics_families();
		if (!families)
			error_set(error, ERROR_INTERNAL, "out of memory for metrics");
		return families;
	default:
		return find_network(connection, error);
	}
}

void list_continue(struct connection *connection)
{
	struct part part = { 0 };
	struct error error;
	void *all = find_all(connection, &error);

	if (!all) {
		connection_send(connection, describe_error(&error, connection->call.network), NULL);
		return;
	}
	if (!fill(&part, &connection->call.listing, all))
		connection->state = CONNECTION_OPEN;
	free(all);
	connection_send_part(connection, part.text, part.size);
}

void list_start(struct connection *connection, enum list_kind kind)
{
	connection->call.listing = (struct listing){ .kind = kind };
	connection->state = CONNECTION_LISTING;
	list_continue(connection);
}

bool lists_are_pending(void)
{
	const struct connection *connection;

	TAILQ_FOREACH(connection, &all_connections, all) {
		struct pollfd room = { .fd = connection->stream.fd, .events = POLLOUT };

		if (connection->state == CONNECTION_LISTING && poll(&room, 1, 0) > 0)
			return true;
	}
	return false;
}
