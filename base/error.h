/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct error: why a request was refused, as a code and a sentence for people. What the code
 * is called on the wire is chosen by the front ends, not here: describe_error() in
 * broker/linux/varlink/describe.c, wire_error() in broker/darwin/xpc.c.
 */
#ifndef VMNET_BASE_ERROR_H
#define VMNET_BASE_ERROR_H

#include <stdarg.h>
#include <stdio.h>

enum error_code {
	ERROR_NONE,
	ERROR_NETWORK_NOT_FOUND,
	ERROR_NOT_ALLOWED,
	ERROR_NOT_ACQUIRED,
	ERROR_CREATE_FAILED,
	ERROR_LIMIT_EXCEEDED, /* limit and value are set */
	ERROR_INVALID_CONFIGURATION,
	ERROR_INVALID_PARAMETER, /* parameter is set */
	ERROR_ENDED, /* by somebody else */
	ERROR_INTERNAL,
};

struct error {
	enum error_code code;
	char reason[4096]; /* one sentence, no full stop; cut when longer */
	const char *limit; /* static name of the limit, "interfaces" */
	unsigned int value;
	const char *parameter; /* static name of the parameter, "mac_address" */
};

/* Fills error and returns -1, so that a failing function can end with it. */
__attribute__((format(printf, 3, 4))) static inline int
error_set(struct error *error, enum error_code code, const char *format, ...)
{
	va_list arguments;

	*error = (struct error){ .code = code };
	va_start(arguments, format);
	/* A longer reason is cut: it is text for people. */
	(void)vsnprintf(error->reason, sizeof(error->reason), format, arguments);
	va_end(arguments);
	return -1;
}

#endif
