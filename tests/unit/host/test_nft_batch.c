/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction comes to, by the kernel's answers to it. */
#include "tests/unit/test.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#include "host/nft_batch.h"

/* What the next receptions bring: a refusal, or, when it is positive, an error of their own. */
static const int *answers;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
		      const struct sockaddr *address, socklen_t address_size);
ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags);

ssize_t __wrap_sendto(int fd, const void *bytes, size_t size, int flags,
		      const struct sockaddr *address, socklen_t address_size)
{
	(void)fd;
	(void)bytes;
	(void)flags;
	(void)address;
	(void)address_size;
	return (ssize_t)size;
}

ssize_t __wrap_recv(int fd, void *buffer, size_t size, int flags)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} message = { { .nlmsg_len = sizeof(message), .nlmsg_type = NLMSG_ERROR }, { 0 } };

	(void)fd;
	(void)flags;
	if (*answers > 0) {
		errno = *answers++;
		return -1;
	}
	assert_true(size >= sizeof(message));
	message.error.error = *answers++;
	memcpy(buffer, &message, sizeof(message));
	return sizeof(message);
}

static int put(struct nl_msg *message, const void *what)
{
	return nla_put_string(message, NFTA_TABLE_NAME, what);
}

static int end_with(const int *expected)
{
	struct nft_batch batch;

	answers = expected;
	assert_int_equal(nft_batch_begin(&batch), 0);
	nft_batch_add(&batch, NFT_MSG_DELTABLE, AF_INET, put, "lab");
	return nft_batch_end(&batch, 0);
}

static void test_answers(void **state)
{
	(void)state;
	assert_int_equal(end_with((int[]){ EAGAIN }), 0);
	assert_int_equal(end_with((int[]){ -ENOENT, -EBUSY, EAGAIN }), -ENOENT);
}

static void test_more_than_fit(void **state)
{
	const int *given = (int[]){ ENOBUFS, -ENOENT, -EBUSY, EAGAIN };

	(void)state;
	assert_int_equal(end_with(given), -ENOENT);
	assert_ptr_equal(answers, given + 4); /* nothing is left for the next */
	assert_int_equal(end_with((int[]){ ENOBUFS, EAGAIN }), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_more_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
