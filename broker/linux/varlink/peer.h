/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of a connection, by what the kernel says: pid, uid and groups, read here
 * once. What that uid may have is judged in broker/permission.h.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_PEER_H
#define VMNET_BROKER_LINUX_VARLINK_PEER_H

#include "broker/broker.h"

/*
 * Fills credentials for the process that connected fd. Returns 0 and the
 * caller owns credentials->groups, or a negative errno.
 */
int peer_credentials(int fd, struct credentials *credentials);

#endif
