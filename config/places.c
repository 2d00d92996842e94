/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scanner for the structure of JSON, beside jansson, which has the values. It goes once over
 * the text and notes where each value starts. Containers that are open are found again through
 * their parent, so that depth costs no stack.
 */
#include "places.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/json_text.h"

#define NO_PLACE UINT32_MAX

struct scanner {
	const char *text;
	size_t length;
	size_t offset;
	uint32_t line, column; /* of offset */
	struct places *places;
	size_t keys_length;
	uint32_t open; /* the innermost container that is not closed yet */
	struct places_error *error;
};

static int fail_at(struct scanner *scanner, uint32_t line, uint32_t column, const char *message)
{
	*scanner->error = (struct places_error){ line, column, message };
	return -EINVAL;
}

/* The next character, or -1 at the end. */
static int peek(const struct scanner *scanner)
{
	if (scanner->offset == scanner->length)
		return -1;
	return (unsigned char)scanner->text[scanner->offset];
}

static void advance(struct scanner *scanner)
{
	unsigned char c = (unsigned char)scanner->text[scanner->offset++];

	if (c == '\n') {
		scanner->line++;
		scanner->column = 1;
	} else if ((c & 0xc0) != 0x80) { /* not inside of a character */
		scanner->column++;
	}
}

static void skip_space(struct scanner *scanner)
{
	for (;;) {
		int c = peek(scanner);

		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			return;
		advance(scanner);
	}
}

/* Something stands here that cannot: message, unless it is one of the usual mistakes. */
static int fail(struct scanner *scanner, const char *message)
{
	const struct place *open = NULL;

	if (scanner->open != NO_PLACE)
		open = &scanner->places->items[scanner->open];
	switch (peek(scanner)) {
	case -1:
		if (open)
			return fail_at(scanner, open->line, open->column,
				       open->first == '{' ? "this { is never closed"
							  : "this [ is never closed");
		return fail_at(scanner, 0, 0,
			       "the file is empty; remove it, or write {} for no networks");
	case '\0':
		message = "there is a NUL byte here: this file is no text";
		break;
	case '\'':
		message = "this is quoted with ', but JSON wants double quotes";
		break;
	case '#':
	case '/':
		message = "JSON has no comments; remove it, or use \"description\"";
		break;
	case 0xef:
		if (scanner->offset == 0)
			message =
				"the file starts with a byte order mark; save it as UTF-8 without";
		break;
	default:
		break;
	}
	return fail_at(scanner, scanner->line, scanner->column, message);
}

/* Goes behind a string that starts here. */
static int skip_string(struct scanner *scanner)
{
	uint32_t line = scanner->line;
	uint32_t column = scanner->column;

	advance(scanner);
	for (;;) {
		int c = peek(scanner);

		if (c < 0 || c == '\n')
			return fail_at(scanner, line, column,
				       "this \" is never closed in its line");
		if (c < ' ')
			return fail(scanner, "there is a control character in this string; "
					     "write it as \\u and four digits");
		advance(scanner);
		if (c == '"')
			return 0;
		if (c == '\\' && peek(scanner) >= ' ')
			advance(scanner);
	}
}

static bool is_word_character(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '+' || c == '-' || c == '.' || c == '_';
}

/* Goes behind a number, true, false or null. What a number looks like is jansson's to judge. */
static int skip_word(struct scanner *scanner)
{
	static const char *const words[] = { "true", "false", "null" };
	const char *start = scanner->text + scanner->offset;
	uint32_t column = scanner->column;
	size_t length;

	while (is_word_character(peek(scanner)))
		advance(scanner);
	length = (size_t)(scanner->text + scanner->offset - start);
	if (length == 0)
		return fail(scanner, "a value is missing here");
	if (*start == '-' || (*start >= '0' && *start <= '9'))
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == length && memcmp(words[i], start, length) == 0)
			return 0;
	}
	return fail_at(scanner, scanner->line, column,
		       "this is no value; text needs double quotes");
}

/*
 * Writes the name that quoted stands for to key, which has room for it: a name
 * is shorter than its text with the quotes. Returns 0 or -ENOMEM.
 */
static int unescape(const char *quoted, size_t length, char *key)
{
	json_t *name;

	if (!memchr(quoted, '\\', length)) {
		memcpy(key, quoted + 1, length - 2);
		key[length - 2] = '\0';
		return 0;
	}
	name = json_text_load(quoted, length, JSON_DECODE_ANY, NULL);
	if (!name && errno == ENOMEM)
		return -ENOMEM;
	/* A malformed escape is for jansson to report, when it reads the whole text. */
	key[0] = '\0';
	if (name)
		memcpy(key, json_string_value(name), json_string_length(name) + 1);
	json_decref(name);
	return 0;
}

/* Reads the name of a member, and the colon after it, into place. */
static int scan_key(struct scanner *scanner, struct place *place)
{
	const char *start = scanner->text + scanner->offset;
	char *key = scanner->places->keys + scanner->keys_length;
	int r;

	if (peek(scanner) != '"')
		return fail(scanner, "a key in double quotes is missing here");
	place->key_line = scanner->line;
	place->key_column = scanner->column;
	r = skip_string(scanner);
	if (r < 0)
		return r;
	r = unescape(start, (size_t)(scanner->text + scanner->offset - start), key);
	if (r < 0)
		return r;
	place->key = key;
	scanner->keys_length += strlen(key) + 1;

	skip_space(scanner);
	if (peek(scanner) != ':')
		return fail(scanner, "a colon is missing after the key");
	advance(scanner);
	skip_space(scanner);
	return 0;
}

