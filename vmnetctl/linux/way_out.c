/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: a host that has no way to the outside. Who gives
 * the interface its addresses and routes is asked to do so again, if it can be
 * told who does; else people are told what is missing.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "host/names.h"
#include "vmnetctl/doctor.h"

#define NO_ROUTE "the host has no route to the outside"

struct uplink {
	char name[IF_NAMESIZE];
	unsigned int flags; /* IFF_* */
	char address[INET_ADDRSTRLEN]; /* "": it has none */
};

/* Whether an interface has something in /sys. */
static bool has(const char *interface, const char *what)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/%s", interface, what);
	return access(path, F_OK) == 0;
}

/* How much an interface looks like the one to the outside; 0: not at all. */
static int rank(const struct ifaddrs *entry)
{
	if (entry->ifa_flags & IFF_LOOPBACK || is_own_link_name(entry->ifa_name) ||
	    has(entry->ifa_name, "master"))
		return 0;
	return has(entry->ifa_name, "device") ? 2 : 1;
}

static void add_address(struct uplink *uplink, const struct ifaddrs *entry)
{
	if (entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET &&
	    strcmp(entry->ifa_name, uplink->name) == 0)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(void *)entry->ifa_addr)->sin_addr,
			  uplink->address, sizeof(uplink->address));
}

/* Finds the interface that most likely was the one to the outside; its name is "" for none. */
static int find_uplink(struct uplink *uplink)
{
	struct ifaddrs *entries;
	int best = 0;

	*uplink = (struct uplink){ 0 };
	if (getifaddrs(&entries) < 0)
		return -errno;
	for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
		int this = rank(entry);

		if (this <= best)
			continue;
		best = this;
		(void)snprintf(uplink->name, sizeof(uplink->name), "%s", entry->ifa_name);
		uplink->flags = entry->ifa_flags;
	}
	for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next)
		add_address(uplink, entry);
	freeifaddrs(entries);
	return 0;
}

static bool is_of_ifupdown(const char *interface)
{
	char start[IF_NAMESIZE + 1];

	(void)snprintf(start, sizeof(start), "%s=", interface);
	return has_line("/run/network/ifstate", start);
}

/* What gives the interface its addresses and routes, followed by its name; NULL: nobody knows. */
static const char *find_manager(const struct uplink *uplink)
{
	if (access("/run/NetworkManager", F_OK) == 0)
		return "nmcli device connect";
	if (is_of_networkd(uplink->name))
		return "networkctl reconfigure";
	if (is_of_ifupdown(uplink->name))
		return "ifup --force";
	if (*uplink->address)
		return NULL; /* somebody has set it by hand */
	if (has_program("dhclient"))
		return "dhclient";
	if (has_program("dhcpcd"))
		return "dhcpcd";
	return has_program("udhcpc") ? "udhcpc -i" : NULL;
}

/* Writes what gives a route to an interface that is up. Returns false when nothing can. */
static bool describe_route(const struct uplink *uplink, char *remedy, size_t size)
{
	const char *manager = find_manager(uplink);

	if (manager)
		(void)snprintf(remedy, size, "%s %s", manager, uplink->name);
	else
		(void)snprintf(remedy, size,
			       "printf 'address of the router: ' && read -r router && "
			       "ip route add default via \"$router\" dev %s",
			       uplink->name);
	return manager || *uplink->address;
}

static void report_uplink(const struct uplink *uplink)
{
	const char *name = uplink->name;
	char route[256], remedy[320];
	bool has_route = describe_route(uplink, route, sizeof(route));

	if (!(uplink->flags & IFF_UP)) {
		(void)snprintf(remedy, sizeof(remedy), "ip link set %s up%s%s", name,
			       has_route ? " && " : "", has_route ? route : "");
		doctor_problem(remedy, NO_ROUTE ": %s is down", name);
	} else if (!(uplink->flags & IFF_RUNNING)) {
		doctor_problem(NULL, NO_ROUTE ": nothing is connected to %s", name);
	} else if (!has_route) {
		doctor_problem(NULL,
			       NO_ROUTE ": %s has no address, and there is no DHCP client "
					"to ask for one",
			       name);
	} else {
		doctor_problem(route, NO_ROUTE ": none leads over %s", name);
	}
}

/* Whether packets of a family have a way, and something is connected where it leads over. */
static bool has_way_out(int family)
{
	char interface[IF_NAMESIZE];
	char path[PATH_MAX];

	if (!find_way_out(family, interface))
		return false;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", interface);
	return !has_line(path, "0");
}

void check_route(void)
{
	struct uplink uplink;
	int result;

	if (has_way_out(AF_INET) || has_way_out(AF_INET6))
		return;
	result = find_uplink(&uplink);
	if (result < 0)
		doctor_unknown("ip address", NO_ROUTE ", and its interfaces cannot be listed: %s",
			       strerror(-result));
	else if (!*uplink.name)
		doctor_problem(NULL, NO_ROUTE ", and no interface that could lead there");
	else
		report_uplink(&uplink);
}
