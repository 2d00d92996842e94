/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests over libnl, with the kernel's errno kept: libnl's own codes fold several into one,
 * and people are told what the kernel said.
 */
#include "netlink_socket.h"

#include <errno.h>
#include <netlink/netlink.h>
#include <pthread.h>
#include <stdatomic.h>

/* A table that changes faster than it can be read so often is not worth more tries. */
#define DUMP_TRIES 16

static _Thread_local struct {
	struct nl_sock *socket;
	int kernel_error; /* what the kernel answered the request under way */
	int (*each)(const struct nlmsghdr *message, void *userdata); /* who gets its objects */
	void *userdata;
	int each_result;
} netlink;

/* The sockets' addresses, by which notifications say whose request they come of. */
static atomic_uint own_ports[NETLINK_THREADS_MAX];

static pthread_key_t at_thread_end;

static int on_error(struct sockaddr_nl *address, struct nlmsgerr *error, void *userdata)
{
	(void)address;
	(void)userdata;
	netlink.kernel_error = error->error;
	return NL_STOP;
}

static int on_valid(struct nl_msg *message, void *userdata)
{
	(void)userdata;
	if (netlink.each && netlink.each_result == 0)
		netlink.each_result = netlink.each(nlmsg_hdr(message), netlink.userdata);
	return NL_OK;
}

static int local_error(int libnl_error)
{
	switch (libnl_error) {
	case -NLE_NOMEM:
		return -ENOMEM;
	case -NLE_DUMP_INTR:
		return -EINTR;
	case -NLE_PERM:
	case -NLE_NOACCESS:
		return -EPERM;
	default:
		return -EIO;
	}
}

static void on_thread_end(void *unused)
{
	(void)unused;
	netlink_close();
}

static void make_key(void)
{
	/* Without one the end of the process closes what is open. */
	(void)pthread_key_create(&at_thread_end, on_thread_end);
}

/* Each thread has a place. */
static void note_socket(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static atomic_uint n_threads;
	static _Thread_local unsigned int place;

	if (!place)
		place = atomic_fetch_add(&n_threads, 1) % NETLINK_THREADS_MAX + 1;
	own_ports[place - 1] = nl_socket_get_local_port(netlink.socket);
	(void)pthread_once(&once, make_key);
	(void)pthread_setspecific(at_thread_end, &netlink);
}

int netlink_connect(struct nl_sock **socket, int protocol)
{
	int result;

	*socket = nl_socket_alloc();
	if (!*socket)
		return -NLE_NOMEM;
	nl_socket_disable_msg_peek(*socket);
	result = nl_socket_set_msg_buf_size(*socket, NETLINK_MESSAGE_MAX);
	if (result == 0)
		result = nl_connect(*socket, protocol);
	if (result < 0) {
		nl_socket_free(*socket);
		*socket = NULL;
	}
	return result;
}

int netlink_open(void)
{
	int result = netlink_connect(&netlink.socket, NETLINK_ROUTE);

	if (result < 0)
		return local_error(result);
	note_socket();
	/* Each request gets one answer: the object that it asks for, or an acknowledgement. */
	nl_socket_disable_auto_ack(netlink.socket);
	nl_socket_modify_err_cb(netlink.socket, NL_CB_CUSTOM, on_error, NULL);
	nl_socket_modify_cb(netlink.socket, NL_CB_VALID, NL_CB_CUSTOM, on_valid, NULL);
	return 0;
}

/* Also in the midst of work: a socket that got out of step is opened anew when it is needed. */
void netlink_close(void)
{
	nl_socket_free(netlink.socket);
	netlink.socket = NULL;
}

int netlink_fd(void)
{
	if (!netlink.socket && netlink_open() < 0)
		return -1;
	return nl_socket_get_fd(netlink.socket);
}

bool netlink_is_own(const struct nlmsghdr *message)
{
	for (size_t i = 0; i < NETLINK_THREADS_MAX; i++)
		if (message->nlmsg_pid == own_ports[i])
			return message->nlmsg_pid != 0;
	return false;
}

/* Gets the socket ready for a request. */
static int begin(int (*each)(const struct nlmsghdr *, void *), void *userdata)
{
	netlink.kernel_error = 0;
	netlink.each = each;
	netlink.userdata = userdata;
	netlink.each_result = 0;
	return netlink.socket ? 0 : netlink_open();
}

static int end(int libnl_result)
{
	netlink.each = NULL;
	if (netlink.kernel_error < 0)
		return netlink.kernel_error;
	if (libnl_result < 0) {
		/* What is left of the answer must not be mistaken for the next one. */
		netlink_close();
		return local_error(libnl_result);
	}
	return netlink.each_result;
}

static int transact(struct nl_msg *message, int (*each)(const struct nlmsghdr *, void *),
		    void *userdata)
{
	int result = begin(each, userdata);

	if (result < 0)
		return result;
	result = nl_send_auto(netlink.socket, message);
	if (result >= 0)
		result = nl_recvmsgs_default(netlink.socket);
	return end(result);
}

int netlink_query(struct nl_msg *message, int (*each)(const struct nlmsghdr *, void *),
		  void *userdata)
{
	int result = message ? transact(message, each, userdata) : -ENOMEM;

	nlmsg_free(message);
	return result;
}

int netlink_request(struct nl_msg *message)
{
	if (message)
		nlmsg_hdr(message)->nlmsg_flags |= NLM_F_ACK;
	return netlink_query(message, NULL, NULL);
}

static int dump_once(const struct netlink_dump *dump)
{
	int result = begin(dump->each, dump->userdata);

	if (result < 0)
		return result;
	if (dump->begin)
		dump->begin(dump->userdata);
	result = nl_send_simple(netlink.socket, dump->type, NLM_F_DUMP, (void *)dump->header,
				dump->size);
	if (result >= 0)
		result = nl_recvmsgs_default(netlink.socket);
	return end(result);
}

int netlink_dump(const struct netlink_dump *dump)
{
	int result = -EINTR;

	for (int i = 0; i < DUMP_TRIES && result == -EINTR; i++)
		result = dump_once(dump);
	return result;
}
