/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of events, which a connection that is made anew has, too. */
#ifndef VMNET_CLIENT_LINUX_MONITOR_H
#define VMNET_CLIENT_LINUX_MONITOR_H

#include "connection.h"

/* Returns SUCCESS when what anybody asks for from now on becomes an event of this connection. */
vmnet_broker_return_t vmnet_broker_start_monitoring(struct vmnet_broker *broker);

#endif
