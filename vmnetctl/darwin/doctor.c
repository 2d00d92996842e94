/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on macOS: the system, the service, its files, and what stands in their way.
 *
 * vmnet tells nothing about itself, so that networks which nobody uses are tried: made, and
 * given back. A vmnet that hangs must not take doctor along: what asks the broker has a time
 * limit. Under a problem stands a command only where it was seen to help on a Mac.
 */
#include "vmnetctl/doctor.h"

#include <dispatch/dispatch.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "config/config.h"
#include "installed.h"
#include "vmnetctl/system.h"
#include "vmnetctl/vmnetctl.h"

#define OLDEST_VERSION 26
/* The first one whose own loopback reaches forwarded ports (FB7731708). */
#define LOOPBACK_VERSION 27
/* The minor one that Virtualization takes other programs' networks from (docs/integrations.md). */
#define SHARING_VERSION 2

#define FIREWALL "/usr/libexec/ApplicationFirewall/socketfilterfw"
#define DHCP_SERVER "/usr/libexec/bootpd"
#define SHARING "/Library/Preferences/SystemConfiguration/com.apple.nat"
#define UPDATE "see System Settings > General > Software Update"
#define SERVICE "com.github.nirs.vmnet-broker"
#define BOOTSTRAP "sudo launchctl bootstrap system " SERVICE_PLIST

/*
 * An address of nobody's (RFC 5737), in the upper half of all: a VPN that takes two halves in
 * place of the default route has it, too.
 */
#define OUTSIDE "198.51.100.1"

/* Seconds for a broker, which launchd starts only 10 s after one that has not lasted. */
#define BROKER_LIMIT 15
/* For a network, which takes a fraction of one, at worst 3. */
#define NETWORK_LIMIT 5

/* For everything that is installed with the broker. */
#define INSTALL "sudo sh install-macos"

static int major_version;
static bool is_loaded; /* the service */

/*
 * The conversation with the broker, which ends with doctor: a question that has no answer in
 * time goes on using it.
 */
static struct {
	struct vmnet_broker *broker;
	vmnet_broker_return_t status; /* of the last call */
	struct vmnet_broker_network **networks;
	size_t n_networks;
	const char *name; /* of the network to be tried */
} talk;

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
	int minor = 0;

	if (!succeeds("sw_vers -productVersion", version, sizeof(version))) {
		doctor_unknown("sw_vers", "cannot tell the version of macOS");
		return;
	}
	version[strcspn(version, "\n")] = '\0';
	(void)sscanf(version, "%d.%d", &major_version, &minor);
	if (major_version < OLDEST_VERSION)
		doctor_problem(NULL, "macOS %d or later is needed, not %s; " UPDATE, OLDEST_VERSION,
			       version);
	else if (major_version == OLDEST_VERSION && minor < SHARING_VERSION)
		doctor_note(NULL,
			    "machines of Virtualization.framework take no network of another "
			    "program in macOS %s, so that only programs that start an interface "
			    "by themselves can use the broker's; they do from %d.%d on, " UPDATE,
			    version, OLDEST_VERSION, SHARING_VERSION);
}

static void check_service(void)
{
	bool is_disabled;
	char output[256];

	is_disabled = succeeds("launchctl print-disabled system 2>&1 | "
			       "grep -E '\"" SERVICE "\" => (disabled|true)'",
			       output, sizeof(output));
	is_loaded = succeeds("launchctl print system/" SERVICE " 2>&1", output, sizeof(output));
	if (is_disabled)
		doctor_problem(is_loaded ? "sudo launchctl enable system/" SERVICE
					 : "sudo launchctl enable system/" SERVICE " && " BOOTSTRAP,
			       "the broker's service is switched off in launchd");
	else if (!is_loaded)
		doctor_problem(BOOTSTRAP, "launchd has not loaded the broker's service");
}

/* Whether a question to the broker has its answer within so many seconds. */
static bool is_answered(void (*question)(void), int64_t seconds)
{
	dispatch_queue_t queue = dispatch_queue_create("doctor", DISPATCH_QUEUE_SERIAL);
	dispatch_semaphore_t answered = dispatch_semaphore_create(0);
	dispatch_time_t limit = dispatch_time(DISPATCH_TIME_NOW, seconds * 1000000000);

	if (!queue || !answered) {
		/* Memory is short: better without a limit than without an answer. */
		question();
		return true;
	}
	dispatch_async(queue, ^{
		question();
		(void)dispatch_semaphore_signal(answered);
	});
	dispatch_release(queue);
	if (dispatch_semaphore_wait(answered, limit) != 0)
		return false;
	dispatch_release(answered);
	return true;
}

