/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the macOS platform share: the policy, the places of files, sources, the end. */
#ifndef VMNET_BROKER_DARWIN_DARWIN_H
#define VMNET_BROKER_DARWIN_DARWIN_H

#include <dispatch/dispatch.h>

#include "broker/broker.h"
#include "broker/platform.h"

struct darwin_platform {
	struct broker *broker;
	const struct options *options; /* state_dir */
};

/* Set by platform_run() before anything else is called, constant afterwards. */
extern struct darwin_platform darwin_platform;

/* A source on the main queue, to be ended by source_stop(). NULL when memory is short. */
dispatch_source_t source_start(dispatch_source_type_t type, uintptr_t handle,
			       dispatch_block_t handler);
void source_stop(dispatch_source_t source); /* NULL is allowed */

/*
 * A client has come: from now on launchd asks before it ends the broker, until
 * platform_idle() when vmnet, too, has nothing of it any more.
 */
void platform_busy(void);

/* The front end has closed: the last thing that platform_run() waits for, but for networks. */
void platform_xpc_closed(void);

#endif
