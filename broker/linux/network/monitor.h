/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the host's links, addresses and routes, as rtnetlink tells it, and who is told:
 * networks to be repaired, interfaces that have ended. On the policy's thread. What happens to
 * rules is heard in rules_monitor.h; nothing is mended here.
 */
#ifndef VMNET_BROKER_LINUX_NETWORK_MONITOR_H
#define VMNET_BROKER_LINUX_NETWORK_MONITOR_H

/*
 * From now on interfaces and networks hear of it when their links go, and
 * forwarding and others' packet filters are looked at when other links come and
 * go. Returns 0 or a negative errno.
 */
int monitor_start(void);
void monitor_stop(void);

/* Has interfaces_join() called in a moment, once for many calls. */
void monitor_look_at_ports(void);

/* Has the worker look at forwarding and others' packet filters, soon, and once for many calls. */
void monitor_look_around(void);

#endif
