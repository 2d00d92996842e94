/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction is messages between two that begin and end it, sent at once; the kernel has
 * answered those that it refuses, and no others, by the time they are sent.
 */
#include "nft_batch.h"

#include <endian.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/memstream.h"

/* Adds it, and frees it. NULL: memory is short. */
static void add_message(struct nft_batch *batch, struct nl_msg *message)
{
	static const uint8_t padding[NLMSG_ALIGNTO];
	struct nlmsghdr *header;
	size_t length;

	batch->failed |= !message;
	if (!message)
		return;
	header = nlmsg_hdr(message);
	header->nlmsg_flags |= NLM_F_REQUEST;
	length = header->nlmsg_len;
	(void)fwrite(header, 1, length, batch->file);
	(void)fwrite(padding, 1, NLMSG_ALIGN(length) - length, batch->file);
	nlmsg_free(message);
}

static struct nl_msg *make_message(int type, int flags, struct nfgenmsg header)
{
	struct nl_msg *message = nlmsg_alloc_simple(type, flags);

	header.version = NFNETLINK_V0;
	if (message && nlmsg_append(message, &header, sizeof(header), NLMSG_ALIGNTO) == 0)
		return message;
	nlmsg_free(message);
	return NULL;
}

/* NFNL_MSG_BATCH_BEGIN or _END. */
static void add_bound(struct nft_batch *batch, int type)
{
	add_message(batch, make_message(type, 0,
					(struct nfgenmsg){
						.res_id = htobe16(NFNL_SUBSYS_NFTABLES),
					}));
}

int nft_batch_begin(struct nft_batch *batch)
{
	*batch = (struct nft_batch){ 0 };
	batch->file = open_memstream(&batch->bytes, &batch->size);
	if (!batch->file)
		return -ENOMEM;
	add_bound(batch, NFNL_MSG_BATCH_BEGIN);
	return 0;
}

void nft_batch_add(struct nft_batch *batch, int type, int family,
		   int (*put)(struct nl_msg *message, const void *what), const void *what)
{
	struct nl_msg *message = make_message((NFNL_SUBSYS_NFTABLES << 8) | type, 0,
					      (struct nfgenmsg){
						      .nfgen_family = (uint8_t)family,
					      });

	if (message && put(message, what) < 0) {
		nlmsg_free(message);
		message = NULL;
	}
	add_message(batch, message);
	batch->n_messages++;
}

/* Of more refusals than the socket holds the kernel says so first, and keeps those that came. */
static ssize_t receive(int fd, void *buffer, size_t size, bool *lost)
{
	ssize_t n = recv(fd, buffer, size, MSG_DONTWAIT);

	if (n >= 0 || errno != ENOBUFS)
		return n;
	*lost = true;
	return recv(fd, buffer, size, MSG_DONTWAIT);
}

/* Returns 0, or the first error of the answers that are there. */
static int receive_answers(int fd)
{
	uint8_t buffer[8192];
	bool lost = false;
	int result = 0;
	ssize_t n;

	while ((n = receive(fd, buffer, sizeof(buffer), &lost)) > 0) {
		const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
		int rest = (int)n;

		for (; nlmsg_ok(header, rest); header = nlmsg_next((void *)header, &rest))
			if (header->nlmsg_type == NLMSG_ERROR && result == 0)
				result = ((const struct nlmsgerr *)nlmsg_data(header))->error;
	}
	return lost && result == 0 ? -ENOBUFS : result;
}

/* The socket stays open: to close it waits for transactions. */
static int run(const char *bytes, size_t size)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0 ||
	    sendto(fd, bytes, size, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return receive_answers(fd);
}

int nft_batch_end(struct nft_batch *batch, int result)
{
	char *bytes;

	add_bound(batch, NFNL_MSG_BATCH_END);
	bytes = memstream_close(batch->file, &batch->bytes);
	if (result == 0 && (!bytes || batch->failed))
		result = -ENOMEM;
	if (result == 0 && batch->n_messages)
		result = run(bytes, batch->size);
	free(bytes);
	return result;
}
