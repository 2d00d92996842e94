/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: the broker, its files and programs. Whose addresses
 * overlap is in addresses.c, the way of packets in routes.c, a host without a way
 * out in way_out.c, kernel modules in modules.c, other programs' packet filters in
 * filters.c, programs that manage interfaces in managers.c, names in host_names.c, the hosts of
 * networks on several in underlay.c and frr.c, and AppArmor in apparmor.c.
 */
#include "vmnetctl/doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "doctor.h"
#include "host/ports.h"
#include "host/sysctl.h"
#include "vmnetctl/system.h"
#include "vmnetctl/vmnetctl.h"

#define TUN "/dev/net/tun"

#define REMEDY_SIZE 256

static void report_no_broker(vmnet_broker_return_t status, int error)
{
	const char *path = vmnet_broker_address();
	char remedy[2 * PATH_MAX + 64] = "systemctl enable --now vmnet-broker.socket";

	if (status != VMNET_BROKER_XPC_FAILURE) {
		doctor_problem(RESTART, "the broker at %s: %s", path,
			       vmnet_broker_strerror(status));
		return;
	}
	if (getenv("VMNET_BROKER_SOCKET"))
		(void)snprintf(remedy, sizeof(remedy), "vmnet-broker --socket %s &", path);
	if (error == EACCES)
		(void)snprintf(remedy, sizeof(remedy), "chmod a+x $(dirname %s) && chmod a+rw %s",
			       path, path);
	doctor_problem(remedy, "no broker at %s: %s", path, strerror(error));
}

static bool is_dns_server(const struct listed_socket *socket, const void *address)
{
	return socket->port == 53 && strcmp(socket->address, address) == 0;
}

/* address: as it is listed. */
static bool find_dns_server(int family, const char *address, struct listed_socket *socket)
{
	return ports_find(IPPROTO_TCP, family, is_dns_server, address, socket) ||
	       ports_find(IPPROTO_UDP, family, is_dns_server, address, socket);
}

/* Of a network, or in its place. gateway: NULL for none. */
static bool find_server(const char *gateway, struct listed_socket *socket)
{
	struct in_addr address;
	char listed[9];

	if (!gateway || inet_pton(AF_INET, gateway, &address) != 1)
		return false;
	(void)snprintf(listed, sizeof(listed), "%08X", address.s_addr);
	return find_dns_server(AF_INET, listed, socket);
}

/* The command that a fault's sentence has in brackets, quoted; or what helps in general. */
static const char *remedy_of(const char *fault, char command[REMEDY_SIZE])
{
	const char *start = strstr(fault, "(\"");
	const char *end = start ? strstr(start, "\")") : NULL;

	/*
	 * What may go, what makes an interface, who has put a rule first, and what is
	 * between hosts, people know; of port 67 is a check of its own.
	 */
	if (strstr(fault, strerror(ENOSPC)) || strstr(fault, "\"external_interface\"") ||
	    strstr(fault, "by the routing rule of priority") || strstr(fault, "has port 67") ||
	    strstr(fault, "none of its other hosts answers"))
		return NULL;
	if (strstr(fault, SHOW_SESSIONS))
		return SHOW_SESSIONS;
	if (!end)
		return RESTART;
	start += strlen("(\"");
	(void)snprintf(command, REMEDY_SIZE, "%.*s", (int)(end - start), start);
	return command;
}

static void report_fault(const struct vmnet_broker_network *network, const char *fault)
{
	char command[REMEDY_SIZE];
	const char *remedy = remedy_of(fault, command);
	struct listed_socket socket;
	char owner[128], end[32];
	int pid;

	if (!strstr(fault, strerror(EADDRINUSE)) || !find_server(network->ipv4_gateway, &socket)) {
		doctor_problem(remedy, "network \"%s\": %s", network->name, fault);
		return;
	}
	pid = ports_describe_owner(&socket, owner, sizeof(owner));
	(void)snprintf(end, sizeof(end), "kill %d", pid);
	doctor_problem(pid ? end : FULL_LOOK, "network \"%s\": %s: %s has port 53 of %s",
		       network->name, fault, owner, network->ipv4_gateway);
}

/* A bridge without machines has nobody to be found, and no carrier, without which nobody asks. */
static void check_reach(const struct vmnet_broker_network *network)
{
	struct listed_socket server;

	check_way_to_machines(network);
	if (network->interfaces && find_server(network->ipv4_gateway, &server))
		check_host_names(network);
}

