/* SPDX-License-Identifier: Apache-2.0 */
/* The nearest word is the one that the fewest changes make of the other. */
#include "nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define WORD_MAX 63

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/*
 * How many characters have to be put in, left out or changed to make b of a;
 * SIZE_MAX when one of them is longer than any word.
 */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1];
	size_t n = strlen(b);

	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			bool same = tolower((unsigned char)a[i - 1]) ==
				    tolower((unsigned char)b[j - 1]);
			size_t above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + !same);
			diagonal = above;
		}
	}
	return row[n];
}

const char *nearest_word(const char *misspelt, const char *const *words, size_t n)
{
	size_t least = strlen(misspelt) / 3 + 2; /* as much as that is another word */
	size_t nearest = n;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(misspelt, words[i]);

		if (d < least) {
			least = d;
			nearest = i;
		}
	}
	if (nearest < n)
		return words[nearest];
	for (size_t i = 0; i < n && strlen(misspelt) > 2; i++) {
		if (strcasestr(words[i], misspelt) || strcasestr(misspelt, words[i]))
			return words[i];
	}
	return NULL;
}
