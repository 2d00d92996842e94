/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl top: what each machine sends and receives in a second, and each network's machines
 * together, by what the counters have gained between two looks.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/array.h"
#include "subcommands.h"
#include "usage.h"
#include "vmnetctl/json.h"
#include "vmnetctl/screen.h"
#include "vmnetctl/system.h"
#include "vmnetctl/table.h"
#include "vmnetctl/text.h"

#define INTERVAL 2
#define INTERVAL_MAX 3600

enum column {
	NETWORK,
	MACHINE,
	DEVICE,
	IN,
	OUT,
	PACKETS_IN,
	PACKETS_OUT,
	N_COLUMNS
};

/* The first column that is a rate. */
#define RATES IN
#define N_RATES (N_COLUMNS - RATES)

static const struct {
	const char *name; /* of --sort */
	char key;
	const char *title;
	const char *title_with_key;
} columns[N_COLUMNS] = {
	[NETWORK] = { "network", 'n', "NETWORK", "[n]ETWORK" },
	[MACHINE] = { "machine", 'm', "MACHINE", "[m]ACHINE" },
	[DEVICE] = { "device", 'd', "DEVICE", "[d]EVICE" },
	[IN] = { "in", 'i', "B/s IN", "B/s [i]N" },
	[OUT] = { "out", 'o', "B/s OUT", "B/s [o]UT" },
	[PACKETS_IN] = { "packets-in", 'p', "PACKETS/s IN", "[p]ACKETS/s IN" },
	[PACKETS_OUT] = { "packets-out", 'k', "PACKETS/s OUT", "PAC[k]ETS/s OUT" },
};

/* What the options and the keys have said. */
static struct {
	int interval; /* seconds */
	int count; /* of tables; 0: no end */
	enum column sort;
	bool reverse;
	bool json;
} choice = { .interval = INTERVAL, .sort = IN };

struct row {
	const char *network;
	const char *machine; /* NULL: of all machines together */
	const char *device;
	size_t n_machines;
	double rates[N_RATES];
};

struct rows {
	struct row *items;
	size_t n_items;
	char (*macs)[MAC_TEXT_SIZE]; /* what machines without a name are called */
};

/* Two looks, and how many seconds were between them. */
struct looks {
	struct usage before, now;
	double seconds; /* 0: there was none before */
	struct timespec time; /* of now */
};

/* Looks */

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static int look(struct vmnet_broker *broker, const char *network, struct looks *looks)
{
	const bool is_first = looks->time.tv_sec == 0;
	struct timespec time;

	usage_clear(&looks->before);
	looks->before = looks->now;
	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	looks->seconds = is_first ? 0 : seconds_between(&looks->time, &time);
	looks->time = time;
	return usage_take(broker, network, &looks->now);
}

static void clear_looks(struct looks *looks)
{
	usage_clear(&looks->before);
	usage_clear(&looks->now);
}

/* Nothing of one that has come since: its counters began at 0. */
static struct traffic traffic_before(const struct looks *looks, const struct traffic *now)
{
	for (size_t i = 0; i < looks->before.n_machines; i++) {
		const struct traffic *before = &looks->before.machines[i];

		if (strcmp(before->device, now->device) == 0 &&
		    mac_address_equal(&before->alias.mac, &now->alias.mac) &&
		    before->in.bytes <= now->in.bytes && before->out.bytes <= now->out.bytes)
			return *before;
	}
	return (struct traffic){ 0 };
}

/* Rows */

static void set_rates(struct row *row, const struct looks *looks, const struct traffic *now)
{
	const struct traffic before = traffic_before(looks, now);
	const uint64_t gained[N_RATES] = {
		now->in.bytes - before.in.bytes,
		now->out.bytes - before.out.bytes,
		now->in.packets - before.in.packets,
		now->out.packets - before.out.packets,
	};

	for (size_t i = 0; i < N_RATES; i++)
		row->rates[i] = looks->seconds > 0 ? (double)gained[i] / looks->seconds : 0;
}

static void add_to(struct row *total, const struct row *row)
{
	total->n_machines++;
	for (size_t i = 0; i < N_RATES; i++)
		total->rates[i] += row->rates[i];
}

/* Networks first, each with all of its machines. */
static void add_networks(struct rows *rows, const struct usage *usage)
{
	for (size_t i = 0; i < usage->networks.n_items; i++) {
		const struct vmnet_broker_network *network = usage->networks.items[i]->network;

		if (network->active)
			rows->items[rows->n_items++] = (struct row){ .network = network->name };
	}
}

