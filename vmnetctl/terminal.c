/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LINES_UNKNOWN 24

bool terminal_is_able(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

bool terminal_has_colours(void)
{
	const char *none = getenv("NO_COLOR");

	return terminal_is_able() && !(none && *none);
}

size_t terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return SIZE_MAX;
	return size.ws_col;
}

size_t terminal_lines(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		return LINES_UNKNOWN;
	return size.ws_row;
}
