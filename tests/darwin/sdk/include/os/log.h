/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the unified log that the project calls; see vmnet/vmnet.h beside it. */
#ifndef TESTS_DARWIN_OS_LOG_H
#define TESTS_DARWIN_OS_LOG_H

#include <stdint.h>

typedef struct os_log_s *os_log_t;

typedef uint8_t os_log_type_t;
#define OS_LOG_TYPE_DEFAULT ((os_log_type_t)0x00)
#define OS_LOG_TYPE_INFO ((os_log_type_t)0x01)
#define OS_LOG_TYPE_DEBUG ((os_log_type_t)0x02)
#define OS_LOG_TYPE_ERROR ((os_log_type_t)0x10)
#define OS_LOG_TYPE_FAULT ((os_log_type_t)0x11)

os_log_t os_log_create(const char *subsystem, const char *category);
void _os_log_impl(void *dso, os_log_t log, os_log_type_t type, const char *format, uint8_t *buffer,
		  uint32_t size);
extern char __dso_handle;

/* The compiler checks and packs the arguments, as it does on a Mac. */
#define os_log_with_type(log, type, format, ...)                                                 \
	do {                                                                                     \
		uint8_t _log_buffer[__builtin_os_log_format_buffer_size(format, ##__VA_ARGS__)]; \
		_os_log_impl(&__dso_handle, log, type, format,                                   \
			     __builtin_os_log_format(_log_buffer, format, ##__VA_ARGS__),        \
			     sizeof(_log_buffer));                                               \
	} while (0)

#endif
