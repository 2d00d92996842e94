/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices when somebody else takes a network's rules away, and has them made again. On the
 * policy's thread; what happens to links is heard in monitor.h.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_RULES_MONITOR_H
#define VMNET_BROKER_LINUX_NETWORK_RULES_MONITOR_H

/* Returns 0 or a negative errno, after logging why. */
int rules_monitor_start(void);
void rules_monitor_stop(void);

#endif
