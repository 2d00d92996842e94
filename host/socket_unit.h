/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which unit of the service manager a socket is of. Everybody may know that, other than which
 * process has it. Where units are no control groups of version 2, none is known.
 */
#ifndef VMNET_HOST_SOCKET_UNIT_H
#define VMNET_HOST_SOCKET_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include "ports.h"

/*
 * Writes the unit's name, such as "systemd-resolved.service" or "session-1.scope": that of the
 * system's own manager, whose names no user chooses. Returns whether it is known.
 */
bool socket_unit(const struct listed_socket *socket, char *name, size_t size);

/* For this: finds the unit's name in a control group's path. NULL when there is none. */
const char *socket_unit_in_path(const char *path, size_t *length);

#endif
