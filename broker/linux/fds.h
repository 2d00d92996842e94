/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct interface_fds: the open devices of one interface, on their way to a client. Opened in
 * broker/linux/network/tap.c, sent by broker/linux/varlink/stream.c.
 */
#ifndef VMNET_BROKER_LINUX_FDS_H
#define VMNET_BROKER_LINUX_FDS_H

#include "broker/interface.h"

struct interface_fds {
	int tap[INTERFACE_QUEUES_MAX];
	unsigned int n_tap;
	int vhost[INTERFACE_QUEUES_MAX];
	unsigned int n_vhost;
};

#endif
