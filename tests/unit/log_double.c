/* SPDX-License-Identifier: Apache-2.0 */
/* log.h for unit tests: what is logged is kept for the test to look at. */
#include "log_double.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static char recorded[65536];

const char *log_double_text(void)
{
	return recorded;
}

void log_double_clear(void)
{
	recorded[0] = '\0';
}

void log_set_verbose(bool verbose)
{
	(void)verbose;
}

void log_write(enum log_level level, const char *network, const char *format, ...)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};
	char message[4096];
	char line[sizeof(message) + 256];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	(void)snprintf(line, sizeof(line), "%s [%s] %s\n", names[level], network ? network : "-",
		       message);
	if (strlen(recorded) + strlen(line) >= sizeof(recorded)) {
		(void)fputs("log_double: too many messages\n", stderr);
		abort();
	}
	strcat(recorded, line);
}
