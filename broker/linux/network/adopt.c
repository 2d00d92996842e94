/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds what an earlier broker left, and decides.
 *
 * A network that an earlier broker left is known by its record, by the alias
 * of its bridge, by those of its interfaces, or by its rules: any of them may be
 * missing. An interface is alive while somebody has its device open, and a
 * named one also while the connection of its client lives on.
 *
 *	an interface alive,	the network is adopted as it was created, also when
 *	or a hold		the configuration has changed or lost it; what is
 *				missing of it (the bridge, rules) is made again
 *	neither			all that is left of it is removed
 *
 * A network with an alive interface of which neither record nor configuration
 * is left cannot be adopted: it is left as it is.
 */
#include "adopt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addresses.h"
#include "attach.h"
#include "base/container_of.h"
#include "base/log.h"
#include "broker/linux/firewall/firewall.h"
#include "broker/linux/linux.h"
#include "broker/linux/shortage.h"
#include "broker/linux/worker.h"
#include "broker/state.h"
#include "capture.h"
#include "forwarded.h"
#include "host/link.h"
#include "host/names.h"
#include "interface_record.h"
#include "network.h"
#include "record.h"

struct left {
	char name[NETWORK_NAME_MAX + 1];
	const struct link *bridge; /* NULL: none */
};

struct leftovers {
	struct left *items;
	size_t n_items;
	struct link *links;
	size_t n_links;
	const struct left_clients *clients;
};

struct delete_job {
	struct job job;
	int index;
};

/* What an interface had that has ended since. */
struct forget_job {
	struct job job;
	char network[NETWORK_NAME_MAX + 1];
	struct interface_options options;
};

static void run_delete(struct job *job)
{
	(void)shortage_check(link_delete(container_of(job, struct delete_job, job)->index));
}

static void delete_done(struct job *job)
{
	free(job);
}

/* A named device that nobody has open, and whose client is gone. */
static bool is_abandoned(const struct leftovers *leftovers, const struct link *link,
			 const struct alias *alias)
{
	return link->persistent && !link->carrier &&
	       !leftovers->clients->have_named(alias->network, &alias->mac);
}

static int remove_link(const struct link *link)
{
	struct delete_job *job = calloc(1, sizeof(*job));

	if (!job)
		return -ENOMEM;
	*job = (struct delete_job){ .job = { .run = run_delete, .done = delete_done },
				    .index = link->index };
	worker_submit(&network_worker, &job->job);
	/* cppcheck-suppress memleak; the job is the worker's now */
	return 0;
}

static int remove_abandoned(const struct link *link, const char *network)
{
	log_info(network, "removing device %s, which nobody has open", link->name);
	return remove_link(link);
}

/* Finds the network among the leftovers, or adds it. NULL when memory is short. */
static struct left *left_get(struct leftovers *leftovers, const char *network)
{
	struct left *items;

	for (size_t i = 0; i < leftovers->n_items; i++)
		if (strcmp(leftovers->items[i].name, network) == 0)
			return &leftovers->items[i];
	items = reallocarray(leftovers->items, leftovers->n_items + 1, sizeof(*items));
	if (!items)
		return NULL;
	leftovers->items = items;
	items += leftovers->n_items++;
	*items = (struct left){ 0 };
	memcpy(items->name, network, strlen(network));
	return items;
}

static int add_name(const char *network, void *userdata)
{
	return left_get(userdata, network) ? 0 : -ENOMEM;
}

static int add_links(struct leftovers *leftovers)
{
	struct alias alias;

	for (size_t i = 0; i < leftovers->n_links; i++) {
		const struct link *link = &leftovers->links[i];
		struct left *left;

		if (alias_parse(link->alias, &alias) < 0)
			continue;
		left = left_get(leftovers, alias.network);
		if (!left)
			return -ENOMEM;
		if (!alias.is_interface)
			left->bridge = link;
	}
	return 0;
}

static bool is_interface_of(const struct link *link, const char *network, struct alias *alias)
{
	return alias_parse(link->alias, alias) == 0 && alias->is_interface &&
	       strcmp(alias->network, network) == 0;
}

static bool has_interface(const struct leftovers *leftovers, const struct left *left)
{
	struct alias alias;

	for (size_t i = 0; i < leftovers->n_links; i++)
		if (is_interface_of(&leftovers->links[i], left->name, &alias) &&
		    !is_abandoned(leftovers, &leftovers->links[i], &alias))
			return true;
	return false;
}

static bool is_used(const struct leftovers *leftovers, const struct left *left)
{
	return leftovers->clients->hold(left->name) || has_interface(leftovers, left);
}

/* Of a network whose record is lost: by what the configuration and the state directory say. */
static int guess(const struct broker *broker, const char *name, struct network_config **config,
		 struct network_addresses *addresses)
{
	struct network_config *found = config_find_named(broker->config, name);
	struct network_state_kept kept;
	struct error error;

	if (!found)
		return -1;
	(void)state_load(linux_platform.options->state_dir, name, &kept);
	if (found->mode != NETWORK_BRIDGED && !kept.ipv4_subnet.length)
		return -1;
	*addresses = (struct network_addresses){ .mtu = found->mtu };
	if (found->mode == NETWORK_BRIDGED) {
		(void)snprintf(addresses->bridge, sizeof(addresses->bridge), "%s",
			       found->external_interface);
	} else {
		bridge_name(name, addresses->bridge);
		addresses_set(addresses, &kept.ipv4_subnet, &kept.ipv6_prefix);
		addresses->bridge_mac = kept.bridge_mac;
	}
	if (found->vxlan.vni && addresses_find_host(found, addresses, &error) < 0) {
		log_warning(name, "%s", error.reason);
		return -1;
	}
	*config = network_config_ref(found);
	return 0;
}

