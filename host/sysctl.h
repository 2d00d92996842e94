/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the kernel's network: those of IP that each network interface has
 * (/proc/sys/net/ipv4/conf and ipv6/conf), and one of all bridges.
 */
#ifndef VMNET_HOST_SYSCTL_H
#define VMNET_HOST_SYSCTL_H

#include <stdbool.h>

#include "base/error.h"

/*
 * family: AF_INET or AF_INET6.
 * interface: its name, "all", or "default", which new interfaces have theirs from.
 * name: of the setting.
 *
 * Both return 0 or a negative errno: -ENOENT when there is no such interface,
 * setting, or family. With the second, error (ERROR_CREATE_FAILED) then says
 * what the setting has to be.
 *
 * What has its value already is not written: the settings may be read-only, and
 * to write IPv6's "forwarding" costs the host routes even when that changes nothing.
 */
int sysctl_read(int family, const char *interface, const char *name, int *value);
int sysctl_set(int family, const char *interface, const char *name, int value, struct error *error);

/* br_netfilter is there, and has bridges ask the host's rules about a family. */
bool sysctl_bridges_filter(int family);

#endif
