/* SPDX-License-Identifier: Apache-2.0 */
/* The small differences of Linux: the broker's socket, signals, descriptors. */
#include "vmnetctl/system.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmnetctl/text.h"

static bool networks_were_ended;

static void complain_of_socket_permission(const char *path)
{
	const struct passwd *owner;
	const struct group *group;
	struct stat status;

	if (stat(path, &status) < 0) {
		complain("permission denied: you may not look for the broker's socket %s", path);
		return;
	}
	owner = getpwuid(status.st_uid);
	group = getgrgid(status.st_gid);
	complain("permission denied: the broker's socket %s has mode %04o, owner %s and group %s",
		 path, (unsigned int)status.st_mode & 07777U, owner ? owner->pw_name : "unknown",
		 group ? group->gr_name : "unknown");
}

void complain_of_no_broker(int error)
{
	const char *path = vmnet_broker_address();
	const char *variable = getenv("VMNET_BROKER_SOCKET");

	if (error == EACCES || error == EPERM)
		complain_of_socket_permission(path);
	else if (variable && variable[0] != '\0')
		complain("no broker at %s (from VMNET_BROKER_SOCKET): %s; start one with "
			 "\"vmnet-broker --socket %s\"",
			 path, strerror(error), path);
	else
		complain("no broker at %s: %s; start one with "
			 "\"systemctl start vmnet-broker.socket\"",
			 path, strerror(error));
}

int watch_broker(struct vmnet_broker *broker, struct watch *watch)
{
	*watch = (struct watch){
		.broker = broker,
		.descriptor = vmnet_broker_fd(broker),
		.interval = -1,
	};
	return 0;
}

int monitor_descriptor(struct vmnet_broker *broker)
{
	if (vmnet_broker_monitor(broker) != VMNET_BROKER_SUCCESS)
		return -1;
	return vmnet_broker_fd(broker);
}

void keep_broker(struct vmnet_broker *broker)
{
	vmnet_broker_set_reconnect(broker, true);
}

/* Nobody but a broker that goes makes the descriptor readable. Any call finds another one. */
bool broker_has_gone(struct vmnet_broker *broker)
{
	struct vmnet_broker_network **networks;
	size_t n_networks;
	vmnet_broker_return_t status = vmnet_broker_list(broker, &networks, &n_networks);

	networks_were_ended = status == VMNET_BROKER_ENDED;
	if (status != VMNET_BROKER_SUCCESS)
		return true;
	vmnet_broker_networks_free(networks, n_networks);
	puts("The broker was started again; what was held is held again.");
	(void)fflush(stdout);
	return false;
}

/* Somebody who has ended the network is no broker that has gone. */
const char *why_gone(const struct vmnet_broker *broker)
{
	return networks_were_ended ? vmnet_broker_error(broker)
				   : "the broker has gone; the machine keeps its network";
}

bool is_from_terminal(const siginfo_t *info)
{
	return info->si_code == SI_KERNEL;
}

/* As a service it has a user of its own, who is not in root's group. */
const char *why_unreadable(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0 || (status.st_mode & S_IROTH) != 0 ||
	    (status.st_gid != 0 && (status.st_mode & S_IRGRP) != 0))
		return NULL;
	return "can be read by root only, which the broker is not; chmod it to 0644";
}

int inherit_only(const int *fds, size_t n)
{
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (fcntl(fds[i], F_SETFD, 0) < 0)
			return -1;
	}
	return 0;
}
