/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock is the name of an abstract socket, which belongs to the network namespace and goes
 * with its process. Nobody can connect to it, so nothing can be left in it that would have to
 * be closed. Everyone may bind such a name: whose it is the kernel tells by sock_diag(7).
 */
#include "instance_lock.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* How often, and after which time, it is looked again whether another broker is there. */
#define BUSY_TRIES 20
#define BUSY_MSEC 50

/* As the kernel has it: a NUL goes before it, and none behind. */
static const char lock_name[] = "\0" INSTANCE_LOCK_NAME;
#define LOCK_LENGTH (sizeof(lock_name) - 1)

/* One socket of the namespace. userdata: a bool, set when it is the lock, and a broker's. */
static int look_at_socket(struct nl_msg *message, void *userdata)
{
	struct nlmsghdr *header = nlmsg_hdr(message);
	const struct unix_diag_msg *found = nlmsg_data(header);
	struct nlattr *attributes[UNIX_DIAG_MAX + 1];
	const struct nlattr *name;
	uint32_t uid;

	if (nlmsg_parse(header, sizeof(*found), attributes, UNIX_DIAG_MAX, NULL) < 0)
		return NL_SKIP;
	name = attributes[UNIX_DIAG_NAME];
	if (found->udiag_type != SOCK_STREAM || !name || !attributes[UNIX_DIAG_UID] ||
	    nla_len(name) != (int)LOCK_LENGTH ||
	    memcmp(nla_data(name), lock_name, LOCK_LENGTH) != 0)
		return NL_SKIP;
	uid = nla_get_u32(attributes[UNIX_DIAG_UID]);
	if (uid == 0 || uid == geteuid())
		*(bool *)userdata = true;
	return NL_OK;
}

/* Returns 0, or a negative error of libnl. */
static int look_at_sockets(struct nl_sock *socket, bool *held)
{
	struct unix_diag_req request = {
		.sdiag_family = AF_UNIX,
		.udiag_states = UINT32_MAX,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_UID,
	};
	int result = nl_connect(socket, NETLINK_SOCK_DIAG);

	if (result < 0)
		return result;
	result = nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, look_at_socket, held);
	if (result < 0)
		return result;
	result = nl_send_simple(socket, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request));
	return result < 0 ? result : nl_recvmsgs_default(socket);
}

/* A broker is root's or the service user's. */
static bool is_held_by_broker(const char **unknown)
{
	struct nl_sock *socket = nl_socket_alloc();
	bool held = false;
	int result = socket ? look_at_sockets(socket, &held) : -NLE_NOMEM;

	*unknown = result < 0 ? nl_geterror(result) : NULL;
	nl_socket_free(socket);
	return held;
}

/*
 * Returns 0 or the errno of bind(). A broker that was killed may have been
 * about to start a program, which has the broker's sockets until then.
 */
static int bind_lock(int fd, const char **unknown)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = offsetof(struct sockaddr_un, sun_path) + LOCK_LENGTH;

	memcpy(address.sun_path, lock_name, LOCK_LENGTH);
	for (unsigned int tries = 1;; tries++) {
		if (bind(fd, (const struct sockaddr *)&address, length) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return errno;
		if (!is_held_by_broker(unknown))
			return EADDRINUSE;
		if (tries == BUSY_TRIES)
			return EBUSY;
		(void)poll(NULL, 0, BUSY_MSEC);
	}
}

int instance_lock_claim(const char **unknown)
{
	/* Never listened at, and never closed: the name goes with the process. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error;

	*unknown = NULL;
	error = fd < 0 ? errno : bind_lock(fd, unknown);
	if (error != 0 && fd >= 0)
		(void)close(fd);
	return -error;
}
