/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl machines: a row for each machine, of one network or all. */
#include "machines.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/array.h"
#include "base/memstream.h"
#include "json.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"
#include "watch.h"

/* What is left of a column at least; an IPv4 address is whole. */
#define NARROW 6
#define ADDRESS_WIDTH 15
/* Which of the titles is shown where there are any hosts alone. */
#define HOST_COLUMN 2

static int out_of_memory(void)
{
	complain("out of memory");
	return FAILED;
}

struct machine_facts *machines_append(struct machine_list *machines,
				      const struct vmnet_broker_inspection *inspection)
{
	struct machine_facts *items =
		array_grow(machines->items, machines->n_items, sizeof(*items));

	if (!items) {
		(void)out_of_memory();
		return NULL;
	}
	machines->items = items;
	items += machines->n_items++;
	*items = (struct machine_facts){ .network = inspection };
	return items;
}

void addresses_add(struct machine_addresses *addresses, const char *address)
{
	for (size_t i = 0; i < addresses->n; i++)
		if (strcmp(addresses->items[i], address) == 0)
			return;
	if (addresses->n < ARRAY_SIZE(addresses->items))
		(void)snprintf(addresses->items[addresses->n++], ADDRESS_TEXT_SIZE, "%s", address);
}

/* Ports */

static bool leads_to(const json_t *forwarding, const struct machine_facts *machine)
{
	const char *address = json_string_value(json_object_get(forwarding, "internalAddress"));

	for (size_t i = 0; address && i < machine->addresses.n; i++)
		if (strcmp(machine->addresses.items[i], address) == 0)
			return true;
	return false;
}

/* Those of the network's configuration that lead to one of its addresses. */
static int add_configured_ports(struct machine_facts *machine, const json_t *configuration)
{
	json_t *forwarding;
	size_t i;

	json_array_foreach(json_object_get(configuration, "portForwarding"), i, forwarding)
		if (leads_to(forwarding, machine) &&
		    json_array_append(machine->ports, forwarding) != 0)
			return out_of_memory();
	return DONE;
}

static int add_ports(struct machine_list *machines, size_t first, const json_t *configuration)
{
	int result = DONE;

	for (size_t i = first; i < machines->n_items && result == DONE; i++) {
		struct machine_facts *machine = &machines->items[i];

		machine->ports =
			machine->interface ? json_forwardings(machine->interface) : json_array();
		result = machine->ports ? add_configured_ports(machine, configuration)
					: out_of_memory();
	}
	return result;
}

static int add_network(const struct vmnet_broker_inspection *inspection,
		       struct machine_list *machines)
{
	const size_t first = machines->n_items;
	const char *text = inspection->network->configuration;
	json_t *configuration = text ? json_loads(text, 0, NULL) : NULL;
	int result = machines_add(inspection, machines);

	if (result == DONE)
		result = add_ports(machines, first, configuration);
	json_decref(configuration);
	return result;
}

/* Those without a name last, this host's before others', and in the order in which they came. */
static int compare(const void *left, const void *right)
{
	const struct machine_facts *a = left, *b = right;
	const int order = strcasecmp(a->name, b->name);

	if (order != 0)
		return *a->name && *b->name ? order : -order;
	if (!a->interface != !b->interface)
		return a->interface ? -1 : 1;
	return a->interface && b->interface ? (a->interface->attached > b->interface->attached) -
						      (a->interface->attached <
						       b->interface->attached)
					    : strcmp(a->mac, b->mac);
}

int machines_take(const struct inspections *inspections, struct machine_list *machines)
{
	int result = DONE;

	*machines = (struct machine_list){ 0 };
	for (size_t i = 0; i < inspections->n_items && result == DONE; i++) {
		const size_t first = machines->n_items;

		result = add_network(inspections->items[i], machines);
		if (machines->n_items > first)
			qsort(machines->items + first, machines->n_items - first,
			      sizeof(*machines->items), compare);
	}
	machines_find_processes(machines);
	return result;
}

void machines_clear(struct machine_list *machines)
{
	for (size_t i = 0; i < machines->n_items; i++)
		json_decref(machines->items[i].ports);
	free(machines->items);
	*machines = (struct machine_list){ 0 };
}

/* Text */

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void write_ports(json_int_t first, json_int_t count, FILE *stream)
{
	(void)fprintf(stream, count > 1 ? "%d-%d" : "%d", (int)first, (int)(first + count - 1));
}