static void ask_for_networks(void)
{
	talk.broker = vmnet_broker_connect(&talk.status);
	if (talk.broker)
		talk.status = vmnet_broker_list(talk.broker, &talk.networks, &talk.n_networks);
}

static void try_network(void)
{
	talk.status = vmnet_broker_acquire(talk.broker, talk.name, NULL);
	if (talk.status == VMNET_BROKER_SUCCESS)
		talk.status = vmnet_broker_release(talk.broker, talk.name);
}

/* One that is in use has been made, and another hold on it would tell nothing. */
static void try_networks(void)
{
	for (size_t i = 0; i < talk.n_networks; i++) {
		talk.name = talk.networks[i]->name;
		if (talk.networks[i]->active)
			continue;
		if (!is_answered(try_network, NETWORK_LIMIT)) {
			doctor_problem(NULL,
				       "network \"%s\": vmnet has not made it for %d s; if that "
				       "goes on, only a restart of the Mac helps",
				       talk.name, NETWORK_LIMIT);
			return;
		}
		if (talk.status != VMNET_BROKER_SUCCESS)
			doctor_problem(NULL, "%s", vmnet_broker_error(talk.broker));
	}
}

static void check_broker(void)
{
	if (!is_answered(ask_for_networks, BROKER_LIMIT)) {
		doctor_problem(NULL, "the broker has not answered for %d s; see " BROKER_LOG,
			       BROKER_LIMIT);
		return;
	}
	if (talk.status == VMNET_BROKER_SUCCESS)
		try_networks();
	else if (is_loaded) /* or the reason has been told */
		doctor_problem(NULL, "the broker does not answer: %s; see " BROKER_LOG,
			       vmnet_broker_strerror(talk.status));
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

static void check_forwardings(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	bool has_one = false;

	for (size_t i = 0; config && i < config->n_networks; i++)
		has_one = has_one || config->networks[i]->n_port_forwardings > 0;
	if (has_one && major_version < LOOPBACK_VERSION)
		doctor_note(NULL,
			    "forwarded ports are not reached by the loopback of this Mac itself "
			    "before macOS %d; programs here connect to the machine's own address "
			    "and port, see vmnetctl ip",
			    LOOPBACK_VERSION);
	config_errors_clear(&errors);
	config_free(config);
}

/*
 * It serves DHCP itself, with the same server, on a bridge of its own. No command switches it
 * off: its job is protected, and what is written to its preferences changes nothing.
 */
static void check_sharing(void)
{
	char output[8192];

	if (succeeds("defaults read " SHARING " NAT 2>/dev/null", output, sizeof(output)) &&
	    strstr(output, "Enabled = 1"))
		doctor_note(NULL,
			    "Internet Sharing is on, and takes DHCP and NAT for itself; where "
			    "machines get no address, switch it off in System Settings > General "
			    "> Sharing");
}

static void check_way_out(void)
{
	char interface[64];

	(void)succeeds("/sbin/route -n get " OUTSIDE " 2>/dev/null | sed -n 's/.*interface: //p'",
		       interface, sizeof(interface));
	interface[strcspn(interface, "\n")] = '\0';
	if (strncmp(interface, "utun", 4) == 0 || strncmp(interface, "ipsec", 5) == 0 ||
	    strncmp(interface, "ppp", 3) == 0)
		doctor_note(NULL,
			    "this Mac's way to the outside leads over %s, a VPN's, which can break "
			    "NAT for machines; where they do not reach the outside, have it use no "
			    "exit node",
			    interface);
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
		doctor_problem(
			NULL,
			"the firewall blocks %s, which gives machines their addresses; allow "
			"it in System Settings > Network > Firewall > Options",
			DHCP_SERVER);
}

const struct doctor_check doctor_checks[] = {
	{ "macOS", check_version },
	{ "service", check_service },
	{ "broker and networks", check_broker },
	{ "signature", check_signature },
	{ "installed files", check_files },
	{ "configuration file", check_configuration },
	{ "forwarded ports", check_forwardings },
	{ "Internet Sharing", check_sharing },
	{ "way to the outside", check_way_out },
	{ "firewall", check_firewall },
	{ NULL, NULL },
};
