/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl metrics: OpenMetrics text, version 1.0. All samples of a family stand together, and
 * after the last family nothing may come but the end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/memstream.h"
#include "subcommands.h"
#include "usage.h"
#include "vmnetctl/text.h"

struct network_family {
	const char *name, *type, *unit, *help;
	int64_t (*value)(const struct vmnet_broker_inspection *inspection); /* -1: no sample */
};

struct machine_family {
	const char *name, *unit, *help;
	uint64_t (*value)(const struct traffic *machine);
};

static bool out_of_memory; /* a label is missing */

static int64_t is_active(const struct vmnet_broker_inspection *inspection)
{
	return inspection->network->active;
}

static int64_t clients(const struct vmnet_broker_inspection *inspection)
{
	return inspection->network->clients;
}

static int64_t interfaces(const struct vmnet_broker_inspection *inspection)
{
	return inspection->network->interfaces;
}

static int64_t is_faulted(const struct vmnet_broker_inspection *inspection)
{
	return inspection->network->fault != NULL;
}

static int64_t rogue_packets(const struct vmnet_broker_inspection *inspection)
{
	return inspection->rogue_packets;
}

static uint64_t in_bytes(const struct traffic *machine)
{
	return machine->in.bytes;
}

static uint64_t out_bytes(const struct traffic *machine)
{
	return machine->out.bytes;
}

static uint64_t in_packets(const struct traffic *machine)
{
	return machine->in.packets;
}

static uint64_t out_packets(const struct traffic *machine)
{
	return machine->out.packets;
}

static uint64_t in_drops(const struct traffic *machine)
{
	return machine->in.drops;
}

static uint64_t out_drops(const struct traffic *machine)
{
	return machine->out.drops;
}

static const struct network_family network_families[] = {
	{ "vmnet_network_up", "gauge", "", "Whether the network is active.", is_active },
	{ "vmnet_network_clients", "gauge", "", "Connections that hold the network.", clients },
	{ "vmnet_network_interfaces", "gauge", "", "Interfaces of machines on the network.",
	  interfaces },
	{ "vmnet_network_faulted", "gauge", "", "Whether something is wrong with the network.",
	  is_faulted },
	{ "vmnet_network_rogue_packets", "counter", "packets",
	  "Frames in which a machine posed as the network's DHCP server, router or gateway, all "
	  "of which were dropped.",
	  rogue_packets },
};

static const struct machine_family machine_families[] = {
	{ "vmnet_machine_received_bytes", "bytes", "What the machine received.", in_bytes },
	{ "vmnet_machine_sent_bytes", "bytes", "What the machine sent.", out_bytes },
	{ "vmnet_machine_received_packets", "packets", "What the machine received.", in_packets },
	{ "vmnet_machine_sent_packets", "packets", "What the machine sent.", out_packets },
	{ "vmnet_machine_received_dropped_packets", "packets",
	  "What was lost on its way to the machine.", in_drops },
	{ "vmnet_machine_sent_dropped_packets", "packets",
	  "What was lost on its way from the machine.", out_drops },
};

static void print_head(const char *name, const char *type, const char *unit, const char *help)
{
	printf("# TYPE %s %s\n", name, type);
	if (*unit)
		printf("# UNIT %s %s\n", name, unit);
	printf("# HELP %s %s\n", name, help);
}

/* What cannot be shown is escaped for people first, so that what is left is text without breaks. */
static void print_label(const char *name, const char *value)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream) {
		(void)text_write(stream, value, "");
		text = memstream_close(stream, &text);
	}
	out_of_memory = out_of_memory || !text;
	printf("%s=\"", name);
	for (const char *character = text; character && *character; character++) {
		if (*character == '"' || *character == '\\')
			(void)putchar('\\');
		(void)putchar(*character);
	}
	(void)putchar('"');
	free(text);
}

static void print_network_family(const struct network_family *family, const struct usage *usage)
{
	const char *suffix = *family->unit ? "_total" : "";

	print_head(family->name, family->type, family->unit, family->help);
	for (size_t i = 0; i < usage->networks.n_items; i++) {
		const struct vmnet_broker_inspection *inspection = usage->networks.items[i];
		int64_t value = family->value(inspection);

		if (value < 0)
			continue;
		printf("%s%s{", family->name, suffix);
		print_label("network", inspection->network->name);
		(void)putchar(',');
		print_label("mode", mode_name(inspection->network->mode));
		printf("} %" PRId64 "\n", value);
	}
}

static void print_machine_family(const struct machine_family *family, const struct usage *usage)
{
	print_head(family->name, "counter", family->unit, family->help);
	for (size_t i = 0; i < usage->n_machines; i++) {
		const struct traffic *machine = &usage->machines[i];
		const char *name = usage_name(usage, machine);
		char mac[MAC_TEXT_SIZE];

		printf("%s_total{", family->name);
		print_label("network", machine->alias.network);
		(void)putchar(',');
		print_label("machine", name ? name : "");
		(void)putchar(',');
		print_label("device", machine->device);
		printf(",mac=\"%s\",uid=\"%u\"} %" PRIu64 "\n",
		       mac_address_format(&machine->alias.mac, mac), machine->alias.owner,
		       family->value(machine));
	}
}

static int print_metrics(struct vmnet_broker *broker, char **arguments, int unused)
{
	struct usage usage;
	int result = usage_take(broker, *arguments, &usage);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(network_families) && result == DONE; i++)
		print_network_family(&network_families[i], &usage);
	for (size_t i = 0; i < ARRAY_SIZE(machine_families) && result == DONE; i++)
		print_machine_family(&machine_families[i], &usage);
	usage_clear(&usage);
	if (result == DONE && out_of_memory) {
		complain("out of memory");
		return FAILED;
	}
	/* Without this line what came before it is not to be used. */
	if (result == DONE)
		puts("# EOF");
	return result;
}

int metrics(int argc, char **argv)
{
	int result = read_arguments(argc, argv, NULL, 0, 1, "");

	return result == DONE ? with_broker(print_metrics, argv + optind, 0) : result;
}