/* "127.0.0.1:8080->80/tcp", with as much of it as there is to say. */
static void write_forwarding(const json_t *forwarding, FILE *stream)
{
	const char *address = json_string_value(json_object_get(forwarding, "externalAddress"));
	const char *inside = json_string_value(json_object_get(forwarding, "internalAddress"));
	const char *protocol = json_string_value(json_object_get(forwarding, "protocol"));
	const json_int_t external = number(forwarding, "externalPort");
	const json_int_t internal = number(forwarding, "internalPort");
	const json_int_t count = number(forwarding, "count");

	if (!address && inside && strchr(inside, ':'))
		address = "::"; /* of one family alone */
	if (address)
		(void)fprintf(stream, strchr(address, ':') ? "[%s]:" : "%s:", address);
	write_ports(external, count, stream);
	if (internal && internal != external) {
		(void)fputs("->", stream);
		write_ports(internal, count, stream);
	}
	if (protocol && strcmp(protocol, "both") != 0)
		(void)fprintf(stream, "/%s", protocol);
}

static void write_address(const struct machine_facts *machine, size_t i, FILE *stream)
{
	/* What is good on a link alone says nothing beside others. */
	if (i == 0 || !strchr(machine->addresses.items[i], '%'))
		(void)fprintf(stream, "%s%s", i > 0 ? " " : "", machine->addresses.items[i]);
}

static void write_port(const struct machine_facts *machine, size_t i, FILE *stream)
{
	if (i > 0)
		(void)fputc(' ', stream);
	write_forwarding(json_array_get(machine->ports, i), stream);
}

/* A cell of several things. */
static void add_list(struct table *table, const struct machine_facts *machine, size_t n,
		     void (*write_item)(const struct machine_facts *machine, size_t i,
					FILE *stream))
{
	char *text = NULL;
	size_t size;
	FILE *stream = n > 0 ? open_memstream(&text, &size) : NULL;

	for (size_t i = 0; stream && i < n; i++)
		write_item(machine, i, stream);
	if (stream)
		text = memstream_close(stream, &text);
	table_text(table, text);
	free(text);
}

/* "16M", as --rate-in takes it. */
static void write_rate(uint64_t bits, FILE *stream)
{
	static const char units[] = { '\0', 'k', 'M', 'G', 'T' };
	size_t unit = 0;

	for (; unit + 1 < ARRAY_SIZE(units) && bits % 1000 == 0; unit++)
		bits /= 1000;
	(void)fprintf(stream, "%llu", (unsigned long long)bits);
	if (units[unit])
		(void)fputc(units[unit], stream);
}

static bool is_limited(const struct vmnet_broker_interface *interface)
{
	return interface && (interface->rate_limit_in.bits_per_second ||
			     interface->rate_limit_out.bits_per_second);
}

static void write_limit(const struct machine_facts *machine, size_t i, FILE *stream)
{
	const struct vmnet_broker_interface *interface = machine->interface;
	const uint64_t in = interface->rate_limit_in.bits_per_second;
	const uint64_t out = interface->rate_limit_out.bits_per_second;

	(void)i;
	if (in) {
		(void)fputs("in ", stream);
		write_rate(in, stream);
	}
	if (out) {
		(void)fputs(in ? " out " : "out ", stream);
		write_rate(out, stream);
	}
}

/* Today's by the hour, others' by the day. */
static void add_time(struct table *table, int64_t seconds)
{
	const time_t at = (time_t)seconds, now = time(NULL);
	struct tm then, today;
	char text[32];

	if (!seconds || !localtime_r(&at, &then) || !localtime_r(&now, &today)) {
		table_text(table, NULL);
		return;
	}
	(void)strftime(text, sizeof(text),
		       then.tm_year == today.tm_year && then.tm_yday == today.tm_yday ? "%H:%M"
										      : "%Y-%m-%d",
		       &then);
	table_text(table, text);
}

static const char *known(const char *text)
{
	return *text ? text : NULL;
}

static void add_number(struct table *table, int64_t number)
{
	if (number > 0)
		table_format(table, "%lld", (long long)number);
	else
		table_text(table, NULL);
}

