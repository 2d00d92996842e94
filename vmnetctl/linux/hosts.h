/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel knows of a network's other hosts, by its VXLAN device. */
#ifndef VMNET_VMNETCTL_LINUX_HOSTS_H
#define VMNET_VMNETCTL_LINUX_HOSTS_H

#include "host/fdb.h"
#include "vmnetctl/hosts.h"

/*
 * All that the network's VXLAN device knows: nothing, where it has none. *list is the caller's to
 * free. Returns DONE, or FAILED after complaining.
 */
int fdb_take(const struct vmnet_broker_network *network, struct fdb_entry **list, size_t *n);

/* The host that it leads to, whose address is written; NULL: one that is not listed. */
struct host_facts *fdb_host(const struct host_list *hosts, const struct fdb_entry *entry,
			    char address[INET6_ADDRSTRLEN]);

#endif
