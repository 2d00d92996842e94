/* SPDX-License-Identifier: Apache-2.0 */
/* The open devices of one interface, on their way to a client. */
#ifndef VMNET_BROKER_FDS_H
#define VMNET_BROKER_FDS_H

#include "broker/interface.h"

struct interface_fds {
	int tap[INTERFACE_QUEUES_MAX];
	unsigned int n_tap;
	int vhost[INTERFACE_QUEUES_MAX];
	unsigned int n_vhost;
};

#endif
