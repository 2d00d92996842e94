/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that is preloaded into dnsmasq, so that it runs without any capability, tells when it
 * serves, hears of its own bridge alone, and has a clock that nobody sets. No part of the broker's
 * process.
 *
 * dnsmasq asks by capget() whether it has those that it may want later: when it
 * has made all of its sockets, and before it reads the first packet. It wants
 * CAP_NET_ADMIN to write into the host's ARP table, which it never does when it
 * broadcasts its answers (dhcp-broadcast), and the others for sockets that it
 * has by then. So that is the time to give up what it has for good, and to say
 * that nothing is missing. What it goes on to do without fails as it does for
 * any user.
 *
 * A NUL byte on standard error then tells who has started it that nothing keeps it from
 * serving. If standard input is a pipe, it waits there for leave to do so, which is a byte:
 * the filters may not be there yet. Its end means that nobody wants it any more.
 *
 * At each address and route that comes or goes anywhere on the host it would look at all
 * interfaces anew, and the dnsmasqs of all networks at once: those of other networks' bridges
 * are most of them, and mean nothing to it.
 *
 * Not found by a dnsmasq that is linked statically: that one does not start.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int capget(cap_user_header_t header, cap_user_data_t data);

/* From the first on: others of its user do not see into it. */
__attribute__((constructor)) static void start(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/* It has a dozen, and by then all. */
#define DESCRIPTORS_MAX 64

static int socket_option(int fd, int option)
{
	socklen_t size = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? 0 : value;
}

/* The index of what its socket for DHCP is bound to; 0 without one. */
static uint32_t find_bridge(void)
{
	int index = 0;

	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX && index <= 0; fd++)
		index = socket_option(fd, SO_BINDTOIFINDEX);
	return (uint32_t)index;
}

#define LOAD(size, offset) BPF_STMT(BPF_LD | (size) | BPF_ABS, (uint32_t)(offset))
#define IF_EQUAL(value, then, other) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, other)

/* What it has asked for it gets: the answers are in parts. All is in the host's byte order. */
static void hear_of(uint32_t bridge, int fd)
{
	struct sock_filter instructions[] = {
		LOAD(BPF_H, offsetof(struct nlmsghdr, nlmsg_flags)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, htons(NLM_F_MULTI), 9, 0),
		LOAD(BPF_H, offsetof(struct nlmsghdr, nlmsg_type)),
		IF_EQUAL(htons(RTM_NEWADDR), 3, 0),
		IF_EQUAL(htons(RTM_DELADDR), 2, 0),
		IF_EQUAL(htons(RTM_NEWROUTE), 3, 0),
		IF_EQUAL(htons(RTM_DELROUTE), 2, 4),
		LOAD(BPF_W, NLMSG_HDRLEN + offsetof(struct ifaddrmsg, ifa_index)),
		IF_EQUAL(htonl(bridge), 2, 3),
		/* Of routes, those to the outside: questions that were not answered are asked anew. */
		LOAD(BPF_B, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_dst_len)),
		IF_EQUAL(0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {
		.len = sizeof(instructions) / sizeof(instructions[0]),
		.filter = instructions,
	};

	/* Without it, it hears more. */
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static void hear_of_bridge_alone(void)
{
	uint32_t bridge = find_bridge();

	for (int fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX && bridge > 0; fd++)
		if (socket_option(fd, SO_DOMAIN) == AF_NETLINK)
			hear_of(bridge, fd);
}

static int give_up_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return (int)syscall(SYS_capset, &header, none);
}

static bool may_serve(void)
{
	struct stat status;
	ssize_t n;
	char leave;

	if (fstat(STDIN_FILENO, &status) < 0 || !S_ISFIFO(status.st_mode))
		return true;
	do
		n = read(STDIN_FILENO, &leave, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

__attribute__((visibility("default"))) int capget(cap_user_header_t header, cap_user_data_t data)
{
	/* Asked for the version that the kernel has. */
	if (!data)
		return (int)syscall(SYS_capget, header, data);
	hear_of_bridge_alone();
	/* One that serves DNS alone wants none, and would go on without. */
	if (give_up_capabilities() < 0 || write(STDERR_FILENO, "", 1) != 1 || !may_serve())
		_exit(EXIT_FAILURE);
	data->permitted |= 1U << CAP_NET_ADMIN | 1U << CAP_NET_BIND_SERVICE | 1U << CAP_NET_RAW;
	return 0;
}

/*
 * What leases end by, and nothing else that is of account. It goes on evenly whatever is done to
 * the time of day, and stands still while the host sleeps, as its machines do.
 */
__attribute__((visibility("default"))) time_t time(time_t *result)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
