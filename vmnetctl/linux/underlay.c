/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: whether the hosts of a network that is on several reach each other.
 * Who tells them of each other is in frr.c, and what packet filters stop in filters.c. Here the
 * other hosts' name servers are asked, by the network itself: each knows what its host's file says
 * of the network, and when there is no answer, nothing else gets there either.
 */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "dns.h"
#include "doctor.h"
#include "host/link.h"
#include "host/names.h"
#include "host/netlink_socket.h"
#include "host/route.h"
#include "host/vxlan_link.h"
#include "vmnetctl/doctor.h"
#include "vmnetctl/hosts.h"
#include "vmnetctl/vmnetctl.h"

#define ETHERNET_MTU 1500U

/* The narrowest way to another host. */
struct narrowest {
	const struct host_facts *host; /* NULL: there is no way to any */
	unsigned int mtu;
	char device[INTERFACE_NAME_SIZE]; /* "": it is not its device that makes it narrow */
};

static bool check_own(const struct host_list *hosts)
{
	const struct host_facts *own = hosts_own(hosts);

	if (!own) {
		doctor_problem(EDIT, "network \"%s\": none of its hosts' addresses is this host's",
			       hosts->network);
		return false;
	}
	for (const struct host_facts *other = own + 1; other < hosts->items + hosts->n_items;
	     other++) {
		if (other->state != HOST_OWN)
			continue;
		doctor_problem(EDIT,
			       "network \"%s\": the addresses of its hosts \"%s\" and \"%s\" are "
			       "both this host's",
			       hosts->network, own->name, other->name);
		return false;
	}
	return true;
}

static void find_device(const struct host_list *hosts, struct narrowest *way)
{
	struct in6_addr address;
	struct link link;

	(void)inet_pton(hosts->family, way->host->address, &address);
	if (!link_name((int)route_device(hosts->family, &address), way->device) ||
	    link_get(way->device, &link) < 0 || link.mtu != way->mtu)
		way->device[0] = '\0';
}

static struct narrowest find_narrowest(const struct host_list *hosts)
{
	struct narrowest way = { 0 };
	struct in6_addr from, to;

	(void)inet_pton(hosts->family, hosts_own(hosts)->address, &from);
	for (size_t i = 0; i < hosts->n_items; i++) {
		unsigned int mtu = 0;

		if (hosts->items[i].state != HOST_OWN &&
		    inet_pton(hosts->family, hosts->items[i].address, &to) == 1)
			mtu = route_mtu(hosts->family, &from, &to);
		if (!mtu || (way.host && mtu >= way.mtu))
			continue;
		way.host = &hosts->items[i];
		way.mtu = mtu;
	}
	if (way.host)
		find_device(hosts, &way);
	return way;
}

static void check_mtu(const struct vmnet_broker_network *network, const struct host_list *hosts)
{
	const json_t *key = json_object_get(hosts->configuration, "mtu");
	const unsigned int configured = (unsigned int)json_integer_value(key);
	const unsigned int inside = network->active ? network->mtu : configured;
	const unsigned int size = VXLAN_HEADERS_SIZE(hosts->family);
	const struct narrowest way = find_narrowest(hosts);
	char remedy[64];

	if (!way.host)
		return;
	if (inside + size > way.mtu) {
		(void)snprintf(remedy, sizeof(remedy), "ip link set dev %s mtu %u", way.device,
			       inside + size);
		doctor_problem(
			*way.device ? remedy : EDIT,
			"network \"%s\": with its MTU of %u packets to host \"%s\" are of up "
			"to %u bytes, and %u is the most that gets there; all of them have to "
			"get there, or it needs an \"mtu\" of %u",
			hosts->network, inside, way.host->name, inside + size, way.mtu,
			way.mtu - size);
	} else if (!configured && way.mtu - size < ETHERNET_MTU) {
		doctor_note(
			NULL,
			"network \"%s\": its machines' MTU is %u, which fits into the %u of the "
			"way to host \"%s\"; for %u that takes %u",
			hosts->network, way.mtu - size, way.mtu, way.host->name, ETHERNET_MTU,
			ETHERNET_MTU + size);
	}
}

/* Asks for a host's digest of what its file says of the network. Returns as dns_ask(). */
static int ask_digest(const struct vmnet_broker_network *network, const struct host_facts *host,
		      char digest[DNS_TEXT_SIZE])
{
	char name[DNS_LABEL_MAX + sizeof(".") + NETWORK_DOMAIN_SIZE], domain[NETWORK_DOMAIN_SIZE];
	struct in_addr server;

	if (!network->ipv4_gateway || inet_pton(AF_INET, network->ipv4_gateway, &server) != 1)
		return 0;
	(void)snprintf(name, sizeof(name), "%s.%s", host->name,
		       network_domain(network->name, domain));
	return dns_ask(server, name, ns_t_txt, digest);
}

static void check_digests(const struct vmnet_broker_network *network, const struct host_list *hosts)
{
	char own[DNS_TEXT_SIZE], other[DNS_TEXT_SIZE];

	/* It is without a name server, and may be so by configuration. */
	if (ask_digest(network, hosts_own(hosts), own) <= 0)
		return;
	for (size_t i = 0; i < hosts->n_items; i++) {
		const struct host_facts *host = &hosts->items[i];
		int answered;

		if (host->state != HOST_KNOWN && host->state != HOST_HEARD)
			continue;
		answered = ask_digest(network, host, other);
		if (answered < 0)
			doctor_problem(
				NULL,
				"network \"%s\": host \"%s\" is known, and does not answer by "
				"the network: look with \"vmnetctl doctor\" there, and whether "
				"something between drops UDP port %u of %s",
				hosts->network, host->name, hosts->port, host->address);
		else if (answered > 0 && strcmp(own, other) != 0)
			doctor_problem(
				NULL,
				"network \"%s\": the file of host \"%s\" says something else "
				"of it than this host's: compare the two " CONFIG_FILE,
				hosts->network, host->name);
	}
}

/* That none is known is a fault of its own. */
static void check_known(const struct host_list *hosts)
{
	for (size_t i = 0; i < hosts->n_items; i++) {
		const struct host_facts *host = &hosts->items[i];

		if (host->state == HOST_UNKNOWN)
			doctor_note(SHOW_SESSIONS,
				    "network \"%s\": FRR has not told of host \"%s\" (%s), where "
				    "the network may not be in use",
				    hosts->network, host->name, host->address);
		else if (host->state == HOST_SILENT)
			doctor_note(NULL,
				    "network \"%s\": nothing has come from host \"%s\" (%s), where "
				    "the network may not be in use",
				    hosts->network, host->name, host->address);
	}
}

static void check_all(const struct vmnet_broker_network *network, const struct host_list *hosts)
{
	if (!check_own(hosts))
		return;
	check_mtu(network, hosts);
	if ((hosts->is_static || check_frr(hosts)) && network->active && !network->fault)
		check_known(hosts);
	if (network->active)
		check_digests(network, hosts);
}

void check_hosts(const struct vmnet_broker_network *network)
{
	struct host_list hosts;

	if (hosts_take(network, &hosts) == DONE && hosts.n_items > 0)
		check_all(network, &hosts);
	hosts_clear(&hosts);
	netlink_close();
}
