/* SPDX-License-Identifier: Apache-2.0 */
/* The lock that keeps a second broker out of a network namespace. */
#ifndef VMNET_BROKER_LINUX_VARLINK_INSTANCE_LOCK_H
#define VMNET_BROKER_LINUX_VARLINK_INSTANCE_LOCK_H

/*
 * Makes sure that no other broker works in this network namespace: it would
 * take this one's networks for what a dead one left. Holds for the life of the
 * process. Returns 0, or -1 after logging why.
 */
int instance_lock_take(void);

#endif