static void add_row(struct table *table, const struct machine_facts *machine, bool with_host)
{
	const struct vmnet_broker_interface *interface = machine->interface;
	char user[USER_TEXT_SIZE];

	table_text(table, known(machine->name));
	add_list(table, machine, machine->addresses.n, write_address);
	if (with_host)
		table_text(table, known(machine->host));
	table_text(table, interface ? user_format(interface->uid, user) : NULL);
	add_number(table, machine->pid);
	table_text(table, known(machine->command));
	add_list(table, machine, json_array_size(machine->ports), write_port);
	add_list(table, machine, is_limited(interface), write_limit);
	add_time(table, interface ? interface->attached : 0);
	table_text(table, interface ? interface->device : NULL);
	table_text(table, known(machine->mac));
}

static bool have_hosts(const struct machine_list *machines)
{
	for (size_t i = 0; i < machines->n_items; i++)
		if (*machines->items[i].host)
			return true;
	return false;
}

int machines_write(const struct machine_list *machines, bool with_network, FILE *stream)
{
	static const char *const titles[] = { "NAME",  "ADDRESSES", "HOST",	  "USER",
					      "PID",   "COMMAND",   "PORTS",	  "LIMITS",
					      "SINCE", "DEVICE",    "MAC ADDRESS" };
	const bool with_host = have_hosts(machines);
	const size_t name = with_network, user = name + 2 + with_host;
	struct table table;

	table_start(&table, ARRAY_SIZE(titles) - !with_host + with_network);
	table_cut(&table, name, NARROW);
	table_cut(&table, name + 1, ADDRESS_WIDTH);
	table_cut(&table, user + 2, NARROW);
	table_cut(&table, user + 3, NARROW);
	for (size_t column = user + 3; column < table.n_columns; column++)
		table_leave_out(&table, column);
	if (with_network)
		table_text(&table, "NETWORK");
	for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
		if (with_host || i != HOST_COLUMN)
			table_text(&table, titles[i]);
	for (size_t i = 0; i < machines->n_items; i++) {
		if (with_network)
			table_text(&table, machines->items[i].network->network->name);
		add_row(&table, &machines->items[i], with_host);
	}
	return table_write(&table, stream);
}

/* JSON */

static json_t *json_addresses(const struct machine_addresses *addresses)
{
	json_t *list = json_array();

	for (size_t i = 0; i < addresses->n; i++) {
		if (json_array_append_new(list, json_string(addresses->items[i])) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *json_machine(const struct machine_facts *machine)
{
	const struct vmnet_broker_interface *interface = machine->interface;

	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:o, s:o, s:o}", "network",
		json_text(machine->network->network->name), "name", json_text(known(machine->name)),
		"addresses", json_addresses(&machine->addresses), "macAddress",
		json_text(known(machine->mac)), "host", json_text(known(machine->host)), "device",
		json_text(interface ? interface->device : NULL), "uid",
		interface ? json_integer(interface->uid) : json_null(), "pid",
		machine->pid ? json_integer(machine->pid) : json_null(), "command",
		json_text(known(machine->command)), "portForwarding", machine->ports, "rateLimitIn",
		json_rate_limit(interface ? &interface->rate_limit_in : NULL), "rateLimitOut",
		json_rate_limit(interface ? &interface->rate_limit_out : NULL), "attachedTimestamp",
		json_timestamp(interface ? interface->attached : 0));
}

json_t *machines_json(const struct machine_list *machines)
{
	json_t *list = json_array();

	for (size_t i = 0; i < machines->n_items; i++) {
		if (json_array_append_new(list, json_machine(&machines->items[i])) == 0)
			continue;
		json_decref(list);
		return NULL;
	}
	return list;
}

/* The subcommand */

static int write_all(const struct machine_list *machines, bool with_network,
		     const struct view *view, FILE *stream)
{
	if (view->json)
		return view_json(view, json_pack("{s:o}", "machines", machines_json(machines)),
				 stream);
	if (machines->n_items > 0)
		return machines_write(machines, with_network, stream);
	(void)fputs("There is no machine.\n", stream);
	return DONE;
}

static int show(struct vmnet_broker *broker, char **arguments, const struct view *view,
		FILE *stream)
{
	struct inspections inspections;
	struct machine_list machines = { 0 };
	int result = inspections_take(broker, *arguments, &inspections);

	if (result == DONE)
		result = machines_take(&inspections, &machines);
	if (result == DONE)
		result = write_all(&machines, !*arguments, view, stream);
	machines_clear(&machines);
	inspections_clear(&inspections);
	return result;
}

int machines(int argc, char **argv)
{
	return view(argc, argv, 0, 1, "", show);
}
