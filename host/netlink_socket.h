/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the kernel's rtnetlink, and its answers. Each thread that asks has a socket of
 * its own: the workers, and the policy's, which asks for no more than names once they run, and puts
 * back at once what others take away (network/vxlan.c). What the kernel tells by itself is heard
 * by other sockets (netlink_listener.h).
 */
#ifndef VMNET_HOST_NETLINK_SOCKET_H
#define VMNET_HOST_NETLINK_SOCKET_H

#include <netlink/msg.h>
#include <stdbool.h>

/* The kernel sends no more at once: room for it saves asking for the size each time. */
#define NETLINK_MESSAGE_MAX 32768

/*
 * A socket of the caller's own, with room for the largest message. protocol: NETLINK_ROUTE and the
 * like. *socket: nl_socket_free() ends it; NULL when this fails. Returns 0 or a negative code of
 * libnl's: NLE_NOMEM, or what nl_connect() fails with.
 */
int netlink_connect(struct nl_sock **socket, int protocol);

/* The policy's, and the workers. */
#define NETLINK_THREADS_MAX 3

/* All return 0 or a negative errno (the kernel's own, where it answered). */

int netlink_open(void);
void netlink_close(void);

/* The socket, for ioctl(): of links, any will do. -1 when there is none to be had. */
int netlink_fd(void);

/* Whether a notification is of something that was requested here. On any thread. */
bool netlink_is_own(const struct nlmsghdr *message);

/* Sends a request that nlmsg_alloc_simple() made, frees it, and waits for the answer. */
int netlink_request(struct nl_msg *message);

/* Those that are sent together. NULL among them stands for one for which memory was short. */
struct netlink_requests {
	struct nl_msg *messages[8];
	size_t n;
	const struct nl_msg *may_exist; /* NULL, or the one that -EEXIST is no refusal of */
};

/*
 * The same for all of them, by asking the kernel once; when one is NULL none is sent. The kernel
 * does each in its order, also behind one that it refuses: the first refusal is what is returned.
 */
int netlink_request_all(const struct netlink_requests *requests);

/*
 * The same for a request that is answered with one object: each() gets it. Its
 * negative return value is returned.
 */
int netlink_query(struct nl_msg *message, int (*each)(const struct nlmsghdr *, void *userdata),
		  void *userdata);

/*
 * Calls each() with every object of a kind: type is RTM_GETLINK and the like,
 * header the request's own (struct ifinfomsg for links, say), of size bytes.
 * When the kernel's tables change meanwhile it starts over: begin() is called
 * before each start, so that what was gathered can be forgotten. A negative
 * return value of each() ends it and is returned.
 */
struct netlink_dump {
	int type;
	const void *header;
	size_t size;
	void (*begin)(void *userdata);
	int (*each)(const struct nlmsghdr *message, void *userdata);
	void *userdata;
};

int netlink_dump(const struct netlink_dump *dump);

/*
 * Those of a dump that are wanted, in an array: type, header and size as above. parse() reads a
 * message into an item of item_size bytes, and returns whether it is one.
 */
struct netlink_list {
	int type;
	const void *header;
	size_t size;
	size_t item_size;
	bool (*parse)(const struct nlmsghdr *message, void *item, const void *userdata);
	const void *userdata;
};

/* *items: gets an array of *n, for the caller to free. Returns 0 or a negative errno. */
int netlink_list(const struct netlink_list *list, void **items, size_t *n);

#endif
