/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each value of a JSON text stands: line and column, which jansson does not keep. Also
 * what is wrong with a text that is no JSON, at its exact place and in words for people.
 */
#ifndef VMNET_CONFIG_PLACES_H
#define VMNET_CONFIG_PLACES_H

#include <stddef.h>
#include <stdint.h>

/* One value. Lines and columns count from 1, columns in characters. */
struct place {
	const char *key; /* its name in an object, unescaped; NULL in an array and for the root */
	uint32_t line, column;
	uint32_t key_line, key_column; /* of its name; of the value where it has none */
	uint32_t index; /* among the values of its array or object */
	uint32_t parent; /* the place of that array or object; its own for the root */
	uint32_t next; /* the place that follows it and all that is in it */
	char first; /* the value's first character */
};

/* In the order of the text: what is in an array or object follows it directly. */
struct places {
	struct place *items;
	size_t n_items;
	char *keys; /* the text of all keys */
};

struct places_error {
	uint32_t line, column; /* both 0: the text as a whole */
	const char *message; /* static */
};

/*
 * Finds the places of a text of length bytes, below 4 GiB.
 *
 * places: gets them, for places_clear(), whatever is returned.
 * error: gets what is wrong.
 *
 * Numbers, escapes and UTF-8 are not checked: jansson does that.
 *
 * Returns 0, -EINVAL with error, or -ENOMEM.
 */
int places_scan(const char *text, size_t length, struct places *places, struct places_error *error);
void places_clear(struct places *places);

/* The values of an array or object, one after the other; NULL after the last. */
const struct place *places_first(const struct places *places, const struct place *container);
const struct place *places_next(const struct places *places, const struct place *place);

/*
 * Moves a line and column back to the start of the name or value that they are
 * in. Returns its first character.
 */
char places_snap(const struct places *places, uint32_t *line, uint32_t *column);

#endif
