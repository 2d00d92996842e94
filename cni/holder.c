/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that holds a network for a container. It has nothing to tidy up: its hold ends with
 * it, and so does its lock on the record, by which others find it. The kernel says who has a lock,
 * and no number that is written down can become another process's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cni.h"

/* Who waits for the plugin's output waits for the last process that has it open. */
static int detach(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || setsid() < 0 || chdir("/") < 0)
		return -1;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (dup2(null, fd) < 0)
			return -1;
	}
	return close(null);
}

static int lock_record(const struct call *call)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int record;

	(void)mkdir(RECORDS, S_IRWXU);
	record = open(call->record, O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (record >= 0 && fcntl(record, F_SETLK, &lock) == 0)
		return record;
	if (record >= 0 && (errno == EAGAIN || errno == EACCES))
		(void)fail(call, CNI_FAILED, "remove it first, by DEL",
			   "%s of container %s is on network %s already", call->interface,
			   call->container, call->network);
	else
		(void)fail(call, CNI_IO_FAILURE, "a runtime is to run it as root",
			   "cannot write %s for network %s: %s", call->record, call->network,
			   strerror(errno));
	return -1;
}

/* The host's own bridge would be the plugin's: it switches router advertisements off there. */
static int describe(const struct call *call, const struct vmnet_broker_network *network,
		    struct held *held)
{
	if (network->mode == VMNET_BROKER_BRIDGED)
		return fail(call, CNI_INVALID_CONFIGURATION,
			    "CNI has other plugins for it, \"macvlan\" and \"bridge\"",
			    "network %s is the host's own bridge, %s", call->network,
			    network->bridge);
	(void)snprintf(held->bridge, sizeof(held->bridge), "%s", network->bridge);
	held->mtu = network->mtu;
	return 0;
}

static struct vmnet_broker *acquire(const struct call *call, struct held *held)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);
	struct vmnet_broker_network *network;
	int result;

	if (!broker) {
		(void)fail_by_broker(call, NULL, status);
		return NULL;
	}
	vmnet_broker_set_reconnect(broker, true);
	status = vmnet_broker_acquire(broker, call->network, &network);
	if (status == VMNET_BROKER_SUCCESS)
		result = describe(call, network, held);
	else
		result = fail_by_broker(call, broker, status);
	vmnet_broker_network_free(network);
	if (result == 0)
		return broker;
	vmnet_broker_close(broker);
	return NULL;
}

/* The descriptor is readable when the broker has gone. To acquire what is held is no error. */
static _Noreturn void keep(struct vmnet_broker *broker, const char *network)
{
	struct pollfd end = { .fd = vmnet_broker_fd(broker), .events = POLLIN };

	for (;;) {
		(void)poll(&end, 1, -1);
		while (vmnet_broker_acquire(broker, network, NULL) != VMNET_BROKER_SUCCESS)
			(void)sleep(1);
	}
}

/* In the new process, which has no descriptor of the runtime's. */
static _Noreturn void hold(const struct call *call, int pipe)
{
	const int teller = STDERR_FILENO + 1;
	struct held held = { 0 };
	struct vmnet_broker *broker;
	int record;

	(void)prctl(PR_SET_NAME, "vmnet-cni-hold"); /* for those who ask who holds a network */
	if (dup2(pipe, teller) < 0 || close_range(teller + 1, ~0U, 0) < 0)
		exit(fail(call, CNI_IO_FAILURE, "", "cannot hold network %s: %s", call->network,
			  strerror(errno)));
	record = lock_record(call);
	if (record < 0)
		exit(EXIT_FAILURE);
	broker = acquire(call, &held);
	if (broker && ftruncate(record, 0) == 0 && write(record, &held, sizeof(held)) > 0 &&
	    detach() == 0 && write(teller, &held, sizeof(held)) > 0 && close(teller) == 0)
		keep(broker, call->network);
	(void)unlink(call->record);
	exit(EXIT_FAILURE);
}

int holder_start(const struct call *call, struct held *held)
{
	ssize_t told = -1;
	pid_t pid = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == 0) {
		pid = fork();
		if (pid == 0)
			hold(call, ends[1]);
		(void)close(ends[1]);
		told = pid < 0 ? -1 : read(ends[0], held, sizeof(*held));
		(void)close(ends[0]);
	}
	if (pid < 0)
		return fail(call, CNI_IO_FAILURE, "", "cannot hold network %s: %s", call->network,
			    strerror(errno));
	return told == (ssize_t)sizeof(*held) ? 0 : EXIT_FAILURE;
}

static pid_t locker(int record)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(record, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK ? -1 : lock.l_pid;
}

/* Returns a descriptor of the process, or -1. What has the lock still is no other process. */
static int open_holder(int record)
{
	pid_t pid = locker(record);
	int process = pid > 0 ? pidfd_open(pid, 0) : -1;

	if (process >= 0 && locker(record) != pid) {
		(void)close(process);
		return -1;
	}
	return process;
}

bool holder_lives(const struct call *call, struct held *held)
{
	int record = open(call->record, O_RDWR | O_CLOEXEC);
	bool lives = record >= 0 && locker(record) > 0 &&
		     read(record, held, sizeof(*held)) == (ssize_t)sizeof(*held);

	if (record >= 0)
		(void)close(record);
	return lives;
}

void holder_end(const char *path)
{
	int record = open(path, O_RDWR | O_CLOEXEC);
	struct pollfd end = { .fd = record < 0 ? -1 : open_holder(record), .events = POLLIN };

	if (end.fd >= 0) {
		if (pidfd_send_signal(end.fd, SIGKILL, NULL, 0) == 0)
			(void)poll(&end, 1, -1);
		(void)close(end.fd);
	}
	(void)unlink(path);
	if (record >= 0)
		(void)close(record);
}