static int append(struct scanner *scanner, const struct place *place)
{
	struct places *places = scanner->places;
	struct place *items = array_grow(places->items, places->n_items, sizeof(*items));

	if (!items)
		return -ENOMEM;
	places->items = items;
	items[places->n_items++] = *place;
	return 0;
}

/* The container's values are all there. */
static void close_container(struct scanner *scanner)
{
	struct place *closed = &scanner->places->items[scanner->open];

	closed->next = (uint32_t)scanner->places->n_items;
	scanner->open = (uint32_t)(closed - scanner->places->items) == closed->parent
				? NO_PLACE
				: closed->parent;
}

/* Is the character here the one that closes the innermost container? */
static bool at_close(const struct scanner *scanner)
{
	char first = scanner->places->items[scanner->open].first;

	return peek(scanner) == (first == '{' ? '}' : ']');
}

/*
 * Reads a value (in an object with its name), up to its end or, when it is a
 * container, up to its first value.
 *
 * index: the value's, in its container.
 * opened: set when it is a container that has to be filled.
 */
static int scan_value(struct scanner *scanner, uint32_t index, bool *opened)
{
	uint32_t position = (uint32_t)scanner->places->n_items;
	struct place place = { .index = index, .parent = scanner->open, .next = position + 1 };
	int c;
	int r = 0;

	if (scanner->open == NO_PLACE)
		place.parent = position;
	else if (scanner->places->items[scanner->open].first == '{')
		r = scan_key(scanner, &place);
	if (r < 0)
		return r;

	c = peek(scanner);
	place.first = (char)c;
	place.line = scanner->line;
	place.column = scanner->column;
	if (!place.key) {
		place.key_line = place.line;
		place.key_column = place.column;
	}
	*opened = c == '{' || c == '[';
	if (*opened)
		advance(scanner);
	else
		r = c == '"' ? skip_string(scanner) : skip_word(scanner);
	if (r < 0)
		return r;
	if (*opened)
		scanner->open = position;
	return append(scanner, &place);
}

static const char *missing_comma(const struct scanner *scanner)
{
	return scanner->places->items[scanner->open].first == '{'
		       ? "a comma or } is missing before this"
		       : "a comma or ] is missing before this";
}

/*
 * Goes on behind a value: closes what is closed here, up to the comma before
 * the next value, or to the end of the text.
 *
 * index: of the value; gets that of the next one.
 *
 * Returns 1 when a value has to follow, 0 at the end.
 */
static int scan_separator(struct scanner *scanner, uint32_t *index)
{
	uint32_t line;
	uint32_t column;

	for (;;) {
		skip_space(scanner);
		if (scanner->open == NO_PLACE) {
			if (peek(scanner) < 0)
				return 0;
			return fail(scanner, "there is more text after the end of the networks");
		}
		if (at_close(scanner)) {
			advance(scanner);
			*index = scanner->places->items[scanner->open].index;
			close_container(scanner);
			continue;
		}
		if (peek(scanner) != ',')
			return fail(scanner, missing_comma(scanner));
		line = scanner->line;
		column = scanner->column;
		advance(scanner);
		skip_space(scanner);
		if (at_close(scanner))
			return fail_at(scanner, line, column,
				       "there is a comma after the last value; remove it");
		++*index;
		return 1;
	}
}

static int scan(struct scanner *scanner)
{
	uint32_t index = 0;
	bool opened;
	int r;

	skip_space(scanner);
	for (;;) {
		r = scan_value(scanner, index, &opened);
		if (r < 0)
			return r;
		if (opened) {
			skip_space(scanner);
			index = 0;
			if (!at_close(scanner))
				continue;
		}
		r = scan_separator(scanner, &index);
		if (r <= 0)
			return r;
	}
}

int places_scan(const char *text, size_t length, struct places *places, struct places_error *error)
{
	struct scanner scanner = {
		.text = text,
		.length = length,
		.line = 1,
		.column = 1,
		.places = places,
		.open = NO_PLACE,
		.error = error,
	};

	*places = (struct places){ .keys = malloc(length + 1) };
	if (!places->keys)
		return -ENOMEM;
	return scan(&scanner);
}

void places_clear(struct places *places)
{
	free(places->items);
	free(places->keys);
	*places = (struct places){ 0 };
}

const struct place *places_first(const struct places *places, const struct place *container)
{
	const struct place *first = container + 1;

	return container->next == (uint32_t)(first - places->items) ? NULL : first;
}

const struct place *places_next(const struct places *places, const struct place *place)
{
	return place->next == places->items[place->parent].next ? NULL
								: &places->items[place->next];
}

static bool is_before(uint32_t line, uint32_t column, const uint32_t limit[2])
{
	return line < limit[0] || (line == limit[0] && column <= limit[1]);
}

char places_snap(const struct places *places, uint32_t *line, uint32_t *column)
{
	const uint32_t limit[] = { *line, *column };
	char first = '\0';

	for (size_t i = 0; i < places->n_items; i++) {
		const struct place *place = &places->items[i];

		if (is_before(place->key_line, place->key_column, limit)) {
			*line = place->key_line;
			*column = place->key_column;
			first = place->key ? '"' : place->first;
		}
		if (is_before(place->line, place->column, limit)) {
			*line = place->line;
			*column = place->column;
			first = place->first;
		}
	}
	return first;
}
