/* SPDX-License-Identifier: Apache-2.0 */
/* The checks on Linux that are in files of their own. */
#ifndef VMNET_VMNETCTL_LINUX_DOCTOR_H
#define VMNET_VMNETCTL_LINUX_DOCTOR_H

#include <net/if.h>
#include <stdbool.h>
#include <vmnet-broker.h>

#include "vmnetctl/hosts.h"

/* Has the broker look at everything, and make what is missing. Machines notice nothing. */
#define RESTART "systemctl restart vmnet-broker.service"

/* Shows who of the other hosts FRR talks with. */
#define SHOW_SESSIONS "vtysh -c \"show bgp l2vpn evpn summary\""

/* Where only root may see what there is to see. */
#define FULL_LOOK "sudo vmnetctl doctor"

/* How this distribution installs a package, whose name follows. */
const char *package_manager(void);

/* Whether a program is where programs of the system are. */
bool has_program(const char *name);

/* Whether there is such a file, and a line in it that starts with text. */
bool has_line(const char *path, const char *text);

/* Whether systemd-networkd gives the interface its addresses and routes, or is about to. */
bool is_of_networkd(const char *interface);

/* What is for the network's machines, if it is active, goes to its bridge. */
void check_way_to_machines(const struct vmnet_broker_network *network);

/* What the network's machines, if it is active, are answered is forwarded. */
void check_forwarding(const struct vmnet_broker_network *network);

/* Whether the ports that its machines have asked for can be reached from outside. */
void check_ways_to_ports(const struct vmnet_broker_inspection *inspection);

/* The subnet that was chosen for the network, if it is active, is nobody else's. */
void check_active_subnet(const struct vmnet_broker_network *network);

/* Programs of the host find the network's machines by name. */
void check_host_names(const struct vmnet_broker_network *network);

/* The network's hosts, where it is on several, reach each other, and have the same file. */
void check_hosts(const struct vmnet_broker_network *network);

/*
 * FRR, which tells this host of those on others, is there and does so, as far as this user may
 * see. Returns whether it is, or nobody knows.
 */
bool check_frr(const struct host_list *hosts);

/* Finds the interface that the host's own packets to the outside leave by, if there is one. */
bool find_way_out(int family, char interface[IF_NAMESIZE]);

/* There is one. */
void check_route(void);

/* Forwarded ports can be reached by whatever interface. */
void check_ways_in(void);

/* The subnets that are configured are free, and one is for those that are not. */
void check_subnets(void);

/* The kernel has, or can load, what networks are made with. */
void check_modules(void);

/* What AppArmor allows dnsmasq is enough. */
void check_apparmor(void);

/* Other programs' rules let machines' packets pass. */
void check_filters(void);

/* Programs that manage interfaces leave the broker's alone. */
void check_managers(void);

#endif
