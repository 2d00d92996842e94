/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares a server's count of context switches, while datagrams wait. One that is stopped, or
 * waits for something that does not come, never sleeps anew; one that is only slow does sleep, or
 * is put to sleep by the kernel, and its count grows.
 */
#include "liveness.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "process.h"

#define DNS_PORT 53
#define DHCP_SERVER_PORT 67

struct question {
	struct nlmsghdr header;
	struct inet_diag_req_v2 socket;
};

struct answer {
	struct nlmsghdr header;
	struct inet_diag_msg socket;
};

/* Adds up the lines of a file of /proc whose names end in suffix. Returns how many there are. */
static int add_up(const char *path, const char *suffix, unsigned long *sum)
{
	FILE *file = fopen(path, "re");
	unsigned long value;
	char line[256];
	char name[64];
	int n = 0;

	*sum = 0;
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		size_t length;

		if (sscanf(line, "%63[^:]: %lu", name, &value) != 2)
			continue;
		length = strlen(name);
		if (length < strlen(suffix) || strcmp(name + length - strlen(suffix), suffix) != 0)
			continue;
		*sum += value;
		n++;
	}
	(void)fclose(file);
	return n;
}

/* Returns whether it could be found out. */
static bool count_switches(int pidfd, unsigned long *switches)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)dnsmasq_process_id(pidfd));
	return add_up(path, "_ctxt_switches", switches) == 2;
}

static bool ask(int fd, const struct question *question, struct answer *answer)
{
	ssize_t n;

	if (send(fd, question, sizeof(*question), 0) < 0)
		return false;
	/* The kernel has answered by now. */
	n = recv(fd, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
	return n >= (ssize_t)sizeof(*answer) && answer->header.nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

/* Whether the socket that gets what comes to an address on a device has something unread. */
static bool has_unread(int fd, int device, struct in_addr address, uint16_t port)
{
	struct question question = {
		.header = { .nlmsg_len = sizeof(question),
			    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			    .nlmsg_flags = NLM_F_REQUEST },
		.socket = { .sdiag_family = AF_INET,
			    .sdiag_protocol = IPPROTO_UDP,
			    .idiag_states = ~0U,
			    .id = { .idiag_dport = htons(port),
				    .idiag_dst = { address.s_addr },
				    .idiag_if = (uint32_t)device,
				    .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } },
	};
	struct answer answer;

	return ask(fd, &question, &answer) && answer.socket.idiag_rqueue > 0;
}

bool liveness_is_lost(struct liveness *liveness, int pidfd, int bridge, struct in_addr address)
{
	const struct in_addr everybody = { .s_addr = INADDR_BROADCAST };
	unsigned long before = liveness->switches;
	bool unread;
	int fd;

	if (!count_switches(pidfd, &liveness->switches) || liveness->switches != before)
		return false;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return false;
	unread = has_unread(fd, bridge, everybody, DHCP_SERVER_PORT) ||
		 has_unread(fd, bridge, address, DNS_PORT);
	(void)close(fd);
	return unread;
}
