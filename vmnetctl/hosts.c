/* SPDX-License-Identifier: Apache-2.0 */
/* A network's hosts, from the description of its configuration. */
#include "hosts.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* Of a broker that says something else there is nothing to be shown. */
static bool read_host(const json_t *object, struct host_facts *host, int *family)
{
	const char *pool = text_of(object, "pool");

	*host = (struct host_facts){ .name = text_of(object, "name"),
				     .address = text_of(object, "address") };
	if (!host->name || !host->address || !pool || ipv4_subnet_parse(pool, &host->pool) < 0)
		return false;
	*family = strchr(host->address, ':') ? AF_INET6 : AF_INET;
	return true;
}

static int read_hosts(const json_t *vxlan, struct host_list *hosts)
{
	const char *control = text_of(vxlan, "control");
	const json_t *list = json_object_get(vxlan, "hosts");
	const json_t *object;
	size_t i;

	if (json_array_size(list) == 0)
		return DONE;
	hosts->is_static = control && strcmp(control, "static") == 0;
	hosts->vni = (unsigned int)json_integer_value(json_object_get(vxlan, "vni"));
	hosts->port = (unsigned int)json_integer_value(json_object_get(vxlan, "port"));
	hosts->items = calloc(json_array_size(list), sizeof(*hosts->items));
	if (!hosts->items) {
		complain("out of memory");
		return FAILED;
	}
	json_array_foreach(list, i, object) {
		hosts->n_items += read_host(object, &hosts->items[hosts->n_items], &hosts->family);
	}
	return DONE;
}

int hosts_take(const struct vmnet_broker_network *network, struct host_list *hosts)
{
	const char *text = network->configuration;
	int result;

	*hosts = (struct host_list){ .configuration = text ? json_loads(text, 0, NULL) : NULL,
				     .network = network->name };
	result = read_hosts(json_object_get(hosts->configuration, "vxlan"), hosts);
	if (result == DONE && hosts->n_items > 0)
		result = hosts_look(network, hosts);
	return result;
}

void hosts_clear(struct host_list *hosts)
{
	free(hosts->items);
	json_decref(hosts->configuration);
	*hosts = (struct host_list){ 0 };
}

const struct host_facts *hosts_own(const struct host_list *hosts)
{
	for (size_t i = 0; i < hosts->n_items; i++)
		if (hosts->items[i].state == HOST_OWN)
			return &hosts->items[i];
	return NULL;
}

static const char *const states[] = {
	[HOST_OWN] = "own",	[HOST_KNOWN] = "known",	  [HOST_UNKNOWN] = "unknown",
	[HOST_HEARD] = "heard", [HOST_SILENT] = "silent",
};

int hosts_write(const struct host_list *hosts, FILE *stream)
{
	char pool[IPV4_SUBNET_TEXT_SIZE];
	struct table table;

	table_start(&table, 4);
	table_text(&table, "HOST");
	table_text(&table, "ADDRESS");
	table_text(&table, "POOL");
	table_text(&table, "STATE");
	for (size_t i = 0; i < hosts->n_items; i++) {
		const struct host_facts *host = &hosts->items[i];
		const bool is_there = host->state != HOST_UNKNOWN && host->state != HOST_SILENT;

		table_style(&table, is_there ? TABLE_PLAIN : TABLE_DIM);
		table_text(&table, host->name);
		table_text(&table, host->address);
		table_text(&table, ipv4_subnet_format(&host->pool, pool));
		table_text(&table, host->state == HOST_OWN ? "this host" : states[host->state]);
	}
	return table_write(&table, stream);
}

static json_t *json_host(const struct host_facts *host)
{
	char pool[IPV4_SUBNET_TEXT_SIZE];

	return json_pack("{s:s, s:s, s:s, s:o}", "name", host->name, "address", host->address,
			 "pool", ipv4_subnet_format(&host->pool, pool), "state",
			 json_text(states[host->state]));
}

json_t *hosts_json(const struct host_list *hosts)
{
	json_t *list = json_array();

	for (size_t i = 0; i < hosts->n_items; i++) {
		if (json_array_append_new(list, json_host(&hosts->items[i])) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}
