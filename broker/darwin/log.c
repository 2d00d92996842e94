/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log on macOS: standard error, which launchd writes to a file, and the
 * unified log, where "log show" finds it by its subsystem.
 */
#include "../log.h"

#include <os/log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol.h"

static const struct {
	const char *name;
	os_log_type_t type;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", OS_LOG_TYPE_ERROR },
	[LOG_LEVEL_WARNING] = { "warning", OS_LOG_TYPE_DEFAULT },
	[LOG_LEVEL_INFO] = { "info", OS_LOG_TYPE_DEFAULT },
	[LOG_LEVEL_DEBUG] = { "debug", OS_LOG_TYPE_DEBUG },
};

static bool verbose;
static os_log_t unified_log;

void log_set_verbose(bool on)
{
	verbose = on;
}

static void open_unified_log(void)
{
	unified_log = os_log_create(SERVICE_NAME, "broker");
}

void log_write(enum log_level level, const char *network, const char *format, ...)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	va_list arguments;
	char *message;
	int length;

	if (level == LOG_LEVEL_DEBUG && !verbose)
		return;
	va_start(arguments, format);
	length = vasprintf(&message, format, arguments);
	va_end(arguments);
	if (length < 0) {
		(void)fputs("vmnet-broker: error: out of memory for a message\n", stderr);
		return;
	}
	(void)pthread_once(&once, open_unified_log);
	if (network) {
		(void)fprintf(stderr, "vmnet-broker: %s: network \"%s\": %s\n", levels[level].name,
			      network, message);
		os_log_with_type(unified_log, levels[level].type,
				 "network \"%{public}s\": %{public}s", network, message);
	} else {
		(void)fprintf(stderr, "vmnet-broker: %s: %s\n", levels[level].name, message);
		os_log_with_type(unified_log, levels[level].type, "%{public}s", message);
	}
	free(message);
}