static int adopt_interfaces(const struct leftovers *leftovers, struct network *network)
{
	struct alias alias;
	int result = 0;

	for (size_t i = 0; i < leftovers->n_links && result == 0; i++) {
		const struct link *link = &leftovers->links[i];

		if (is_interface_of(link, network->config->name, &alias) &&
		    !is_abandoned(leftovers, link, &alias))
			result = interface_adopt(network, link, &alias);
	}
	return result;
}

static int adopt_network(struct broker *broker, const struct leftovers *leftovers,
			 const struct left *left, struct network_config *config,
			 const struct network_addresses *addresses)
{
	const int bridge = left->bridge ? left->bridge->index : 0;
	struct network *network;

	if (!is_used(leftovers, left))
		return network_remove_leftover(left->name, config, addresses, bridge);
	network = network_adopt(broker, config, addresses, bridge);
	if (!network || adopt_interfaces(leftovers, network) < 0)
		return -ENOMEM;
	network_repair(network, REPAIR_EVERYTHING);
	return 0;
}

static int adopt_left(struct broker *broker, const struct leftovers *leftovers,
		      const struct left *left)
{
	struct network_config *config;
	struct network_addresses addresses;

	record_load(linux_platform.options->runtime_dir, left->name, &config, &addresses);
	if ((config && addresses.bridge[0]) || !is_used(leftovers, left))
		return adopt_network(broker, leftovers, left, config, &addresses);
	network_config_unref(config);
	if (guess(broker, left->name, &config, &addresses) == 0)
		return adopt_network(broker, leftovers, left, config, &addresses);
	if (!has_interface(leftovers, left))
		return network_remove_leftover(left->name, NULL, &(struct network_addresses){ 0 },
					       left->bridge ? left->bridge->index : 0);
	log_warning(left->name, "machines use what an earlier broker left of it, but its record is "
				"lost: it stays as it is until the next start");
	return 0;
}

static void run_forget(struct job *job)
{
	const struct forget_job *self = container_of(job, struct forget_job, job);

	forwarded_end(&(struct forwarded_ports){ .network = self->network,
						 .items = self->options.port_forwardings,
						 .n = self->options.n_port_forwardings });
}

static void forget_done(struct job *job)
{
	struct forget_job *self = container_of(job, struct forget_job, job);

	free(self->options.port_forwardings);
	free(self);
}

/* Who used its ports is led anew, behind the repairs that have taken them. */
static void forget_ports(const char *network, const struct mac_address *mac)
{
	struct forget_job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	job->job = (struct job){ .run = run_forget, .done = forget_done };
	(void)snprintf(job->network, sizeof(job->network), "%s", network);
	interface_record_load(linux_platform.options->runtime_dir, network, mac, &job->options);
	worker_submit(&network_worker, &job->job);
	/* cppcheck-suppress memleak; the job is the worker's now */
}

static bool keeps_record(const char *network, const struct mac_address *mac, const void *userdata)
{
	const struct leftovers *leftovers = userdata;
	struct alias alias;

	for (size_t i = 0; i < leftovers->n_links; i++)
		if (is_interface_of(&leftovers->links[i], network, &alias) &&
		    mac_address_equal(&alias.mac, mac) &&
		    !is_abandoned(leftovers, &leftovers->links[i], &alias))
			return true;
	forget_ports(network, mac);
	return false;
}

/* Of an interface that ended while there was no broker, or ends now. */
static bool is_lost_limiter(const struct leftovers *leftovers, const struct link *limiter)
{
	const int port = limiter_port(limiter->name);
	struct alias alias;

	for (size_t i = 0; i < leftovers->n_links; i++) {
		const struct link *link = &leftovers->links[i];

		if (link->index == port && alias_parse(link->alias, &alias) == 0 &&
		    !is_abandoned(leftovers, link, &alias))
			return false;
	}
	return port && strcmp(limiter->kind, "ifb") == 0;
}

static int adopt_all(struct broker *broker, struct leftovers *leftovers)
{
	struct alias alias;
	int result = link_list(&leftovers->links, &leftovers->n_links);

	if (result == 0)
		result = record_list(linux_platform.options->runtime_dir, add_name, leftovers);
	if (result == 0)
		result = leftovers->clients->list_networks(add_name, leftovers);
	if (result == 0)
		result = add_links(leftovers);
	if (result == 0)
		result = firewall_list(add_name, leftovers);
	for (size_t i = 0; i < leftovers->n_items && result == 0; i++)
		result = adopt_left(broker, leftovers, &leftovers->items[i]);
	if (result == 0)
		result = interface_records_sweep(linux_platform.options->runtime_dir, keeps_record,
						 leftovers);
	if (result == 0)
		result = captures_adopt(broker, leftovers->links, leftovers->n_links);
	for (size_t i = 0; i < leftovers->n_links && result == 0; i++) {
		const struct link *link = &leftovers->links[i];

		if (alias_parse(link->alias, &alias) == 0 && alias.is_interface &&
		    is_abandoned(leftovers, link, &alias))
			result = remove_abandoned(link, alias.network);
		else if (is_lost_limiter(leftovers, link))
			result = remove_link(link);
	}
	return result;
}

int adopt(struct broker *broker, const struct left_clients *clients)
{
	struct leftovers leftovers = { .clients = clients };
	int result = adopt_all(broker, &leftovers);

	if (result < 0)
		log_error(NULL, "cannot take over what an earlier broker left: %s",
			  strerror(-result));
	free(leftovers.items);
	free(leftovers.links);
	return result;
}
