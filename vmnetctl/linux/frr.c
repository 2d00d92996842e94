/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: whether FRR tells this host of the machines on others, and the others
 * of its own. Who may ask is root, and FRR's own group; another's look is what has come of it.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "vmnetctl/doctor.h"

#define DAEMONS "/etc/frr/daemons"
#define ASK                                                      \
	"timeout 10 vtysh -c \"show version\" -c \"show evpn\" " \
	"-c \"show bgp l2vpn evpn vni json\" 2>&1"
#define CONFIGURE(line)                                      \
	"vtysh -c \"configure terminal\" -c \"router bgp\" " \
	"-c \"address-family l2vpn evpn\" -c " line " -c end -c \"write memory\""

/* The first that tells of hosts by IPv6, too. */
#define IPV6_MAJOR 10U
#define IPV6_MINOR 6U

static struct {
	unsigned int major, minor;
} version; /* 0.0: nobody knows */

/* What FRR says: all of it, or what there is room for. */
struct answer {
	char text[16384];
};

static bool ask(struct answer *answer)
{
	FILE *stream = popen(ASK, "re");
	size_t size;

	if (!stream)
		return false;
	size = fread(answer->text, 1, sizeof(answer->text) - 1, stream);
	answer->text[size] = '\0';
	/* Its status tells less than what it says. */
	(void)pclose(stream);
	return true;
}

static bool knows_all(const struct host_list *hosts)
{
	for (size_t i = 0; i < hosts->n_items; i++)
		if (hosts->items[i].state == HOST_UNKNOWN ||
		    hosts->items[i].state == HOST_NOT_LOOKED_AT)
			return false;
	return true;
}

static void report_missing(void)
{
	char remedy[64];

	(void)snprintf(remedy, sizeof(remedy), "%s frr", package_manager());
	doctor_problem(remedy, "FRR, which tells this host of machines on others, is missing");
}

static void report_stopped(const char *daemon)
{
	const char *remedy = "systemctl restart frr.service";

	if (strcmp(daemon, "bgpd") == 0 && has_line(DAEMONS, "bgpd=no"))
		remedy = "sed -i s/^bgpd=no/bgpd=yes/ " DAEMONS " && systemctl restart frr.service";
	doctor_problem(remedy,
		       "FRR's %s does not run, without which this host is not told of machines on "
		       "others",
		       daemon);
}

static void read_version(const struct answer *answer)
{
	static const char name[] = "FRRouting ";
	const char *said = strstr(answer->text, name);

	if (!said || sscanf(said + strlen(name), "%u.%u", &version.major, &version.minor) != 2)
		version.major = version.minor = 0;
}

/* Returns whether it tells hosts of machines. */
static bool judge(const struct answer *answer)
{
	if (strstr(answer->text, "failed to connect to any daemons") ||
	    strstr(answer->text, "zebra is not running")) {
		report_stopped("zebra");
		return false;
	}
	if (strstr(answer->text, "bgpd is not running")) {
		report_stopped("bgpd");
		return false;
	}
	if (strstr(answer->text, "\"advertiseAllVnis\":\"Enabled\"")) {
		/* To the same hosts as the broker does (broker/linux/network/vxlan.c). */
		if (strstr(answer->text, "\"flooding\":\"Head-end replication\""))
			doctor_problem(CONFIGURE("\"flooding disable\""),
				       "FRR runs without \"flooding disable\", and frames for "
				       "everybody come twice");
		return true;
	}
	if (strstr(answer->text, "\"advertiseAllVnis\""))
		doctor_problem(
			CONFIGURE("advertise-all-vni"),
			"FRR runs without \"advertise-all-vni\", and tells nobody of machines");
	else
		doctor_problem(NULL,
			       "FRR has no \"router bgp\" with \"address-family l2vpn evpn\", and "
			       "tells nobody of machines");
	return false;
}

/* Once for all networks. */
static bool look(void)
{
	static bool is_done, is_right;
	struct answer answer;

	if (is_done)
		return is_right;
	is_done = true;
	if (!has_program("vtysh")) {
		report_missing();
	} else if (ask(&answer)) {
		read_version(&answer);
		is_right = judge(&answer);
	}
	return is_right;
}

static bool knows_ipv6(void)
{
	return version.major == 0 || version.major > IPV6_MAJOR ||
	       (version.major == IPV6_MAJOR && version.minor >= IPV6_MINOR);
}

/* After look(). Where all hosts are known, whoever told of them is able to. */
static bool check_family(const struct host_list *hosts)
{
	if (hosts->family == AF_INET || knows_ipv6() || knows_all(hosts))
		return true;
	doctor_problem(
		EDIT,
		"network \"%s\": FRR %u.%u knows no VXLAN over IPv6, so that each frame for a "
		"machine elsewhere goes to all hosts; it takes FRR %u.%u or newer, or in the file "
		"of all hosts addresses of IPv4, or \"control\": \"static\"",
		hosts->network, version.major, version.minor, IPV6_MAJOR, IPV6_MINOR);
	return false;
}

bool check_frr(const struct host_list *hosts)
{
	static bool is_said;
	bool is_right;

	/* Another program may do what FRR does. */
	if (knows_all(hosts) && !has_program("vtysh"))
		return true;
	if (geteuid() == 0) {
		is_right = look();
		return check_family(hosts) && is_right;
	}
	if (!knows_all(hosts) && !is_said) {
		doctor_unknown(FULL_LOOK, "only root may ask FRR what it tells of networks");
		is_said = true;
	}
	return true;
}
