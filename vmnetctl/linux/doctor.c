/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: the broker, its files and programs. What has to do
 * with addresses is in addresses.c, other programs' packet filters in filters.c.
 */
#include "../doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../system.h"
#include "../vmnetctl.h"
#include "doctor.h"

#define RESTART "systemctl restart vmnet-broker.service"

static void report_no_broker(vmnet_broker_return_t status, int error)
{
	const char *path = vmnet_broker_address();
	char remedy[2 * PATH_MAX + 64] = "systemctl enable --now vmnet-broker.socket";

	if (status != VMNET_BROKER_XPC_FAILURE) {
		doctor_problem(RESTART, "the broker at %s: %s", path,
			       vmnet_broker_strerror(status));
		return;
	}
	if (error == EACCES)
		(void)snprintf(remedy, sizeof(remedy), "chmod a+x $(dirname %s) && chmod a+rw %s",
			       path, path);
	doctor_problem(remedy, "no broker at %s: %s", path, strerror(error));
}

static void check_network(struct vmnet_broker *broker, const struct vmnet_broker_network *network)
{
	struct vmnet_broker_inspection *inspection;

	check_forwarding(network);
	if (vmnet_broker_inspect(broker, network->name, &inspection) != VMNET_BROKER_SUCCESS) {
		doctor_problem(RESTART, "%s", vmnet_broker_error(broker));
		return;
	}
	if (inspection->fault)
		doctor_problem(RESTART, "network \"%s\": %s", network->name, inspection->fault);
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
			doctor_unknown("sudo vmnetctl doctor", "%s: %s", CONFIG_FILE,
				       strerror(errno));
		return;
	}
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		doctor_problem("chown root " CONFIG_FILE " && chmod go-w " CONFIG_FILE,
			       "%s is refused: only root may own and write it", CONFIG_FILE);
		return;
	}
	if (!(status.st_mode & (S_IRGRP | S_IROTH))) {
		doctor_problem("chmod a+r " CONFIG_FILE,
			       "%s can be read by root only, which the broker is not", CONFIG_FILE);
		return;
	}
	doctor_check_mistakes();
}

static void check_tun(void)
{
	const char *remedy = "modprobe tun";
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		(void)close(fd);
		return;
	}
	/* Others than the broker need no permission for it. */
	if (errno == EACCES || errno == EPERM)
		return;
	if (access("/sys/class/misc/tun", F_OK) == 0)
		remedy = "mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200";
	doctor_problem(remedy, "/dev/net/tun, which interfaces are made from: %s", strerror(errno));
}

/* How this distribution installs dnsmasq. */
static const char *dnsmasq_remedy(void)
{
	static const struct {
		const char *program;
		const char *command;
	} managers[] = {
		{ "/usr/bin/apt-get", "apt-get install dnsmasq-base" },
		{ "/usr/bin/dnf", "dnf install dnsmasq" },
		{ "/usr/bin/zypper", "zypper install dnsmasq" },
		{ "/usr/bin/pacman", "pacman -S dnsmasq" },
		{ "/sbin/apk", "apk add dnsmasq" },
	};

	for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++) {
		if (access(managers[i].program, X_OK) == 0)
			return managers[i].command;
	}
	return "install dnsmasq";
}

static void check_dnsmasq(void)
{
	static const char *const folders[] = { "/usr/sbin", "/usr/bin", "/usr/local/sbin",
					       "/sbin" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/dnsmasq", folders[i]);
		if (access(path, X_OK) == 0)
			return;
	}
	doctor_problem(dnsmasq_remedy(), "dnsmasq, which gives addresses and names, is missing");
}

/* Whether a line of /proc/net/tcp or tcp6 is a socket that listens on port 53 of any address. */
static bool is_dns_on_any_address(const char *line)
{
	char address[33];
	unsigned int port, state;

	return sscanf(line, " %*u: %32[0-9A-F]:%x %*[0-9A-F]:%*x %x", address, &port, &state) ==
		       3 &&
	       port == 53 && state == 0x0a && strspn(address, "0") == strlen(address);
}

static bool listens_on_any_address(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[512];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file))
		found = is_dns_on_any_address(line);
	(void)fclose(file);
	return found;
}

static void check_dns_port(void)
{
	const char *remedy = "ss -ltnp sport = :53";

	if (!listens_on_any_address("/proc/net/tcp") && !listens_on_any_address("/proc/net/tcp6"))
		return;
	if (access("/run/dnsmasq/dnsmasq.pid", F_OK) == 0)
		remedy = "echo bind-dynamic > /etc/dnsmasq.d/vmnet-broker.conf && "
			 "systemctl restart dnsmasq";
	doctor_problem(remedy, "a program listens on port 53 of every address, which leaves "
			       "none for the networks' own name servers; have it listen on its "
			       "own addresses only");
}

static void check_forwarding_switch(void)
{
	struct statvfs status;

	if (statvfs("/proc/sys/net/ipv4/ip_forward", &status) == 0 &&
	    (status.f_flag & ST_RDONLY) != 0)
		doctor_problem("mount -o remount,rw /proc/sys",
			       "forwarding cannot be switched on, since /proc/sys is read-only");
}

const struct doctor_check doctor_checks[] = {
	{ "broker and its networks", check_broker },
	{ "configuration file", check_configuration },
	{ "/dev/net/tun", check_tun },
	{ "dnsmasq", check_dnsmasq },
	{ "port 53", check_dns_port },
	{ "forwarding", check_forwarding_switch },
	{ "route to the outside", check_route },
	{ "subnets", check_subnets },
	{ "other packet filters", check_filters },
	{ NULL, NULL },
};
