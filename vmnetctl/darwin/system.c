/* SPDX-License-Identifier: Apache-2.0 */
/* The small differences of macOS: the broker's service, signals, descriptors. */
#include "vmnetctl/system.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "installed.h"
#include "vmnetctl/text.h"
#include "vmnetctl/vmnetctl.h"

const struct subcommand system_subcommands[] = { { 0 } };

/* There is no descriptor to wait for, and a second is soon enough to hear of it. */
#define WATCH_INTERVAL 1000

void complain_of_no_broker(int error)
{
	if (error == EACCES || error == EPERM)
		complain("permission denied: launchd does not let you reach the service %s",
			 vmnet_broker_address());
	else
		complain("no broker: launchd knows no service %s; load it with "
			 "\"sudo launchctl bootstrap system " SERVICE_PLIST "\", or see "
			 "\"vmnetctl doctor\" why that fails",
			 vmnet_broker_address());
}

int watch_broker(struct vmnet_broker *broker, struct watch *watch)
{
	vmnet_broker_return_t status = vmnet_broker_monitor(broker);

	*watch = (struct watch){
		.broker = broker,
		.descriptor = -1,
		.interval = WATCH_INTERVAL,
	};
	if (status == VMNET_BROKER_SUCCESS)
		return 0;
	(void)complain_of(broker, status);
	return -1;
}

/* Its events come by a thread of XPC's. */
int monitor_descriptor(struct vmnet_broker *broker)
{
	(void)broker;
	return -1;
}

/* Its networks went with it. */
void keep_broker(struct vmnet_broker *broker)
{
	(void)broker;
}

/* Events come until there is none, or they end. */
bool broker_has_gone(struct vmnet_broker *broker)
{
	struct vmnet_broker_event *event;
	vmnet_broker_return_t status;

	do {
		status = vmnet_broker_next_event(broker, 0, &event);
		if (status != VMNET_BROKER_SUCCESS)
			return true;
		vmnet_broker_event_free(event);
	} while (event);
	return false;
}

bool is_from_terminal(const siginfo_t *info)
{
	return info->si_pid == 0;
}

/* There it is root's. */
const char *why_unreadable(const char *path)
{
	(void)path;
	return NULL;
}

int inherit_only(const int *fds, size_t n)
{
	int limit = getdtablesize();

	for (int fd = STDERR_FILENO + 1; fd < limit; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && errno != EBADF)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		if (fcntl(fds[i], F_SETFD, 0) < 0)
			return -1;
	}
	return 0;
}
