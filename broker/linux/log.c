/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where log messages go on Linux: the journal, with the network's name as a field, when standard
 * error goes there; else lines on standard error.
 */
#include "base/log.h"
#include "base/array.h"

/* Every message would be said to come from write_message(). */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

/* Longer messages (a configuration with many errors) take memory of their own. */
#define MESSAGE_SIZE 1024

static const struct {
	const char *name;
	int priority;
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

static bool verbose;
static bool stderr_is_journal;

void log_set_verbose(bool on)
{
	verbose = on;
}

/* systemd tells in JOURNAL_STREAM which file it gave us, as device:inode. */
static void look_for_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device;
	uintmax_t inode;
	struct stat status;

	stderr_is_journal = stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
			    fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
			    status.st_ino == inode;
}

static void write_line(const char *level, const char *network, const char *message)
{
	const char *const texts[] = {
		"vmnet-broker: ",
		level,
		": ",
		network ? "network \"" : "",
		network ? network : "",
		network ? "\": " : "",
		message,
		"\n",
	};
	struct iovec parts[ARRAY_SIZE(texts)];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		parts[i] = (struct iovec){ (void *)texts[i], strlen(texts[i]) };
	(void)!writev(STDERR_FILENO, parts, ARRAY_SIZE(texts));
}

static void write_message(enum log_level level, const char *network, const char *message)
{
	static pthread_once_t looked = PTHREAD_ONCE_INIT;

	(void)pthread_once(&looked, look_for_journal); /* cannot fail */
	/* Nobody is left to be told of a log that cannot be written. */
	if (stderr_is_journal && network)
		(void)sd_journal_send("PRIORITY=%d", levels[level].priority,
				      "MESSAGE=network \"%s\": %s", network, message,
				      "VMNET_NETWORK=%s", network, NULL);
	else if (stderr_is_journal)
		(void)sd_journal_send("PRIORITY=%d", levels[level].priority, "MESSAGE=%s", message,
				      NULL);
	else
		write_line(levels[level].name, network, message);
}

void log_write(enum log_level level, const char *network, const char *format, ...)
{
	char buffer[MESSAGE_SIZE];
	char *message = buffer;
	va_list arguments;
	int length;

	if (level == LOG_LEVEL_DEBUG && !verbose)
		return;
	va_start(arguments, format);
	length = vsnprintf(buffer, sizeof(buffer), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(buffer)) {
		va_start(arguments, format);
		if (vasprintf(&message, format, arguments) < 0)
			message = buffer; /* cut, but said */
		va_end(arguments);
	}
	write_message(level, network, message);
	if (message != buffer)
		free(message);
}
