/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the kernel's network: those of IP that each network interface has
 * (/proc/sys/net/ipv4/conf and ipv6/conf), and one of all bridges.
 */
#ifndef VMNET_HOST_SYSCTL_H
#define VMNET_HOST_SYSCTL_H

#include <stdbool.h>

/*
 * family: AF_INET or AF_INET6.
 * interface: its name, or "all".
 * name: of the setting.
 *
 * Both return 0 or a negative errno: -ENOENT when there is no such interface,
 * setting, or family.
 */
int sysctl_read(int family, const char *interface, const char *name, int *value);
int sysctl_write(int family, const char *interface, const char *name, int value);

/* br_netfilter is there, and has bridges ask the host's rules about a family. */
bool sysctl_bridges_filter(int family);

#endif
