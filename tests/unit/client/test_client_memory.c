/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker when memory is short: every allocation of each call fails
 * once, in turn. The call says so, gives nothing, and leaves nothing open.
 * jansson's own allocations are those of its users: they do not fail here.
 */
#include "tests/unit/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/alloc_double.h"
#include "vmnet-broker.h"

#define NETWORK                                                                                 \
	"{\"configuration\":{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\"," \
	"\"mtu\":1500},\"nextConfiguration\":{},\"state\":{\"ipv4Subnet\":\"192.168.64.0/24\"," \
	"\"mtu\":1500,\"clients\":1,\"interfaces\":1,\"fault\":\"it rains\"}}"
#define INTERFACE                                                                       \
	"{\"device\":\"vmt0\",\"name\":\"web\",\"macAddress\":\"52:54:00:12:34:56\","   \
	"\"portForwarding\":[{\"protocol\":\"tcp\",\"externalPort\":80}],\"mtu\":1500," \
	"\"vnetHeader\":true,\"uid\":8,\"attachedTimestamp\":1}"
#define CLIENT "{\"pid\":7,\"uid\":8,\"command\":\"qemu\"}"
#define LEASE \
	"{\"macAddress\":\"52:54:00:12:34:56\",\"address\":\"192.168.64.2\",\"hostname\":\"db\"}"

static char directory[] = "/tmp/vmnet-broker-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int listener;

static vmnet_broker_return_t acquire(struct vmnet_broker *broker)
{
	struct vmnet_broker_network *network;
	vmnet_broker_return_t status;

	vmnet_broker_set_reconnect(broker, true); /* the hold is kept in mind, too */
	status = vmnet_broker_acquire(broker, "lab", &network);
	assert_int_equal(!network, status != VMNET_BROKER_SUCCESS);
	vmnet_broker_network_free(network);
	return status;
}

static vmnet_broker_return_t list(struct vmnet_broker *broker)
{
	struct vmnet_broker_network **networks;
	size_t n;
	vmnet_broker_return_t status = vmnet_broker_list(broker, &networks, &n);

	assert_int_equal(n, status == VMNET_BROKER_SUCCESS ? 2 : 0);
	vmnet_broker_networks_free(networks, n);
	return status;
}

static vmnet_broker_return_t inspect(struct vmnet_broker *broker)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, "lab", &inspection);

	assert_int_equal(!inspection, status != VMNET_BROKER_SUCCESS);
	vmnet_broker_inspection_free(inspection);
	return status;
}

static vmnet_broker_return_t attach(struct vmnet_broker *broker)
{
	struct vmnet_broker_attachment *attachment;
	vmnet_broker_return_t status = vmnet_broker_attach(broker, "lab", NULL, &attachment);

	assert_int_equal(!attachment, status != VMNET_BROKER_SUCCESS);
	vmnet_broker_attachment_free(attachment);
	return status;
}

static vmnet_broker_return_t monitor(struct vmnet_broker *broker)
{
	struct vmnet_broker_event *event = NULL;
	vmnet_broker_return_t status = vmnet_broker_monitor(broker);

	if (status == VMNET_BROKER_SUCCESS)
		status = vmnet_broker_next_event(broker, -1, &event);
	assert_int_equal(!event, status != VMNET_BROKER_SUCCESS);
	vmnet_broker_event_free(event);
	return status;
}

static const struct {
	vmnet_broker_return_t (*call)(struct vmnet_broker *broker);
	const char *replies; /* each ended by a NUL */
	size_t size;
	size_t n_fds;
} calls[] = {
#define CALL(function, replies, n_fds)                    \
	{                                                 \
		function, replies, sizeof(replies), n_fds \
	}
	CALL(acquire, "{\"parameters\":" NETWORK "}", 0),
	CALL(list, "{\"continues\":true,\"parameters\":" NETWORK "}\0{\"parameters\":" NETWORK "}",
	     0),
	CALL(inspect,
	     "{\"parameters\":" NETWORK "}\0{\"parameters\":{\"client\":" CLIENT
	     "}}\0{\"parameters\":{\"interface\":" INTERFACE "}}\0{\"parameters\":{\"lease\":" LEASE
	     "}}",
	     0),
	CALL(attach,
	     "{\"parameters\":{\"interface\":" INTERFACE
	     ",\"tapFileDescriptors\":[0],\"vhostFileDescriptors\":[]}}",
	     1),
	CALL(monitor,
	     "{}\0{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"lease_added\","
	     "\"network\":\"lab\",\"lease\":" LEASE ",\"client\":" CLIENT
	     ",\"interface\":" INTERFACE "}}}",
	     0),
};

/* The broker's words, and the listening socket as a descriptor where one comes along. */
static void say(int fd, const char *text, size_t size, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control);
		CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &listener, sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &header, MSG_NOSIGNAL), size);
}

/* Connects and makes the call with its n-th allocation failing. Returns whether it did. */
static bool call_fails(size_t which, unsigned int n)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker;
	bool failed;
	int server;

	alloc_double_fail(n);
	broker = vmnet_broker_connect(&status);
	if (!broker) {
		assert_int_equal(status, VMNET_BROKER_INTERNAL_ERROR);
		assert_true(alloc_double_failed());
		return true;
	}
	server = accept(listener, NULL, NULL);
	say(server, calls[which].replies, calls[which].size, calls[which].n_fds);
	status = calls[which].call(broker);
	failed = alloc_double_failed();
	assert_int_equal(status, failed ? VMNET_BROKER_INTERNAL_ERROR : VMNET_BROKER_SUCCESS);
	vmnet_broker_close(broker);
	close(server);
	return failed;
}

static void test_every_allocation_fails_once(void **state)
{
	int next = dup(0);
	int same;

	(void)state;
	close(next);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		unsigned int n = 1;

		while (call_fails(i, n))
			n++;
		assert_true(n > 5);
	}
	alloc_double_fail(0);
	same = dup(0);
	assert_int_equal(same, next);
	close(same);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	return setenv("VMNET_BROKER_SOCKET", address.sun_path, 1);
}

static int teardown(void **state)
{
	(void)state;
	close(listener);
	unlink(address.sun_path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests_name("client_memory", tests, setup, teardown);
}
