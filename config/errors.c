/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mistakes of a configuration file: collecting them, naming what they are about, and
 * showing them in the form of a compiler. What is one is found by the parts of the parser.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/memstream.h"
#include "reader.h"

/* How much of a text from the file a message shows, in bytes. */
#define SHOWN_MAX 64
#define SHOWN_SIZE (SHOWN_MAX + 8) /* the rest of a last character, and "..." */

/* Room for network "NAME": "KEY" */
#define ABOUT_SIZE 512

/* How much of a line of the file is shown under a message, in characters. */
#define LINE_SHOWN_MAX 160

/* Stands for all others: it needs no memory. */
static char memory_is_short[] = "memory is short";
static struct config_error memory_error = { .message = memory_is_short };

void config_errors_clear(struct config_errors *errors)
{
	if (errors->items != &memory_error) {
		for (size_t i = 0; i < errors->n_items; i++)
			free(errors->items[i].message);
		free(errors->items);
	}
	free(errors->text);
	*errors = (struct config_errors){ 0 };
}

void config_errors_memory_short(struct config_errors *errors)
{
	config_errors_clear(errors);
	errors->items = &memory_error;
	errors->n_items = 1;
}

bool config_errors_are_of_memory(const struct config_errors *errors)
{
	return errors->items == &memory_error;
}

void config_errors_add(struct config_errors *errors, uint32_t line, uint32_t column,
		       const char *format, ...)
{
	struct config_error *items;
	va_list arguments;
	char *message;
	int length;

	if (errors->items == &memory_error)
		return;
	items = array_grow(errors->items, errors->n_items, sizeof(*items));
	if (items)
		errors->items = items;
	va_start(arguments, format);
	length = items ? vasprintf(&message, format, arguments) : -1;
	va_end(arguments);
	if (length < 0) {
		config_errors_memory_short(errors);
		return;
	}
	items[errors->n_items++] = (struct config_error){ line, column, message };
}

struct config *config_unusable(const struct config_errors *errors, const char *path)
{
	const struct config_error *first = errors->items;
	struct config *config;
	char place[48] = "";
	char others[48] = "";

	if (config_errors_are_of_memory(errors))
		return NULL;
	config = calloc(1, sizeof(*config));
	if (!config)
		return NULL;
	if (first->line)
		(void)snprintf(place, sizeof(place), ":%zu:%zu", first->line, first->column);
	if (errors->n_items > 1)
		(void)snprintf(others, sizeof(others), " (and %zu more)", errors->n_items - 1);
	if (asprintf(&config->fault,
		     "the configuration cannot be used: %s%s: %s%s; see \"vmnetctl check\", and "
		     "run \"vmnetctl reload\" once it is mended",
		     path, place, first->message, others) >= 0)
		return config;
	free(config);
	return NULL;
}

static int compare_errors(const void *left, const void *right)
{
	const struct config_error *a = left;
	const struct config_error *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->message, b->message);
}

void config_errors_sort(struct config_errors *errors)
{
	if (errors->n_items > 1)
		qsort(errors->items, errors->n_items, sizeof(*errors->items), compare_errors);
}

uint32_t config_next_character(const char **text)
{
	const unsigned char *bytes = (const unsigned char *)*text;
	size_t length = 1;
	uint32_t character = bytes[0];

	if (bytes[0] >= 0xf0)
		length = 4;
	else if (bytes[0] >= 0xe0)
		length = 3;
	else if (bytes[0] >= 0xc0)
		length = 2;
	if (length > 1)
		character &= 0xffU >> (length + 1);
	for (size_t i = 1; i < length; i++)
		character = character << 6 | (bytes[i] & 0x3f);
	*text += length;
	return character;
}

bool config_is_printable(uint32_t character)
{
	if (character < 0x20 || (character >= 0x7f && character < 0xa0)) /* controls */
		return false;
	if (character == 0x2028 || character == 0x2029) /* ends of lines */
		return false;
	/* What turns the direction of writing. */
	return !(character >= 0x202a && character <= 0x202e) &&
	       !(character >= 0x2066 && character <= 0x2069);
}

