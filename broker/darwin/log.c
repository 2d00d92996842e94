/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log messages go on macOS: standard error, which launchd writes to a file, and the unified
 * log, where "log show" finds it by its subsystem.
 *
 * A file that newsyslog has renamed is written to until the broker ends, and
 * nobody looks at it again, while clients have as much logged as they like:
 * beyond a size only the unified log, which the system keeps small, has the rest.
 */
#include "base/log.h"

#include <os/log.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/xpc_protocol.h"

#define FILE_SIZE_MAX (16 << 20)

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

static bool file_has_room(void)
{
	static atomic_bool full;
	struct stat status;

	if (full)
		return false;
	if (fstat(STDERR_FILENO, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size < FILE_SIZE_MAX)
		return true;
	if (!atomic_exchange(&full, true))
		(void)fputs("vmnet-broker: warning: this file is full; the unified log has what "
			    "follows\n",
			    stderr);
	return false;
}

static void write_to_file(enum log_level level, const char *network, const char *message)
{
	if (!file_has_room())
		return;
	if (network)
		(void)fprintf(stderr, "vmnet-broker: %s: network \"%s\": %s\n", levels[level].name,
			      network, message);
	else
		(void)fprintf(stderr, "vmnet-broker: %s: %s\n", levels[level].name, message);
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
	write_to_file(level, network, message);
	if (network)
		os_log_with_type(unified_log, levels[level].type,
				 "network \"%{public}s\": %{public}s", network, message);
	else
		os_log_with_type(unified_log, levels[level].type, "%{public}s", message);
	free(message);
}
