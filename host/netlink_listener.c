/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that hear what the kernel's netlink tells by itself, opened by libnl. */
#include "netlink_listener.h"

#include <errno.h>
#include <sys/socket.h>

#include "netlink_socket.h"

/* A host with many links has them all go at once, and one with many rules has them replaced. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)

/* So many at once. Of what they have room for, most is never touched. */
#define READ_MAX 8
static _Alignas(NLMSG_ALIGNTO) char buffers[READ_MAX][NETLINK_MESSAGE_MAX];

int netlink_listener_open(struct nl_sock **socket, int protocol)
{
	const int size = RECEIVE_BUFFER;
	int result = netlink_connect(socket, protocol);

	/* A smaller one does, too: lost messages are made up for. */
	if (result == 0)
		(void)setsockopt(nl_socket_get_fd(*socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
				 sizeof(size));
	return result;
}

static void take(const struct mmsghdr *received, netlink_listener_function *each)
{
	struct nlmsghdr *message = received->msg_hdr.msg_iov->iov_base;
	int left = (int)received->msg_len;

	for (; nlmsg_ok(message, left); message = nlmsg_next(message, &left))
		each(message);
}

/* Returns how many datagrams it has read, or a negative errno. */
static int read_some(int fd, netlink_listener_function *each)
{
	struct iovec parts[READ_MAX];
	struct mmsghdr received[READ_MAX];
	int n;

	for (int i = 0; i < READ_MAX; i++) {
		parts[i] = (struct iovec){ buffers[i], sizeof(buffers[i]) };
		received[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(fd, received, READ_MAX, MSG_DONTWAIT, NULL);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		take(&received[i], each);
	return n;
}

int netlink_listener_read(const struct nl_sock *socket, netlink_listener_function *each, bool *lost)
{
	int fd = nl_socket_get_fd(socket);
	int n = read_some(fd, each);

	*lost = false;
	while (n == -ENOBUFS || (*lost && n > 0)) {
		*lost = true;
		n = read_some(fd, each);
	}
	if (n == READ_MAX)
		return 0;
	return n < 0 ? n : -EAGAIN;
}
