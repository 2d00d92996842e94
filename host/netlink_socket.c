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

#include "base/array.h"

/* A table that changes faster than it can be read so often is not worth more tries. */
#define DUMP_TRIES 16

static _Thread_local struct {
	struct nl_sock *socket;
	int kernel_error; /* what the kernel answered the request under way, the first of several */
	uint32_t may_exist; /* the request that -EEXIST is no error of, or 0 */
	uint32_t answered; /* the last request of which something came */
	int (*each)(const struct nlmsghdr *message, void *userdata); /* who gets its objects */
	void *userdata;
	int each_result;
} netlink;

/* The sockets' addresses, by which notifications say whose request they come of. */
static atomic_uint own_ports[NETLINK_THREADS_MAX];

static pthread_key_t at_thread_end;

static int on_error(struct sockaddr_nl *address, struct nlmsgerr *error, void *userdata)
{
	const bool exists = error->error == -EEXIST && error->msg.nlmsg_seq == netlink.may_exist;

	(void)address;
	(void)userdata;
	if (netlink.kernel_error == 0 && !exists)
		netlink.kernel_error = error->error;
	return exists ? NL_SKIP : NL_STOP;
}

static int on_any(struct nl_msg *message, void *userdata)
{
	(void)userdata;
	netlink.answered = nlmsg_hdr(message)->nlmsg_seq;
	return NL_OK;
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
	/* What gets an answer is asked for here: the object, or an acknowledgement. */
	nl_socket_disable_auto_ack(netlink.socket);
	nl_socket_modify_err_cb(netlink.socket, NL_CB_CUSTOM, on_error, NULL);
	nl_socket_modify_cb(netlink.socket, NL_CB_VALID, NL_CB_CUSTOM, on_valid, NULL);
	nl_socket_modify_cb(netlink.socket, NL_CB_MSG_IN, NL_CB_CUSTOM, on_any, NULL);
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
	netlink.may_exist = 0;
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

/* The last of them has an answer in any case, those before it when they are refused. */
static int receive(uint32_t last)
{
	int result = 0;

	do {
		netlink.answered = 0;
		result = nl_recvmsgs_default(netlink.socket);
	} while (netlink.answered && netlink.answered != last);
	if (!netlink.answered)
		netlink_close();
	return result;
}

static int transact(const struct netlink_requests *requests,
		    int (*each)(const struct nlmsghdr *, void *), void *userdata)
{
	struct iovec parts[ARRAY_SIZE(requests->messages)];
	struct nlmsghdr *header = NULL;
	int result = begin(each, userdata);

	if (result < 0)
		return result;
	for (size_t i = 0; i < requests->n; i++) {
		nl_complete_msg(netlink.socket, requests->messages[i]);
		header = nlmsg_hdr(requests->messages[i]);
		if (requests->messages[i] == requests->may_exist)
			netlink.may_exist = header->nlmsg_seq;
		parts[i] = (struct iovec){ .iov_base = header, .iov_len = header->nlmsg_len };
	}
	result = nl_send_iovec(netlink.socket, requests->messages[0], parts,
			       (unsigned int)requests->n);
	if (result >= 0)
		result = receive(header->nlmsg_seq);
	return end(result);
}

/* Frees them, too. */
static int query(const struct netlink_requests *requests,
		 int (*each)(const struct nlmsghdr *, void *), void *userdata)
{
	int result = 0;

	for (size_t i = 0; i < requests->n; i++)
		if (!requests->messages[i])
			result = -ENOMEM;
	if (result == 0)
		result = transact(requests, each, userdata);
	for (size_t i = 0; i < requests->n; i++)
		nlmsg_free(requests->messages[i]);
	return result;
}

int netlink_query(struct nl_msg *message, int (*each)(const struct nlmsghdr *, void *),
		  void *userdata)
{
	return query(&(struct netlink_requests){ { message }, 1, NULL }, each, userdata);
}

int netlink_request_all(const struct netlink_requests *requests)
{
	struct nl_msg *last = requests->messages[requests->n - 1];

	if (last)
		nlmsg_hdr(last)->nlmsg_flags |= NLM_F_ACK;
	return query(requests, NULL, NULL);
}

int netlink_request(struct nl_msg *message)
{
	return netlink_request_all(&(struct netlink_requests){ { message }, 1, NULL });
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

struct gathered {
	const struct netlink_list *list;
	char *items;
	size_t n_items;
};

static void forget_gathered(void *userdata)
{
	((struct gathered *)userdata)->n_items = 0;
}

static int gather(const struct nlmsghdr *message, void *userdata)
{
	struct gathered *gathered = userdata;
	const struct netlink_list *list = gathered->list;
	char *items = array_grow(gathered->items, gathered->n_items, list->item_size);

	if (!items)
		return -ENOMEM;
	gathered->items = items;
	if (list->parse(message, items + gathered->n_items * list->item_size, list->userdata))
		gathered->n_items++;
	return 0;
}

int netlink_list(const struct netlink_list *list, void **items, size_t *n)
{
	struct gathered gathered = { .list = list };
	int result = netlink_dump(&(struct netlink_dump){
		.type = list->type,
		.header = list->header,
		.size = list->size,
		.begin = forget_gathered,
		.each = gather,
		.userdata = &gathered,
	});

	if (result < 0) {
		free(gathered.items);
		return result;
	}
	*items = gathered.items;
	*n = gathered.n_items;
	return 0;
}
