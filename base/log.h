/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log messages: each one sentence for a person, with the name of the network that it is about.
 * Where they go to is each system's: broker/linux/log.c, broker/darwin/log.c.
 */
#ifndef VMNET_BASE_LOG_H
#define VMNET_BASE_LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Debug messages are written only after log_set_verbose(true). */
void log_set_verbose(bool verbose);

/* network: the name of the network it is about, or NULL. */
void log_write(enum log_level level, const char *network, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(network, ...) log_write(LOG_LEVEL_ERROR, network, __VA_ARGS__)
#define log_warning(network, ...) log_write(LOG_LEVEL_WARNING, network, __VA_ARGS__)
#define log_info(network, ...) log_write(LOG_LEVEL_INFO, network, __VA_ARGS__)
#define log_debug(network, ...) log_write(LOG_LEVEL_DEBUG, network, __VA_ARGS__)

#endif
