/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the macOS platform share: the policy, the places of files, the end. */
#ifndef VMNET_BROKER_DARWIN_H
#define VMNET_BROKER_DARWIN_H

#include "../broker.h"
#include "../platform.h"

struct darwin_platform {
	struct broker *broker;
	const struct options *options; /* state_dir */
};

/* Set by platform_run() before anything else is called, constant afterwards. */
extern struct darwin_platform darwin_platform;

/* The door has closed: the last thing that platform_run() waits for, but for networks. */
void platform_door_closed(void);

#endif