static void check_network(struct vmnet_broker *broker, const struct vmnet_broker_network *network)
{
	struct vmnet_broker_inspection *inspection;

	check_forwarding(network);
	check_active_subnet(network);
	if (vmnet_broker_inspect(broker, network->name, &inspection) != VMNET_BROKER_SUCCESS) {
		doctor_problem(RESTART, "%s", vmnet_broker_error(broker));
		return;
	}
	/* A fault may be why its machines cannot be found. */
	if (inspection->network->fault)
		report_fault(network, inspection->network->fault);
	else
		check_reach(network);
	check_hosts(inspection->network);
	check_ways_to_ports(inspection);
	vmnet_broker_inspection_free(inspection);
}

static void check_broker(void)
{
	struct vmnet_broker_network **networks;
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);
	size_t n_networks;

	if (!broker) {
		report_no_broker(status, errno);
		return;
	}
	if (vmnet_broker_list(broker, &networks, &n_networks) != VMNET_BROKER_SUCCESS) {
		doctor_problem(RESTART, "%s", vmnet_broker_error(broker));
	} else {
		for (size_t i = 0; i < n_networks; i++)
			check_network(broker, networks[i]);
		vmnet_broker_networks_free(networks, n_networks);
	}
	vmnet_broker_close(broker);
}

static void check_configuration(void)
{
	struct stat status;

	if (stat(CONFIG_FILE, &status) < 0) {
		if (errno != ENOENT)
			doctor_unknown(FULL_LOOK, "%s: %s", CONFIG_FILE, strerror(errno));
		return;
	}
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		doctor_problem("chown root " CONFIG_FILE " && chmod go-w " CONFIG_FILE,
			       "%s is refused: only root may own and write it", CONFIG_FILE);
		return;
	}
	if (why_unreadable(CONFIG_FILE)) {
		doctor_problem("chmod a+r " CONFIG_FILE,
			       "%s can be read by root only, which the broker is not", CONFIG_FILE);
		return;
	}
	doctor_check_mistakes();
}

/* As the system's service the broker is a user like any other here. */
static bool is_closed_to_service(const struct stat *status)
{
	const struct passwd *user = getpwnam("vmnet-broker");

	return user && user->pw_uid != status->st_uid && (status->st_mode & 0006) != 0006 &&
	       access("/run/systemd/system", F_OK) == 0;
}

static void report_tun(int error)
{
	if (error == EACCES || error == EPERM)
		doctor_problem(NULL,
			       TUN ", which interfaces are made from, is denied even to root: "
				   "whoever runs this container has to allow it");
	else if (access("/sys/class/misc/tun", F_OK) == 0)
		doctor_problem("mkdir -p /dev/net && mknod -m 0666 " TUN " c 10 200",
			       TUN ", which interfaces are made from: %s", strerror(error));
	else
		doctor_problem("modprobe tun", TUN ", which interfaces are made from: %s",
			       strerror(error));
}

static void check_tun(void)
{
	struct stat status;
	int fd;

	if (stat(TUN, &status) == 0 && is_closed_to_service(&status)) {
		doctor_problem("chmod a+rw " TUN,
			       TUN ", which interfaces are made from, is closed to the broker's "
				   "user vmnet-broker");
		return;
	}
	fd = open(TUN, O_RDWR | O_CLOEXEC);
	/* Others than the broker need no permission for it. */
	if (fd < 0 && ((errno != EACCES && errno != EPERM) || geteuid() == 0))
		report_tun(errno);
	if (fd >= 0)
		(void)close(fd);
}

const char *package_manager(void)
{
	static const struct {
		const char *program;
		const char *command;
	} managers[] = {
		{ "/usr/bin/apt-get", "apt-get install" },
		{ "/usr/bin/dnf", "dnf install" },
		{ "/usr/bin/zypper", "zypper install" },
		{ "/usr/bin/pacman", "pacman -S" },
		{ "/sbin/apk", "apk add" },
	};

	for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++) {
		if (access(managers[i].program, X_OK) == 0)
			return managers[i].command;
	}
	return "install";
}

