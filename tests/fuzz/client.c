/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that says anything to the client library. The first byte of the
 * input is the call, the second the number of descriptors that come along. No
 * descriptor may be left open.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/must.h"
#include "vmnet-broker.h"

/* What fits into the socket before the library reads. */
#define SIZE_MAX_SAID 65536
#define FDS_MAX 40

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[] = "/tmp/vmnet-broker-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener;

static void say(int fd, const uint8_t *data, size_t size, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (n_fds > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
	}
	must(sendmsg(fd, &header, MSG_NOSIGNAL) == (ssize_t)size);
}

static void attach(struct vmnet_broker *broker, bool vhost)
{
	struct vmnet_broker_attach_options options = { .size = sizeof(options), .vhost = vhost };
	struct vmnet_broker_attachment *attachment;

	(void)vmnet_broker_attach(broker, "lab", &options, &attachment);
	vmnet_broker_attachment_free(attachment);
}

static void monitor(struct vmnet_broker *broker)
{
	struct vmnet_broker_event *event = NULL;

	if (vmnet_broker_monitor(broker) != VMNET_BROKER_SUCCESS)
		return;
	while (vmnet_broker_next_event(broker, 0, &event) == VMNET_BROKER_SUCCESS && event)
		vmnet_broker_event_free(event);
}

static void call(struct vmnet_broker *broker, unsigned int which)
{
	struct vmnet_broker_network *network;
	struct vmnet_broker_network **networks;
	struct vmnet_broker_inspection *inspection;
	size_t n;

	switch (which) {
	case 0:
		(void)vmnet_broker_acquire(broker, "lab", &network);
		vmnet_broker_network_free(network);
		break;
	case 1:
		(void)vmnet_broker_list(broker, &networks, &n);
		vmnet_broker_networks_free(networks, n);
		break;
	case 2:
		(void)vmnet_broker_inspect(broker, "lab", &inspection);
		vmnet_broker_inspection_free(inspection);
		break;
	case 3:
	case 4:
		attach(broker, which == 4);
		break;
	case 5:
		monitor(broker);
		break;
	default:
		(void)vmnet_broker_reload(broker);
		break;
	}
}

static void clean_up(void)
{
	unlink(address.sun_path);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	must(mkdtemp(directory));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(listener >= 0);
	must(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	must(listen(listener, 1) == 0);
	atexit(clean_up);
	setenv("VMNET_BROKER_SOCKET", address.sun_path, 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmnet_broker *broker;
	int before = dup(0);
	int after;
	int server;

	close(before);
	if (size < 3 || size > SIZE_MAX_SAID)
		return 0;
	broker = vmnet_broker_connect(NULL);
	must(broker);
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(server >= 0);
	say(server, data + 2, size - 2, data[1] % FDS_MAX);
	/* The end of what it says, not of what it hears. */
	must(shutdown(server, SHUT_WR) == 0);
	call(broker, data[0] % 7);
	must(strlen(vmnet_broker_error(broker)) < SIZE_MAX_SAID + 1024);
	vmnet_broker_close(broker);
	close(server);
	after = dup(0);
	must(after == before);
	close(after);
	return 0;
}
