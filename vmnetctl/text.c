/* SPDX-License-Identifier: Apache-2.0 */
/* Text for a terminal: escaped and measured; modes and times in words. */
#include "text.h"

#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* The columns of the character at text, or 0 if it is not to be printed; length gets its bytes. */
static size_t printable(const char *text, size_t *length)
{
	const size_t longest = (size_t)MB_CUR_MAX;
	mbstate_t state = { 0 };
	wchar_t character;
	int width;

	*length = mbrtowc(&character, text, longest, &state);
	if (*length > longest) {
		*length = 1;
		return 0;
	}
	/* What takes no column of its own may reorder or cover its neighbours. */
	width = wcwidth(character);
	return width > 0 ? (size_t)width : 0;
}

/* Writes one character as text_write() does. Returns its columns; length gets its bytes. */
static size_t write_character(FILE *stream, const char *text, const char *keep, size_t *length)
{
	const size_t width = printable(text, length);

	if (width > 0 || strchr(keep, *text)) {
		if (stream)
			(void)fwrite(text, 1, *length, stream);
		return width;
	}
	for (size_t i = 0; stream && i < *length; i++)
		(void)fprintf(stream, "\\x%02x", (unsigned char)text[i]);
	return strlen("\\xNN") * *length;
}

size_t text_write(FILE *stream, const char *text, const char *keep)
{
	size_t columns = 0, length;

	for (; *text; text += length)
		columns += write_character(stream, text, keep, &length);
	return columns;
}

/* One column in every character set. */
static const char *ellipsis(void)
{
	static char text[MB_LEN_MAX + 1];
	mbstate_t state = { 0 };
	const size_t length = wcrtomb(text, L'\u2026', &state);

	if (length > MB_LEN_MAX)
		return "~";
	text[length] = '\0';
	return text;
}

size_t text_write_cut(FILE *stream, const char *text, size_t limit)
{
	size_t columns = 0, length;

	if (text_write(NULL, text, "") <= limit)
		return text_write(stream, text, "");
	for (; columns + write_character(NULL, text, "", &length) < limit; text += length)
		columns += write_character(stream, text, "", &length);
	(void)fputs(ellipsis(), stream);
	return columns + 1;
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

const char *mode_name(enum vmnet_broker_mode mode)
{
	static const char *const names[] = { "shared", "host", "bridged" };

	return mode <= VMNET_BROKER_BRIDGED ? names[mode] : "unknown";
}

char *user_format(int64_t uid, char text[USER_TEXT_SIZE])
{
	const struct passwd *user = getpwuid((uid_t)uid);

	if (user)
		(void)snprintf(text, USER_TEXT_SIZE, "%s", user->pw_name);
	else
		(void)snprintf(text, USER_TEXT_SIZE, "%lld", (long long)uid);
	return text;
}

char *time_format(int64_t seconds, char text[TIME_TEXT_SIZE])
{
	time_t at = (time_t)seconds;
	struct tm local;

	/* Years of more than four digits do not fit, and are not to be read as others. */
	if (!localtime_r(&at, &local) ||
	    strftime(text, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
		(void)snprintf(text, TIME_TEXT_SIZE, "far away");
	return text;
}
