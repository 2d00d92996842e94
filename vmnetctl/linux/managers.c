/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: programs that give interfaces their addresses and routes, and take
 * away what they have not given. Files that keep them off the broker's devices are installed with
 * it (data/managers). They do not help where a file of the host's goes first, where the program
 * has not read its files since, or looks for them elsewhere.
 */
#include <limits.h>
#include <net/if.h>
#include <stdio.h>

#include "base/array.h"
#include "doctor.h"
#include "host/names.h"
#include "vmnetctl/doctor.h"

struct manager {
	const char *name;
	bool (*has)(const char *interface);
	const char *remedy;
};

bool is_of_networkd(const char *interface)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/run/systemd/netif/links/%u",
		       if_nametoindex(interface));
	return has_line(path, "") && !has_line(path, "ADMIN_STATE=unmanaged");
}

static bool is_of_networkmanager(const char *interface)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "/run/NetworkManager/devices/%u",
		       if_nametoindex(interface));
	return has_line(path, "managed=true");
}

static void check_manager(const struct manager *manager)
{
	struct if_nameindex *links = if_nameindex();

	for (const struct if_nameindex *link = links; link && link->if_index; link++) {
		if (!is_own_link_name(link->if_name) || !manager->has(link->if_name))
			continue;
		doctor_problem(manager->remedy,
			       "%s manages %s, a device of the broker's, and may take its "
			       "addresses and routes",
			       manager->name, link->if_name);
		break;
	}
	if_freenameindex(links);
}

void check_managers(void)
{
	static const struct manager managers[] = {
		/* Sorted by name it is before "00-". */
		{ "systemd-networkd", is_of_networkd,
		  "cp " NETWORKD_FILE " /etc/systemd/network/0-vmnet-broker.network && "
		  "networkctl reload" },
		{ "NetworkManager", is_of_networkmanager,
		  "cp " NETWORKMANAGER_FILE " /etc/NetworkManager/conf.d && "
		  "nmcli general reload" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(managers); i++)
		check_manager(&managers[i]);
}
