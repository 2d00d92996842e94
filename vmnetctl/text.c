/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal: escaped, measured, and compared with what was meant. */
#include "text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* The columns of the character at text, or 0 when it is not to be printed; length gets its bytes. */
static size_t printable(const char *text, size_t *length)
{
	mbstate_t state = { 0 };
	wchar_t character;
	int width;

	*length = mbrtowc(&character, text, MB_CUR_MAX, &state);
	if (*length > MB_CUR_MAX) {
		*length = 1;
		return 0;
	}
	/* What takes no column of its own may reorder or cover its neighbours. */
	width = wcwidth(character);
	return width > 0 ? (size_t)width : 0;
}

size_t text_write(FILE *stream, const char *text, const char *keep)
{
	size_t columns = 0;

	while (*text) {
		size_t length, width = printable(text, &length);
		const char *end = text + length;

		if (width > 0 || strchr(keep, *text)) {
			columns += width;
			if (stream)
				(void)fwrite(text, 1, length, stream);
			text = end;
			continue;
		}
		columns += strlen("\\xNN") * length;
		for (; text < end; text++) {
			if (stream)
				(void)fprintf(stream, "\\x%02x", (unsigned char)*text);
		}
	}
	return columns;
}

void complain(const char *format, ...)
{
	char sentence[4096];
	va_list arguments;

	va_start(arguments, format);
	/* A longer sentence is cut. */
	(void)vsnprintf(sentence, sizeof(sentence), format, arguments);
	va_end(arguments);

	(void)fputs("vmnetctl: ", stderr);
	(void)text_write(stderr, sentence, "\n\t");
	(void)fputc('\n', stderr);
}

/* How many characters have to be put in, taken out or changed to make b of a (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
	size_t row[64];
	size_t columns = strlen(b);

	if (columns >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 1; j <= columns; j++) {
			size_t above = row[j];
			size_t least = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
			size_t changed = diagonal + (a[i] != b[j - 1]);

			row[j] = changed < least ? changed : least;
			diagonal = above;
		}
	}
	return row[columns];
}

const char *nearest_name(const char *wrong, const void *names, size_t n, size_t size)
{
	const char *nearest = NULL;
	size_t least = strlen(wrong) / 3 + 2;

	for (size_t i = 0; i < n; i++) {
		const char *name;
		size_t d;

		memcpy(&name, (const char *)names + i * size, sizeof(name));
		d = distance(wrong, name);
		if (d < least) {
			least = d;
			nearest = name;
		}
	}
	return nearest;
}
