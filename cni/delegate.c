/* SPDX-License-Identifier: Apache-2.0 */
/* CNI's own plugin "bridge", which makes the container's device a port of the network's bridge. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "cni.h"

#define OUTPUT_MAX (1U << 20)

/* The bridge's address and the way out are the broker's. */
static json_t *bridge_config(const struct call *call, const struct held *held)
{
	json_t *own = json_pack("{s:s, s:b, s:b, s:b}", "type", "bridge", "isGateway", 0,
				"isDefaultGateway", 0, "ipMasq", 0);
	json_t *config = json_pack("{s:{s:s}}", "ipam", "type", "dhcp");

	if (held && held->mtu)
		(void)json_object_set_new(config, "mtu", json_integer(held->mtu));
	(void)json_object_update(config, call->config);
	(void)json_object_update(config, own);
	(void)json_object_del(config, "network");
	if (held)
		(void)json_object_set_new(config, "bridge", json_string(held->bridge));
	json_decref(own);
	return config;
}

bool delegate_find(struct call *call, const char *path)
{
	const int size = sizeof(call->plugin);

	for (const char *folder = path ? path : ""; *folder; folder += *folder == ':') {
		int length = (int)strcspn(folder, ":");

		if (snprintf(call->plugin, sizeof(call->plugin), "%.*s/bridge", length, folder) <
			    size &&
		    access(call->plugin, X_OK) == 0)
			return true;
		folder += length;
	}
	(void)fail(call, CNI_NOT_AVAILABLE, "install the plugins that CNI itself has",
		   "no plugin \"bridge\" for network %s in CNI_PATH, %s", call->network,
		   path ? path : "which is not set");
	return false;
}

/* In the new process. */
static _Noreturn void execute(const char *file, const char *command, int input, int output)
{
	char *const argv[] = { (char *)file, NULL };

	if (setenv("CNI_COMMAND", command, 1) == 0 && dup2(input, STDIN_FILENO) >= 0 &&
	    dup2(output, STDOUT_FILENO) >= 0)
		(void)execv(file, argv);
	perror(file);
	_exit(EXIT_FAILURE);
}

static int run(const char *file, const char *command, int input, char **output)
{
	int result = memfd_create("output", MFD_CLOEXEC);
	int status = -1;
	size_t length;
	pid_t pid = result < 0 ? -1 : fork();

	if (pid == 0)
		execute(file, command, input, result);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && lseek(result, 0, SEEK_SET) == 0)
		*output = file_read_open(result, OUTPUT_MAX, &length);
	if (result >= 0)
		(void)close(result);
	return status;
}

int delegate(const struct call *call, const char *command, const struct held *held, char **output)
{
	json_t *config = bridge_config(call, held);
	int input = memfd_create("input", MFD_CLOEXEC);
	int status = -1;

	*output = NULL;
	if (input >= 0 && json_dumpfd(config, input, 0) == 0 && lseek(input, 0, SEEK_SET) == 0)
		status = run(call->plugin, command, input, output);
	if (input >= 0)
		(void)close(input);
	json_decref(config);
	if (!*output)
		return fail(call, CNI_IO_FAILURE, "", "cannot run %s for network %s: %s",
			    call->plugin, call->network, strerror(errno));
	return status == 0 ? 0 : EXIT_FAILURE;
}