/* A text from the file as messages show it: on one line, and not too long. */
static void show(char shown[SHOWN_SIZE], const char *text)
{
	size_t length = 0;

	while (*text && length < SHOWN_MAX) {
		const char *start = text;
		uint32_t character = config_next_character(&text);

		if (!config_is_printable(character)) {
			shown[length++] = '?';
			continue;
		}
		memcpy(shown + length, start, (size_t)(text - start));
		length += (size_t)(text - start);
	}
	memcpy(shown + length, *text ? "..." : "", *text ? 4 : 1);
}

/*
 * What a place is about: network "lab": "port_forwarding[1].internal_port", or
 * "" for the root.
 *
 * key: a key that is missing in it, or NULL.
 */
static void describe(const struct places *places, const struct place *place, const char *key,
		     char text[ABOUT_SIZE])
{
	const struct place *items = places->items;
	char path[ABOUT_SIZE / 2] = "";
	char longer[sizeof(path)];
	char part[SHOWN_SIZE];

	text[0] = '\0';
	if (place == items)
		return;
	if (key)
		(void)snprintf(path, sizeof(path), "%s", key);
	for (; place->parent != 0; place = &items[place->parent]) {
		if (place->key)
			show(part, place->key);
		else
			(void)snprintf(part, sizeof(part), "[%u]", place->index);
		(void)snprintf(longer, sizeof(longer), "%s%s%.*s", part,
			       path[0] == '\0' || path[0] == '[' ? "" : ".",
			       (int)(sizeof(longer) - sizeof(part) - 1), path);
		memcpy(path, longer, sizeof(path));
	}
	show(part, place->key);
	if (path[0])
		(void)snprintf(text, ABOUT_SIZE, "network \"%s\": \"%s\" ", part, path);
	else
		(void)snprintf(text, ABOUT_SIZE, "network \"%s\": ", part);
}

/* Reports what is said about a place, where its value stands or where its key does. */
__attribute__((format(printf, 4, 0))) static void report(struct config_reader *reader,
							 const struct place *place, bool at_key,
							 const char *format, va_list arguments)
{
	char about[ABOUT_SIZE];
	char *message;

	if (vasprintf(&message, format, arguments) < 0) {
		config_errors_memory_short(reader->errors);
		return;
	}
	describe(&reader->places, place, NULL, about);
	config_errors_add(reader->errors, at_key ? place->key_line : place->line,
			  at_key ? place->key_column : place->column, "%s%s", about, message);
	free(message);
}

void config_report(struct config_reader *reader, const struct place *place, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(reader, place, false, format, arguments);
	va_end(arguments);
}

void config_report_key(struct config_reader *reader, const struct place *place, const char *format,
		       ...)
{
	va_list arguments;

	va_start(arguments, format);
	report(reader, place, true, format, arguments);
	va_end(arguments);
}

void config_report_missing(struct config_reader *reader, const struct place *place, const char *key,
			   const char *give)
{
	char about[ABOUT_SIZE];

	describe(&reader->places, place, key, about);
	config_errors_add(reader->errors, place->key_line, place->key_column,
			  "%sis missing; give %s", about, give);
}

void config_report_value(struct config_reader *reader, const struct place *place,
			 const json_t *value, const char *expected)
{
	char shown[SHOWN_SIZE];
	size_t length;

	if (json_is_object(value) || json_is_array(value)) {
		config_report(reader, place, "must be %s, not %s", expected,
			      json_is_object(value) ? "an object" : "a list");
		return;
	}
	if (json_is_string(value)) {
		show(shown, json_string_value(value));
		config_report(reader, place, "must be %s, not \"%s\"", expected, shown);
		return;
	}
	/* The text of a number, true, false or null is shorter than that. */
	length = json_dumpb(value, shown, sizeof(shown), JSON_ENCODE_ANY);
	config_report(reader, place, "must be %s, not %.*s", expected, (int)length, shown);
}

