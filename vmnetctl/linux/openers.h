/* SPDX-License-Identifier: Apache-2.0 */
/* Which processes have a TAP device open: of one's own, or as root of all. */
#ifndef VMNET_VMNETCTL_LINUX_OPENERS_H
#define VMNET_VMNETCTL_LINUX_OPENERS_H

#include <sys/types.h>

/*
 * Calls each() for each descriptor of a TUN or TAP device that a process has, this one excepted, by
 * rising pids. Those in another network namespace are passed over: what is so called there may be
 * another.
 */
void openers_each_device(void (*each)(const char *device, pid_t pid, void *userdata),
			 void *userdata);

/*
 * Calls each() once for each of the owner's processes that have the device with this name open, or
 * of all for root's. Not for the broker: it has a device until its client has taken that.
 */
void openers_each(const char *device, uid_t owner, void (*each)(pid_t pid, void *userdata),
		  void *userdata);

#endif