bool has_program(const char *name)
{
	static const char *const folders[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					       "/usr/bin",	  "/sbin",	    "/bin" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

bool has_line(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = strncmp(line, text, strlen(text)) == 0;
	(void)fclose(file);
	return found;
}

static void check_dnsmasq(void)
{
	const char *manager = package_manager();
	char remedy[64];

	if (has_program("dnsmasq"))
		return;
	/* Debian's package of that name is a service. */
	(void)snprintf(remedy, sizeof(remedy), "%s dnsmasq%s", manager,
		       strcmp(manager, "apt-get install") == 0 ? "-base" : "");
	doctor_problem(remedy, "dnsmasq, which gives addresses and names, is missing");
}

/* The host's own, where it is a service that reads /etc/dnsmasq.d. */
#define DNSMASQ_PID_FILE "/run/dnsmasq/dnsmasq.pid"
/* It would have bridges' addresses, too, and before the networks' own servers. */
#define KEEP_OFF                                                                                   \
	"printf 'bind-dynamic\\nexcept-interface=vmb-*\\n' > /etc/dnsmasq.d/vmnet-broker.conf && " \
	"systemctl restart dnsmasq"

/* rival: who has a port that dnsmasqs of networks need; does: how. */
static void report_rival(const struct listed_socket *rival, const char *does)
{
	char remedy[192] = FULL_LOOK;
	char owner[128];
	int pid = ports_describe_owner(rival, owner, sizeof(owner));

	if (strncmp(owner, "dnsmasq (", strlen("dnsmasq (")) == 0 &&
	    access(DNSMASQ_PID_FILE, F_OK) == 0)
		(void)snprintf(remedy, sizeof(remedy), KEEP_OFF);
	else if (pid)
		(void)snprintf(remedy, sizeof(remedy), "kill %d", pid);
	doctor_problem(remedy, "%s %s", owner, does);
}

/* Whether one of the files that the host's dnsmasq reads has such a line. */
static bool dnsmasq_has_line(const char *text)
{
	glob_t files = { 0 };
	bool found = false;

	(void)glob("/etc/dnsmasq.{conf,d/*}", GLOB_BRACE, NULL, &files);
	for (size_t i = 0; i < files.gl_pathc && !found; i++)
		found = has_line(files.gl_pathv[i], text);
	globfree(&files);
	return found;
}

static bool takes_new_addresses(void)
{
	return access(DNSMASQ_PID_FILE, F_OK) == 0 && dnsmasq_has_line("bind-dynamic") &&
	       !dnsmasq_has_line("except-interface=vmb-*") && !dnsmasq_has_line("interface=") &&
	       !dnsmasq_has_line("listen-address=");
}

static void check_dns_port(void)
{
	struct listed_socket rival;

	if (takes_new_addresses())
		doctor_problem(KEEP_OFF, "the host's dnsmasq takes port 53 of each new address, "
					 "also of those that are for networks' own name servers");
	else if (find_dns_server(AF_INET, "00000000", &rival) ||
		 find_dns_server(AF_INET6, LISTED_ANY_IPV6, &rival))
		report_rival(&rival,
			     "listens on port 53 of every address, which leaves none for the "
			     "networks' own name servers; have it listen on its own addresses "
			     "only, or end it");
}

/* For who shares it, as the networks' own servers do. Only root can say. */
static bool is_dhcp_port_taken(void)
{
	const struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(67) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_taken;

	if (fd < 0)
		return false;
	is_taken = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
		   bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		   errno == EADDRINUSE;
	(void)close(fd);
	return is_taken;
}

static void check_dhcp_port(void)
{
	const struct sent_to dhcp = {
		.protocol = IPPROTO_UDP, .family = AF_INET, .first = 67, .last = 67
	};
	struct listed_socket rival;

	if (is_dhcp_port_taken() && (ports_find(IPPROTO_UDP, AF_INET, ports_gets, &dhcp, &rival) ||
				     ports_find(IPPROTO_UDP, AF_INET6, ports_gets, &dhcp, &rival)))
		report_rival(&rival, "shares port 67 with nobody, which leaves none for the "
				     "networks' own DHCP servers; have it share the port, or end "
				     "it");
}

/* Or it does not know the family at all. */
static bool is_router(int family)
{
	int value;

	return sysctl_read(family, "all", "forwarding", &value) < 0 || value;
}

static void check_forwarding_switch(void)
{
	struct statvfs status;

	if (is_router(AF_INET) && is_router(AF_INET6))
		return;
	if (statvfs("/proc/sys/net/ipv4/ip_forward", &status) == 0 &&
	    (status.f_flag & ST_RDONLY) != 0)
		doctor_problem("mount -o remount,rw /proc/sys",
			       "forwarding cannot be switched on, since /proc/sys is read-only");
}

const struct doctor_check doctor_checks[] = {
	{ "broker and its networks", check_broker },
	{ "configuration file", check_configuration },
	{ "/dev/net/tun", check_tun },
	{ "kernel modules", check_modules },
	{ "dnsmasq", check_dnsmasq },
	{ "AppArmor's profile of dnsmasq", check_apparmor },
	{ "port 53", check_dns_port },
	{ "port 67", check_dhcp_port },
	{ "forwarding", check_forwarding_switch },
	{ "route to the outside", check_route },
	{ "ways in", check_ways_in },
	{ "subnets", check_subnets },
	{ "other packet filters", check_filters },
	{ "programs that manage interfaces", check_managers },
	{ NULL, NULL },
};