void config_claim(struct config_reader *reader, const struct place *place,
		  const struct place *scope, const char *what)
{
	const struct place *items = reader->places.items;
	json_t *claimed;
	char *key;

	if (asprintf(&key, "%zu %s", scope ? (size_t)(scope - items) : 0, what) < 0) {
		config_errors_memory_short(reader->errors);
		return;
	}
	claimed = json_object_get(reader->claims, key);
	if (!claimed && json_object_set_new(reader->claims, key, json_integer(place - items)) < 0)
		config_errors_memory_short(reader->errors);
	free(key);
	if (claimed)
		config_report_repeated(reader, place, &items[json_integer_value(claimed)], what);
}

void config_report_repeated(struct config_reader *reader, const struct place *place,
			    const struct place *first, const char *what)
{
	const struct place *items = reader->places.items;
	const struct place *network = first;
	char shown[SHOWN_SIZE];

	while (network->parent != 0)
		network = &items[network->parent];
	show(shown, network->key);
	/* A network's name is its key. */
	(place->parent == 0 ? config_report_key : config_report)(
		reader, place, "repeats %s of network \"%s\" (line %u); choose another", what,
		shown, first->parent == 0 ? first->key_line : first->line);
}

/* Where formatting has come to in the text: forward alone, as the errors are in its order. */
struct cursor {
	const char *at; /* the start of a character */
	const char *end;
	size_t line, column; /* of at */
};

static bool is_inside_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static void next_character(struct cursor *cursor)
{
	do {
		cursor->at++;
	} while (cursor->at < cursor->end && is_inside_character(*cursor->at));
	cursor->column++;
}

static bool is_at_end_of_line(const struct cursor *cursor)
{
	return cursor->at == cursor->end || *cursor->at == '\n';
}

static void go_to(struct cursor *cursor, size_t line, size_t column)
{
	while (cursor->line < line) {
		const char *end = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));

		if (!end)
			return;
		cursor->at = end + 1;
		cursor->line++;
		cursor->column = 1;
	}
	while (cursor->column < column && !is_at_end_of_line(cursor))
		next_character(cursor);
}

/*
 * Writes the line of the file that an error is in, of a very long one what
 * surrounds its column, and a caret under the column. What a terminal might
 * take for a command is left out.
 */
static void write_source(FILE *out, struct cursor *cursor, const struct config_error *error)
{
	size_t before = error->column > LINE_SHOWN_MAX / 2 ? LINE_SHOWN_MAX / 2 : error->column - 1;
	char blanks[LINE_SHOWN_MAX] = "";
	size_t n_blanks = 0;
	struct cursor last;
	json_t *valid;

	go_to(cursor, error->line, error->column - before);
	last = *cursor;
	go_to(&last, error->line, cursor->column + LINE_SHOWN_MAX);
	valid = json_stringn(cursor->at, (size_t)(last.at - cursor->at)); /* NULL: no UTF-8 */
	for (const char *c = cursor->at; c < last.at; c++) {
		bool shown = (*c >= ' ' && *c < 0x7f) || *c == '\t' || ((*c & 0x80) && valid);

		if (*c == '\r')
			continue;
		(void)fputc(shown ? *c : '?', out);
		if (n_blanks < before && !is_inside_character(*c))
			blanks[n_blanks++] = *c == '\t' ? '\t' : ' ';
	}
	(void)fprintf(out, "\n%.*s^\n", (int)n_blanks, blanks);
	json_decref(valid);
}

char *config_errors_format(const struct config_errors *errors, const char *path, bool with_source)
{
	const char *text_end = errors->text ? errors->text + errors->text_length : NULL;
	struct cursor cursor = { errors->text, text_end, 1, 1 };
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; i < errors->n_items; i++) {
		const struct config_error *error = &errors->items[i];

		if (!error->line) {
			(void)fprintf(out, "%s: %s\n", path, error->message);
			continue;
		}
		(void)fprintf(out, "%s:%zu:%zu: %s\n", path, error->line, error->column,
			      error->message);
		if (with_source && errors->text)
			write_source(out, &cursor, error);
	}
	return memstream_close(out, &text);
}
