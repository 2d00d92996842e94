/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl doctor on macOS: the system, the service, its files, and what stands in their way. */
#include "../doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../system.h"
#include "../vmnetctl.h"
#include "installed.h"

#define OLDEST_VERSION 26
/* The minor one that Virtualization takes other programs' networks from (docs/integrations.md). */
#define SHARING_VERSION 2

#define FIREWALL "/usr/libexec/ApplicationFirewall/socketfilterfw"
#define DHCP_SERVER "/usr/libexec/bootpd"
#define SHARING "/Library/Preferences/SystemConfiguration/com.apple.nat"

/* For everything that is installed with the broker. */
#define INSTALL "sudo sh install-macos"

/*
 * Runs a command of the system, by a shell.
 *
 * output: gets the beginning of what it prints, of size bytes with the end.
 *
 * Returns whether it succeeded.
 */
static bool succeeds(const char *command, char *output, size_t size)
{
	FILE *stream = popen(command, "r");
	char rest[256];
	size_t length;

	output[0] = '\0';
	if (!stream)
		return false;
	length = fread(output, 1, size - 1, stream);
	output[length] = '\0';
	while (fread(rest, 1, sizeof(rest), stream) > 0)
		continue;
	return pclose(stream) == 0;
}

static void check_version(void)
{
	char version[64];
	int major = 0;
	int minor = 0;

	if (!succeeds("sw_vers -productVersion", version, sizeof(version))) {
		doctor_unknown("sw_vers", "cannot tell the version of macOS");
		return;
	}
	version[strcspn(version, "\n")] = '\0';
	(void)sscanf(version, "%d.%d", &major, &minor);
	if (major < OLDEST_VERSION)
		doctor_problem("softwareupdate --list", "macOS %d or later is needed, not %s",
			       OLDEST_VERSION, version);
	else if (major == OLDEST_VERSION && minor < SHARING_VERSION)
		doctor_note("softwareupdate --list",
			    "Virtualization.framework of macOS %s may refuse networks of the "
			    "broker, which it takes from %d.%d on",
			    version, OLDEST_VERSION, SHARING_VERSION);
}

static void check_service(void)
{
	char output[64];

	if (succeeds("launchctl print system/com.github.nirs.vmnet-broker 2>&1", output,
		     sizeof(output)))
		return;
	doctor_problem("sudo launchctl bootstrap system " SERVICE_PLIST,
		       "launchd has not loaded the broker's service");
}

static void check_broker(void)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);
	struct vmnet_broker_network **networks = NULL;
	size_t n_networks = 0;

	if (broker)
		status = vmnet_broker_list(broker, &networks, &n_networks);
	if (status != VMNET_BROKER_SUCCESS)
		doctor_problem("sudo launchctl kickstart -k system/com.github.nirs.vmnet-broker",
			       "the broker does not answer: %s", vmnet_broker_strerror(status));
	vmnet_broker_networks_free(networks, n_networks);
	vmnet_broker_close(broker);
}

static void check_signature(void)
{
	char output[8192];

	if (!succeeds("codesign --verify '" BROKER_PROGRAM "' 2>&1", output, sizeof(output))) {
		doctor_problem(INSTALL, "the signature of %s is not valid", BROKER_PROGRAM);
		return;
	}
	(void)succeeds("codesign --display --entitlements - --xml '" BROKER_PROGRAM "' 2>&1",
		       output, sizeof(output));
	if (!strstr(output, "com.apple.security.virtualization"))
		doctor_problem(INSTALL,
			       "%s is signed without the entitlement "
			       "com.apple.security.virtualization, which networks need",
			       BROKER_PROGRAM);
}

/* Whether an access control list lets somebody change the file, as install-macos asks. */
static bool has_writers(const char *path)
{
	char command[PATH_MAX + 128];
	char output[1];

	(void)snprintf(command, sizeof(command),
		       "ls -lde '%s' 2>&1 | grep -E ' allow .*(write|append|add_|delete|chown)'",
		       path);
	return succeeds(command, output, sizeof(output));
}

/* Whoever can write it, or put something else in its place, can do what the broker can. */
static void check_owner(const char *path)
{
	char remedy[2 * PATH_MAX + 64];
	struct stat status;

	if (stat(path, &status) < 0) {
		doctor_problem(INSTALL, "%s: %s", path, strerror(errno));
		return;
	}
	if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		(void)snprintf(remedy, sizeof(remedy),
			       "sudo chown root '%s' && sudo chmod go-w '%s'", path, path);
	else if (has_writers(path))
		(void)snprintf(remedy, sizeof(remedy), "sudo chmod -N '%s'", path);
	else
		return;
	doctor_problem(remedy, "%s can be changed by others than root", path);
}

static void check_files(void)
{
	static const char *const paths[] = {
		"/",
		"/Library",
		"/Library/Application Support",
		"/Library/Application Support/vmnet-broker",
		BROKER_PROGRAM,
		"/Library/Application Support/vmnet-broker/bin",
		"/Library/Application Support/vmnet-broker/bin/vmnetctl",
		"/Library/LaunchDaemons",
		SERVICE_PLIST,
	};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		check_owner(paths[i]);
}

static void check_configuration(void)
{
	struct stat status;

	if (stat(CONFIG_FILE, &status) < 0 && errno == ENOENT)
		return;
	check_owner("/private");
	check_owner("/private/etc");
	check_owner("/private/etc/vmnet-broker");
	check_owner(CONFIG_FILE);
	doctor_check_mistakes();
}

/* It serves DHCP itself, with the same server, on a bridge of its own. */
static void check_sharing(void)
{
	char output[8192];

	if (succeeds("defaults read " SHARING " NAT 2>/dev/null", output, sizeof(output)) &&
	    strstr(output, "Enabled = 1"))
		doctor_problem("sudo defaults write " SHARING " NAT -dict-add Enabled -int 0 && "
			       "sudo launchctl kickstart -k system/com.apple.NetworkSharing",
			       "Internet Sharing is on, and takes DHCP and NAT for itself");
}

static void check_firewall(void)
{
	char output[1024];

	if (!succeeds(FIREWALL " --getglobalstate", output, sizeof(output))) {
		doctor_unknown(FIREWALL " --getglobalstate",
			       "cannot tell the state of the firewall");
		return;
	}
	if (strstr(output, "disabled") || strstr(output, "State = 0"))
		return;
	if (succeeds(FIREWALL " --getappblocked " DHCP_SERVER, output, sizeof(output)) &&
	    strstr(output, "blocked"))
		doctor_problem("sudo " FIREWALL " --add " DHCP_SERVER " && sudo " FIREWALL
			       " --unblockapp " DHCP_SERVER,
			       "the firewall blocks %s, which gives machines their addresses",
			       DHCP_SERVER);
}

const struct doctor_check doctor_checks[] = {
	{ "macOS", check_version },
	{ "service", check_service },
	{ "broker", check_broker },
	{ "signature", check_signature },
	{ "installed files", check_files },
	{ "configuration file", check_configuration },
	{ "Internet Sharing", check_sharing },
	{ "firewall", check_firewall },
	{ NULL, NULL },
};
