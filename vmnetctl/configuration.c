/* SPDX-License-Identifier: Apache-2.0 */
#include "configuration.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memstream.h"
#include "table.h"
#include "text.h"
#include "vmnetctl.h"

/* A number of 0 is one that the file has not, and that is chosen. */
static bool is_nothing(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_integer(value) && json_integer_value(value) == 0) ||
	       ((json_is_array(value) || json_is_object(value)) && json_array_size(value) == 0 &&
		json_object_size(value) == 0);
}

/* As the file has it: maxInterfaces is max_interfaces. */
static void write_key(const char *key, FILE *stream)
{
	for (; *key; key++) {
		if (isupper((unsigned char)*key))
			(void)fputc('_', stream);
		(void)fputc(tolower((unsigned char)*key), stream);
	}
}

static void write_value(json_t *value, FILE *stream);

static void write_items(json_t *list, FILE *stream)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		if (i > 0)
			(void)fputs(", ", stream);
		write_value(item, stream);
	}
}

static void write_members(json_t *object, FILE *stream)
{
	const char *key, *before = "";
	json_t *member;

	json_object_foreach(object, key, member) {
		if (is_nothing(member))
			continue;
		(void)fputs(before, stream);
		write_key(key, stream);
		(void)fputc('=', stream);
		write_value(member, stream);
		before = " ";
	}
}

/* Short; what it is of a key says what kind of value it has. */
static void write_value(json_t *value, FILE *stream)
{
	if (is_nothing(value))
		(void)fputs("none", stream);
	else if (json_is_string(value))
		(void)fputs(json_string_value(value), stream);
	else if (json_is_array(value))
		write_items(value, stream);
	else if (json_is_object(value))
		write_members(value, stream);
	else
		(void)json_dumpf(value, stream, JSON_ENCODE_ANY);
}

/* A cell: of what there is before, and of what comes next if that is another. */
static void add_value(struct table *table, json_t *value, json_t *next)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (stream) {
		write_value(value, stream);
		if (!(is_nothing(value) && is_nothing(next)) && !json_equal(value, next)) {
			(void)fputs(" -> ", stream);
			write_value(next, stream);
		}
		text = memstream_close(stream, &text);
	}
	table_text(table, text);
	free(text);
}

static void add_row(struct table *table, const char *key, json_t *value, json_t *next)
{
	char *text = NULL;
	size_t size;
	FILE *stream;

	/* What it is called is known. */
	if (strcmp(key, "name") == 0 || (is_nothing(value) && is_nothing(next)))
		return;
	stream = open_memstream(&text, &size);
	if (stream) {
		write_key(key, stream);
		text = memstream_close(stream, &text);
	}
	table_text(table, text);
	free(text);
	add_value(table, value, next);
}

static void add_rows(struct table *table, json_t *now, json_t *next)
{
	const char *key;
	json_t *value;

	json_object_foreach(now, key, value) {
		add_row(table, key, value, json_object_get(next, key));
	}
	json_object_foreach(next, key, value) {
		if (!json_object_get(now, key))
			add_row(table, key, NULL, value);
	}
}

int configuration_write(const struct vmnet_broker_network *network, FILE *stream)
{
	const char *text = network->configuration, *next_text = network->next_configuration;
	json_t *now = text ? json_loads(text, 0, NULL) : NULL;
	json_t *next = next_text ? json_loads(next_text, 0, NULL) : json_incref(now);
	struct table table;
	int result = DONE;

	table_start(&table, 2);
	table_cut(&table, 1, 1);
	add_rows(&table, now, next);
	if (now) {
		(void)fputs("\nConfiguration\n", stream);
		result = table_write(&table, stream);
	}
	json_decref(now);
	json_decref(next);
	return result;
}
