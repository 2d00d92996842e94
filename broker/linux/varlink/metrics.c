/* SPDX-License-Identifier: Apache-2.0 */
/* All are gauges: what can be counted for ever is counted in the kernel. */
#include "metrics.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"

static json_int_t is_active(const struct network_info *info)
{
	return info->network != NULL;
}

static json_int_t clients(const struct network_info *info)
{
	return (json_int_t)info->n_clients;
}

static json_int_t interfaces(const struct network_info *info)
{
	return (json_int_t)info->n_interfaces;
}

static json_int_t faults(const struct network_info *info)
{
	json_int_t n = 0;

	for (size_t i = 0; i < N_FAULTS && info->network; i++)
		n += info->network->faults[i] != NULL;
	return n;
}

static const struct {
	const char *name;
	const char *description;
	json_int_t (*count)(const struct network_info *info);
	bool is_total;
} families[] = {
	{ "ActiveNetworks", "Networks that are active", is_active, true },
	{ "Clients", "Holds that connections have on networks", clients, true },
	{ "Faults", "What is wrong with active networks", faults, true },
	{ "Interfaces", "Interfaces of machines that are attached to networks", interfaces, true },
	{ "NetworkActive", "1 while the network is active, else 0", is_active, false },
	{ "NetworkClients", "Connections that hold the network", clients, false },
	{ "NetworkFaults", "What is wrong with the network", faults, false },
	{ "NetworkInterfaces", "Interfaces of machines that are attached to the network",
	  interfaces, false },
};

#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static struct metric *add_total(struct metric *next, size_t family,
				const struct network_info *infos, size_t n)
{
	*next = (struct metric){ .family = family, .network = "" };
	for (size_t i = 0; i < n; i++)
		next->value += families[family].count(&infos[i]);
	return next + 1;
}

static struct metric *add_each(struct metric *next, size_t family, const struct network_info *infos,
			       size_t n)
{
	for (size_t i = 0; i < n; i++)
		*next++ = (struct metric){ family, infos[i].config->name,
					   families[family].count(&infos[i]) };
	return next;
}

struct metric *metrics_of(const struct network_info *infos, size_t n)
{
	struct metric *metrics = calloc(N_FAMILIES * (n + 1) + 1, sizeof(*metrics));
	struct metric *next = metrics;

	for (size_t i = 0; i < N_FAMILIES && next; i++)
		next = families[i].is_total ? add_total(next, i, infos, n)
					    : add_each(next, i, infos, n);
	return metrics;
}

struct metric *metrics_families(void)
{
	struct metric *metrics = calloc(N_FAMILIES + 1, sizeof(*metrics));

	for (size_t i = 0; i < N_FAMILIES && metrics; i++)
		metrics[i] = (struct metric){ .family = i, .network = "" };
	return metrics;
}

static json_t *name_of(const struct metric *metric)
{
	return json_sprintf("%s.%s", PROTOCOL_INTERFACE, families[metric->family].name);
}

json_t *metric_describe(const struct metric *metric)
{
	const char *network = metric->network[0] ? metric->network : NULL;

	return json_pack("{s:o, s:s*, s:I}", "name", name_of(metric), "object", network, "value",
			 metric->value);
}

json_t *metric_describe_family(const struct metric *metric)
{
	return json_pack("{s:o, s:s, s:s}", "name", name_of(metric), "description",
			 families[metric->family].description, "type", "gauge");
}
