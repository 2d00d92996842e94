/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl doctor on Linux: whether the kernel has what networks are made with, built in, or
 * as modules that it loads when the broker first asks. Where no kernel's modules are to be
 * seen, as in a container, nobody can tell.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config/config.h"
#include "doctor.h"
#include "vmnetctl/doctor.h"
#include "vmnetctl/vmnetctl.h"

#define FOLDER "/lib/modules"

static const char *const modules[] = {
	"act_mirred",
	"bridge",
	"cls_bpf",
	"ifb",
	"nf_tables",
	"nft_fib_inet",
	"sch_ingress",
	/* Those of networks on several hosts: */
	"veth",
	"vxlan",
};

#define N_FOR_SEVERAL 2

#define N_MODULES (sizeof(modules) / sizeof(modules[0]))

/* Whether a list of the kernel's has the module's file. */
static bool lists(const char *release, const char *list, const char *module)
{
	char path[sizeof(FOLDER) + sizeof(((struct utsname *)0)->release) + 32];
	char file[64], line[4096];
	bool found = false;
	FILE *stream;

	(void)snprintf(path, sizeof(path), FOLDER "/%s/%s", release, list);
	(void)snprintf(file, sizeof(file), "/%s.ko", module);
	stream = fopen(path, "re");
	while (stream && !found && fgets(line, sizeof(line), stream))
		found = strstr(line, file) != NULL;
	if (stream)
		(void)fclose(stream);
	return found;
}

static bool has_module(const char *release, const char *module)
{
	char loaded[64];

	(void)snprintf(loaded, sizeof(loaded), "/sys/module/%s", module);
	return access(loaded, F_OK) == 0 || lists(release, "modules.builtin", module) ||
	       lists(release, "modules.dep", module);
}

/* How this distribution installs modules that it leaves out of small systems. */
static const char *modules_remedy(void)
{
	if (access("/usr/bin/apt-get", X_OK) == 0)
		return "apt-get install linux-modules-extra-$(uname -r)";
	if (access("/usr/bin/dnf", X_OK) == 0)
		return "dnf install kernel-modules-$(uname -r) kernel-modules-extra-$(uname -r)";
	return NULL;
}

/* Whether a network of the configuration is on several hosts. */
static bool has_hosts(void)
{
	struct config_errors errors = { 0 };
	struct config *config = config_load(CONFIG_FILE, false, &errors);
	bool has = false;

	for (size_t i = 0; config && i < config->n_networks; i++)
		has = has || config->networks[i]->vxlan.vni;
	config_errors_clear(&errors);
	config_free(config);
	return has;
}

void check_modules(void)
{
	const size_t n = has_hosts() ? N_MODULES : N_MODULES - N_FOR_SEVERAL;
	char missing[32 * N_MODULES] = "";
	char folder[sizeof(FOLDER) + sizeof(((struct utsname *)0)->release) + 1];
	struct utsname kernel;

	if (uname(&kernel) < 0)
		return;
	(void)snprintf(folder, sizeof(folder), FOLDER "/%s", kernel.release);
	if (access(folder, F_OK) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (has_module(kernel.release, modules[i]))
			continue;
		if (missing[0])
			strcat(missing, ", ");
		strcat(missing, modules[i]);
	}
	if (missing[0])
		doctor_problem(modules_remedy(),
			       "the kernel has no %s, which networks are made with", missing);
}