static void add_machine(struct rows *rows, const struct looks *looks, size_t i)
{
	const struct traffic *machine = &looks->now.machines[i];
	const char *name = usage_name(&looks->now, machine);
	struct row *row = &rows->items[rows->n_items];

	*row = (struct row){ .network = machine->alias.network, .device = machine->device };
	row->machine = name ? name : mac_address_format(&machine->alias.mac, rows->macs[i]);
	set_rates(row, looks, machine);
	for (size_t j = 0; j < rows->n_items; j++)
		if (!rows->items[j].machine && strcmp(rows->items[j].network, row->network) == 0)
			add_to(&rows->items[j], row);
	rows->n_items++;
}

static int compare_text(const char *a, const char *b)
{
	/* What all of a network have is before each of them. */
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcasecmp(a, b);
}

static int compare_by(enum column column, const struct row *a, const struct row *b)
{
	switch (column) {
	case NETWORK:
		return compare_text(a->network, b->network);
	case MACHINE:
		return compare_text(a->machine, b->machine);
	case DEVICE:
		return compare_text(a->device, b->device);
	default:
		return (a->rates[column - RATES] < b->rates[column - RATES]) -
		       (a->rates[column - RATES] > b->rates[column - RATES]);
	}
}

static int compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	int result = compare_by(choice.sort, a, b);

	if (choice.reverse)
		result = -result;
	for (enum column column = NETWORK; result == 0 && column <= DEVICE; column++)
		result = compare_by(column, a, b);
	return result;
}

static int make_rows(struct rows *rows, const struct looks *looks)
{
	const struct usage *now = &looks->now;

	*rows = (struct rows){
		.items = calloc(now->networks.n_items + now->n_machines + 1, sizeof(*rows->items)),
		.macs = calloc(now->n_machines + 1, sizeof(*rows->macs)),
	};
	if (!rows->items || !rows->macs) {
		complain("out of memory");
		return FAILED;
	}
	add_networks(rows, now);
	for (size_t i = 0; i < now->n_machines; i++)
		add_machine(rows, looks, i);
	qsort(rows->items, rows->n_items, sizeof(*rows->items), compare);
	return DONE;
}

/* Table */

/* Four characters, so that numbers below each other can be compared. */
static void add_rate(struct table *table, double rate)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	while (rate >= 999.5 && unit + 1 < strlen(units)) {
		rate /= 1000;
		unit++;
	}
	table_format(table, unit && rate < 9.95 ? "%4.1f%c" : "%4.0f%c", rate, units[unit]);
}

static void add_titles(struct table *table, bool with_keys)
{
	for (size_t i = 0; i < N_COLUMNS; i++)
		table_format(table, "%s%s",
			     with_keys ? columns[i].title_with_key : columns[i].title,
			     with_keys && i == choice.sort ? (choice.reverse ? "^" : "v") : "");
}

static void add_row(struct table *table, const struct row *row, bool has_rates)
{
	table_text(table, row->network);
	if (row->machine)
		table_text(table, row->machine);
	else
		table_format(table, "(%zu)", row->n_machines);
	table_text(table, row->device);
	for (size_t i = 0; i < N_RATES; i++) {
		if (has_rates)
			add_rate(table, row->rates[i]);
		else
			table_text(table, NULL);
	}
}

/* with_keys: the keys that sort. */
static int print_looks(const struct looks *looks, size_t lines, bool with_keys)
{
	struct table table;
	struct rows rows;
	int result = make_rows(&rows, looks);

	table_start(&table, N_COLUMNS);
	add_titles(&table, with_keys);
	for (size_t i = 0; i < rows.n_items && i + 1 < lines && result == DONE; i++)
		add_row(&table, &rows.items[i], looks->seconds > 0);
	if (result == DONE)
		result = table_print(&table);
	else
		table_clear(&table);
	free(rows.items);
	free(rows.macs);
	return result;
}

/* JSON */

static json_t *json_row(const struct row *row)
{
	static const char *const keys[N_RATES] = { "bytesPerSecondIn", "bytesPerSecondOut",
						   "packetsPerSecondIn", "packetsPerSecondOut" };
	json_t *object = json_pack("{s:o, s:o, s:o}", "network", json_text(row->network), "machine",
				   json_text(row->machine), "device", json_text(row->device));

	for (size_t i = 0; i < N_RATES; i++) {
		if (json_object_set_new(object, keys[i], json_integer((json_int_t)row->rates[i])) ==
		    0)
			continue;
		json_decref(object);
		return NULL;
	}
	return object;
}

