/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that hear what the kernel's netlink tells by itself, over libnl. */
#include "netlink_listener.h"

#include <sys/socket.h>

#include "netlink_socket.h"

/* A host with many links has them all go at once, and one with many rules has them replaced. */
#define RECEIVE_BUFFER (4 * 1024 * 1024)

#define READ_MAX 4

int netlink_listener_open(struct nl_sock **socket, int protocol, nl_recvmsg_msg_cb_t each)
{
	const int size = RECEIVE_BUFFER;
	int result = netlink_connect(socket, protocol);

	if (result < 0)
		return result;
	nl_socket_disable_seq_check(*socket);
	nl_socket_modify_cb(*socket, NL_CB_VALID, NL_CB_CUSTOM, each, NULL);
	result = nl_socket_set_nonblocking(*socket);
	/* A smaller one does, too: lost messages are made up for. */
	if (result == 0)
		(void)setsockopt(nl_socket_get_fd(*socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
				 sizeof(size));
	return result;
}

int netlink_listener_read(struct nl_sock *socket, bool *lost)
{
	int result = 0;

	*lost = false;
	for (int i = 0; i < READ_MAX && result >= 0; i++)
		result = nl_recvmsgs_default(socket);
	/* So libnl says that some were lost: it has no code of its own for that. */
	while (result == -NLE_NOMEM || (*lost && result >= 0)) {
		*lost = true;
		result = nl_recvmsgs_default(socket);
	}
	return result;
}
