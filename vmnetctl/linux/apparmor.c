/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: AppArmor's profile of dnsmasq, which comes with some distributions. It
 * knows what other programs have dnsmasq read and write, and nothing of the broker's files. What
 * it lacks is added to the administrator's part of it; data/apparmor-dnsmasq.in is the same, for
 * packages.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "vmnetctl/doctor.h"

/* Only root may read it, whatever its mode. */
#define ENFORCED "/sys/kernel/security/apparmor/profiles"
#define PROFILE "/etc/apparmor.d/usr.sbin.dnsmasq"
#define LOCAL_PART "/etc/apparmor.d/local/usr.sbin.dnsmasq"

#define CONFIGURATION "/run/vmnet-broker/"
#define LEASES "/var/lib/vmnet-broker/"
#define PRELOADED PRELOADED_DIR "/"

#define REMEDY                                                                   \
	"printf '%s\\n' "                                                        \
	"'" CONFIGURATION "{,*.dnsmasq.conf,*.hosts,*.names,*.resolv.conf} r,' " \
	"'" LEASES "*.leases rw,' "                                              \
	"'" PRELOADED "*.so mr,' "                                               \
	">>" LOCAL_PART " && apparmor_parser -r " PROFILE

/* Whether a profile's file has text in one of its rules. */
static bool has_rule(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	bool found = false;
	char line[512];

	while (file && !found && fgets(line, sizeof(line), file))
		found = line[strspn(line, " \t")] != '#' && strstr(line, text);
	if (file)
		(void)fclose(file);
	return found;
}

static bool knows(const char *folder)
{
	return has_rule(PROFILE, folder) || has_rule(LOCAL_PART, folder);
}

/* A folder that it knows has been thought of, by whatever rule. */
static bool knows_broker(void)
{
	return (knows(CONFIGURATION) && knows(LEASES) && knows(PRELOADED)) || knows(APPARMOR_RULES);
}

/* Whether a line of the kernel's, "NAME (MODE)", is of an enforced profile of dnsmasq. */
static bool is_enforced(char *line)
{
	char *end = strstr(line, " (enforce)");
	const char *name;

	if (!end || strstr(line, "//"))
		return false;
	*end = '\0';
	/* It may be called after its program's path. */
	name = strrchr(line, '/');
	return strcmp(name ? name + 1 : line, "dnsmasq") == 0;
}

void check_apparmor(void)
{
	FILE *file = fopen(ENFORCED, "re");
	bool found = false;
	char line[512];

	if (!file) {
		if (errno == EACCES && access(PROFILE, F_OK) == 0 && !knows_broker())
			doctor_unknown(FULL_LOOK,
				       "only root may look whether AppArmor's profile of dnsmasq, "
				       "which does not know the broker's files, is enforced");
		return;
	}
	while (!found && fgets(line, sizeof(line), file))
		found = is_enforced(line);
	(void)fclose(file);
	if (found && !knows_broker())
		doctor_problem(access(PROFILE, F_OK) == 0 ? REMEDY : NULL,
			       "AppArmor denies dnsmasq the broker's files, which its profile "
			       "does not know");
}