static int print_json(const struct looks *looks)
{
	json_t *list = json_array();
	struct rows rows;
	int result = make_rows(&rows, looks);

	for (size_t i = 0; i < rows.n_items && result == DONE; i++)
		if (json_array_append_new(list, json_row(&rows.items[i])) != 0)
			result = FAILED;
	if (result == DONE)
		result = json_write(
			json_pack("{s:f, s:O}", "seconds", looks->seconds, "rates", list),
			JSON_COMPACT, stdout);
	json_decref(list);
	free(rows.items);
	free(rows.macs);
	return result;
}

/* On a screen */

static int draw(const struct looks *looks)
{
	size_t lines = screen_begin();
	int result;

	printf("Every %d s; a letter in brackets sorts, q quits\n", choice.interval);
	/* A break of the last line would move all of them up. */
	result = print_looks(looks, lines > 2 ? lines - 2 : 1, true);
	screen_show();
	return result;
}

static void choose(int key)
{
	for (enum column i = 0; i < N_COLUMNS; i++) {
		if (columns[i].key != key)
			continue;
		choice.reverse = choice.sort == i && !choice.reverse;
		choice.sort = i;
	}
}

static int milliseconds_left(const struct looks *looks)
{
	struct timespec now;
	double left;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	left = choice.interval - seconds_between(&looks->time, &now);
	return left > 0 ? (int)(left * 1000) + 1 : 0;
}

/* Shows one look until the next is due. Returns whether there is to be a next one. */
static bool stay(const struct looks *looks, int *result)
{
	for (;;) {
		int key;

		*result = draw(looks);
		if (*result != DONE)
			return false;
		key = screen_wait(milliseconds_left(looks), -1);
		if (key == SCREEN_TIMEOUT)
			return true;
		if (key == 'q' || key == SCREEN_GONE)
			return false;
		choose(key);
	}
}

static int show_screen(struct vmnet_broker *broker, const char *network, struct looks *looks)
{
	int result = DONE;

	screen_open();
	/* The first look has no rates yet. */
	for (int n = 0; stay(looks, &result) && (!choice.count || n < choice.count); n++) {
		result = look(broker, network, looks);
		if (result != DONE)
			break;
	}
	screen_close();
	return result;
}

/* On anything else */

static int print_tables(struct vmnet_broker *broker, const char *network, struct looks *looks)
{
	int result = DONE;

	for (int n = 0; result == DONE && (!choice.count || n < choice.count); n++) {
		(void)nanosleep(&(struct timespec){ .tv_sec = choice.interval }, NULL);
		result = look(broker, network, looks);
		if (n > 0 && !choice.json)
			(void)putchar('\n');
		if (result == DONE)
			result = choice.json ? print_json(looks)
					     : print_looks(looks, SIZE_MAX, false);
		if (fflush(stdout) != 0)
			result = FAILED; /* main() says why */
	}
	return result;
}

static int watch(struct vmnet_broker *broker, char **arguments, int unused)
{
	struct looks looks = { 0 };
	int result;

	(void)unused;
	keep_broker(broker);
	result = look(broker, *arguments, &looks);
	if (result == DONE)
		result = screen_is_possible() && !choice.json
				 ? show_screen(broker, *arguments, &looks)
				 : print_tables(broker, *arguments, &looks);
	clear_looks(&looks);
	return result;
}

static int read_column(const char *name)
{
	for (enum column i = 0; i < N_COLUMNS; i++) {
		if (strcmp(columns[i].name, name) == 0) {
			choice.sort = i;
			return DONE;
		}
	}
	complain("--sort takes network, machine, device, in, out, packets-in or packets-out, not "
		 "\"%s\"",
		 name);
	return WRONG_USAGE;
}

static int read_option(int option)
{
	switch (option) {
	case 's':
		return read_column(optarg);
	case 'i':
		choice.interval = option_number("--interval", optarg, 1, INTERVAL_MAX);
		return choice.interval < 0 ? WRONG_USAGE : DONE;
	case 'j':
		choice.json = true;
		return DONE;
	case 'n':
		choice.count = option_number("-n", optarg, 1, INT_MAX);
		return choice.count < 0 ? WRONG_USAGE : DONE;
	default:
		return option;
	}
}

int top(int argc, char **argv)
{
	static const struct option options[] = {
		{ "n", required_argument, NULL, 'n' },
		{ "interval", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "sort", required_argument, NULL, 's' },
		{ 0 },
	};
	int option;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		int result = read_option(option);

		if (result != DONE)
			return result;
	}
	if (check_arguments(argc, 0, 1, "") != DONE)
		return WRONG_USAGE;
	return with_broker(watch, argv + optind, 0);
}
