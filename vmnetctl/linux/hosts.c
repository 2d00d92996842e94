/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of a network's other hosts, which it tells everybody: one that it knows is
 * there has a MAC address there, if it is but the host's own. It was told so, or of hosts that are
 * a list it has heard so lately.
 */
#include "vmnetctl/hosts.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "host/names.h"
#include "host/route.h"
#include "hosts.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

struct host_facts *fdb_host(const struct host_list *hosts, const struct fdb_entry *entry,
			    char address[INET6_ADDRSTRLEN])
{
	(void)inet_ntop(entry->family, &entry->host, address, INET6_ADDRSTRLEN);
	for (size_t i = 0; i < hosts->n_items; i++)
		if (strcmp(hosts->items[i].address, address) == 0)
			return &hosts->items[i];
	return NULL;
}

int fdb_take(const struct vmnet_broker_network *network, struct fdb_entry **list, size_t *n)
{
	char name[INTERFACE_NAME_SIZE];
	unsigned int index = 0;
	int result;

	*list = NULL;
	*n = 0;
	if (network->bridge) {
		vxlan_name(network->bridge, name);
		index = if_nametoindex(name);
	}
	result = index ? fdb_list((int)index, list, n) : 0;
	if (result == 0)
		return DONE;
	complain("the kernel does not tell what it knows of other hosts: %s", strerror(-result));
	return FAILED;
}

static bool is_own(const struct host_list *hosts, const struct host_facts *host)
{
	struct in6_addr address;

	return inet_pton(hosts->family, host->address, &address) == 1 &&
	       route_is_to_host(hosts->family, &address);
}

int hosts_look(const struct vmnet_broker_network *network, struct host_list *hosts)
{
	const enum host_state there = hosts->is_static ? HOST_HEARD : HOST_KNOWN;
	const enum host_state not_there = hosts->is_static ? HOST_SILENT : HOST_UNKNOWN;
	char address[INET6_ADDRSTRLEN];
	struct fdb_entry *list;
	struct host_facts *host;
	size_t n;

	if (fdb_take(network, &list, &n) != DONE)
		return FAILED;
	for (size_t i = 0; i < hosts->n_items; i++) {
		if (is_own(hosts, &hosts->items[i]))
			hosts->items[i].state = HOST_OWN;
		else if (network->active)
			hosts->items[i].state = not_there;
	}
	for (size_t i = 0; i < n; i++) {
		if (fdb_is_flood(&list[i]))
			continue;
		host = fdb_host(hosts, &list[i], address);
		if (host && host->state == not_there)
			host->state = there;
	}
	free(list);
	return DONE;
}
