/* SPDX-License-Identifier: Apache-2.0 */
/* Reading values of the configuration: objects by a table of their keys, lists, numbers. */
#include "reader.h"
#include "base/nearest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No object has more keys than a network. */
#define KEYS_MAX 32

/* Says what the key at place could have been. */
static void report_unknown(struct config_reader *reader, const struct place *place,
			   const struct config_key *keys, size_t n)
{
	const char *names[KEYS_MAX] = { NULL };
	const char *nearest;

	for (size_t i = 0; i < n; i++)
		names[i] = keys[i].name;
	nearest = nearest_word(place->key, names, n);
	if (nearest)
		config_report_key(reader, place, "is an unknown key; did you mean \"%s\"?",
				  nearest);
	else
		config_report_key(reader, place, "is an unknown key; remove it");
}

static size_t find_key(const struct config_key *keys, size_t n, const char *name)
{
	size_t i = 0;

	while (i < n && strcmp(keys[i].name, name) != 0)
		i++;
	return i;
}

bool config_read_keys(struct config_reader *reader, const struct place *place, const json_t *value,
		      const struct config_key *keys, size_t n, const struct place **given)
{
	const struct places *places = &reader->places;

	memset(given, 0, n * sizeof(*given));
	if (!json_is_object(value)) {
		config_report_value(reader, place, value, "an object");
		return false;
	}
	for (const struct place *at = places_first(places, place); at;
	     at = places_next(places, at)) {
		size_t i = find_key(keys, n, at->key);

		if (i == n) {
			report_unknown(reader, at, keys, n);
			continue;
		}
		if (given[i])
			config_report_key(reader, at, "is there already, in line %u; remove one",
					  given[i]->key_line);
		given[i] = at; /* jansson keeps the last one's value */
	}
	for (size_t i = 0; i < n; i++) {
		if (!given[i] && keys[i].missing)
			config_report_missing(reader, place, keys[i].name, keys[i].missing);
	}
	return true;
}

bool config_read_object(struct config_reader *reader, const struct place *place,
			const json_t *value, const struct config_key *keys, size_t n,
			const struct place **given, void *target)
{
	if (!config_read_keys(reader, place, value, keys, n, given))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (given[i])
			keys[i].read(reader, given[i], json_object_get(value, keys[i].name),
				     (char *)target + keys[i].offset);
	}
	return true;
}

void *config_read_list(struct config_reader *reader, const struct place *place, const json_t *value,
		       const char *expected, size_t size, config_read_function *read, size_t *n)
{
	const struct place *at = places_first(&reader->places, place);
	char *elements;

	*n = 0;
	if (!json_is_array(value)) {
		config_report_value(reader, place, value, expected);
		return NULL;
	}
	if (json_array_size(value) == 0)
		return NULL;
	elements = calloc(json_array_size(value), size);
	if (!elements) {
		config_errors_memory_short(reader->errors);
		return NULL;
	}
	*n = json_array_size(value);
	for (size_t i = 0; i < *n; i++) {
		read(reader, at, json_array_get(value, i), elements + i * size);
		at = places_next(&reader->places, at);
	}
	return elements;
}

void config_read_bool(struct config_reader *reader, const struct place *place, const json_t *value,
		      void *field)
{
	bool *result = field;

	if (json_is_boolean(value))
		*result = json_is_true(value);
	else
		config_report_value(reader, place, value, "true or false");
}

uint64_t config_read_number(struct config_reader *reader, const struct place *place,
			    const json_t *value, uint64_t min, uint64_t max)
{
	char expected[80];

	if (json_is_integer(value) && json_integer_value(value) >= (json_int_t)min &&
	    json_integer_value(value) <= (json_int_t)max)
		return (uint64_t)json_integer_value(value);
	(void)snprintf(expected, sizeof(expected), "a whole number from %" PRIu64 " to %" PRIu64,
		       min, max);
	config_report_value(reader, place, value, expected);
	return 0;
}

int config_read_choice(struct config_reader *reader, const struct place *place, const json_t *value,
		       const char *const *names, size_t n, const char *expected)
{
	const char *text = json_string_value(value);

	for (size_t i = 0; text && i < n; i++) {
		if (strcmp(text, names[i]) == 0)
			return (int)i;
	}
	config_report_value(reader, place, value, expected);
	return -1;
}

char *config_copy(struct config_reader *reader, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		config_errors_memory_short(reader->errors);
	return copy;
}
