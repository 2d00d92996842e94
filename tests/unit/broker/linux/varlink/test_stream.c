/* SPDX-License-Identifier: Apache-2.0 */
/* The framing of Varlink on one socket, whatever its peer sends, or does not take. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "broker/linux/fds.h"
#include "broker/linux/varlink/disposal.h"
#include "broker/linux/varlink/stream.h"
#include "broker/platform.h"

#define OWNER 12345

static unsigned int discarded;

void platform_fds_discard(struct interface_fds *fds)
{
	for (unsigned int i = 0; i < fds->n_tap; i++)
		assert_int_equal(close(fds->tap[i]), 0);
	free(fds);
	discarded++;
}

struct fixture {
	struct stream stream;
	int peer;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	int fds[2];

	assert_non_null(fixture);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	discarded = 0;
	stream_init(&fixture->stream, fds[0]);
	fixture->peer = fds[1];
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	stream_close(&fixture->stream, OWNER);
	close(fixture->peer);
	free(fixture);
	return 0;
}

static void assert_takes(struct stream *stream, const char *expected)
{
	size_t length;
	const char *message;

	assert_true(stream_has_message(stream));
	message = stream_take(stream, &length);
	assert_non_null(message);
	assert_int_equal(length, strlen(expected));
	assert_string_equal(message, expected);
}

static void assert_takes_nothing(struct stream *stream)
{
	size_t length;

	assert_false(stream_has_message(stream));
	assert_null(stream_take(stream, &length));
}

static void test_byte_by_byte(void **state)
{
	static const char bytes[] = "one\0two\0";
	struct fixture *fixture = *state;
	struct stream *stream = &fixture->stream;

	assert_int_equal(stream_receive(stream), -EAGAIN);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		assert_takes_nothing(stream);
		assert_int_equal(send(fixture->peer, &bytes[i], 1, 0), 1);
		assert_int_equal(stream_receive(stream), 1);
		if (i == 3)
			assert_takes(stream, "one");
	}
	assert_takes(stream, "two");
	assert_takes_nothing(stream);
}

static void test_all_at_once(void **state)
{
	static const char bytes[] = "one\0\0three\0fo";
	struct fixture *fixture = *state;
	struct stream *stream = &fixture->stream;

	assert_int_equal(send(fixture->peer, bytes, sizeof(bytes) - 1, 0), sizeof(bytes) - 1);
	assert_int_equal(stream_receive(stream), 1);
	assert_takes(stream, "one");
	assert_takes(stream, "");
	assert_takes(stream, "three");
	assert_takes_nothing(stream);
	assert_int_equal(send(fixture->peer, "ur", 3, 0), 3);
	assert_int_equal(stream_receive(stream), 1);
	assert_takes(stream, "four");
	/* Who is silent costs nothing. */
	assert_takes_nothing(stream);
	assert_null(stream->input.bytes);
	close(fixture->peer);
	fixture->peer = -1;
	assert_int_equal(stream_receive(stream), 0);
}

/* Sends size bytes, the last of them NUL if terminated; returns the last stream_receive(). */
static int feed(struct fixture *fixture, size_t size, bool terminated)
{
	char *bytes = malloc(size);
	size_t sent = 0;
	int r = 1;

	assert_non_null(bytes);
	memset(bytes, 'x', size);
	if (terminated)
		bytes[size - 1] = '\0';
	while (r > 0 && (sent < size || !stream_has_message(&fixture->stream))) {
		ssize_t n = send(fixture->peer, bytes + sent, size - sent, MSG_DONTWAIT);

		sent += n > 0 ? (size_t)n : 0;
		r = stream_receive(&fixture->stream);
	}
	free(bytes);
	return r;
}

static void test_the_longest_message(void **state)
{
	struct fixture *fixture = *state;
	size_t length;

	assert_int_equal(feed(fixture, CALL_SIZE_MAX, true), 1);
	assert_non_null(stream_take(&fixture->stream, &length));
	assert_int_equal(length, CALL_SIZE_MAX - 1);
	assert_takes_nothing(&fixture->stream);
}

static void test_a_message_too_long(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(feed(fixture, CALL_SIZE_MAX + 1, true), -EMSGSIZE);
	assert_true(fixture->stream.input.size <= CALL_SIZE_MAX);
}

static void test_a_message_without_end(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(feed(fixture, 3 * CALL_SIZE_MAX, false), -EMSGSIZE);
	assert_true(fixture->stream.input.size <= CALL_SIZE_MAX);
}

/* Sends n times the null device along with a byte. */
static int send_fds(int fd, size_t n)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t) "x", .iov_len = 1 };
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[253];
	ssize_t sent;

	for (size_t i = 0; i < n; i++)
		fds[i] = null;
	CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, n * sizeof(int));
	sent = sendmsg(fd, &header, MSG_NOSIGNAL);
	close(null);
	return sent < 0 ? -errno : 0;
}

static void test_descriptors_are_not_received(void **state)
{
	const struct timespec moment = { .tv_nsec = 1000 * 1000 };
	struct fixture *fixture = *state;

	assert_int_equal(send(fixture->peer, "one", sizeof("one"), 0), sizeof("one"));
	assert_int_equal(stream_receive(&fixture->stream), 1);
	assert_int_equal(send_fds(fixture->peer, 253), 0);
	assert_int_equal(stream_receive(&fixture->stream), -EPERM);
	assert_takes(&fixture->stream, "one");
	stream_close(&fixture->stream, OWNER);
	assert_int_equal(send_fds(fixture->peer, 1), -EPIPE);
	while (disposal_is_pending(OWNER))
		(void)nanosleep(&moment, NULL);
	close(fixture->peer);
	free(fixture);
	assert_int_equal(setup(state), 0);
}

static void test_descriptors_are_kept_out(void **state)
{
	struct fixture *fixture = *state;

	stream_refuse_fds(fixture->stream.fd);
	if (send_fds(fixture->peer, 1) == 0)
		skip();
	assert_int_equal(stream_receive(&fixture->stream), -EAGAIN);
}

static void queue(struct stream *stream, size_t size, char letter, struct interface_fds *fds)
{
	char *text = malloc(size);

	assert_non_null(text);
	memset(text, letter, size);
	text[size - 1] = '\0';
	assert_int_equal(stream_queue(stream, text, size, fds), 0);
}

static struct interface_fds *make_fds(unsigned int n)
{
	struct interface_fds *fds = calloc(1, sizeof(*fds));

	assert_non_null(fds);
	for (; fds->n_tap < n; fds->n_tap++)
		fds->tap[fds->n_tap] = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fds;
}

/* Receives size bytes of a letter, then a NUL; returns the number of descriptors with them. */
static size_t receive(struct fixture *fixture, size_t size, char letter)
{
	size_t n_fds = 0;

	while (size > 0) {
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(32 * sizeof(int))];
		} control;
		char bytes[4096];
		struct iovec iov = {
			.iov_base = bytes,
			.iov_len = size < sizeof(bytes) ? size : sizeof(bytes),
		};
		struct msghdr header = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(fixture->peer, &header, 0);

		if (n < 0 && errno == EAGAIN) {
			(void)stream_flush(&fixture->stream);
			continue;
		}
		assert_true(n > 0);
		size -= (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], size == 0 && i == n - 1 ? '\0' : letter);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
			for (; (n_fds + 1) * sizeof(int) <= c->cmsg_len - CMSG_LEN(0); n_fds++) {
				int fd;

				memcpy(&fd, CMSG_DATA(c) + n_fds * sizeof(int), sizeof(int));
				close(fd);
			}
		}
	}
	return n_fds;
}

static void test_replies_in_parts(void **state)
{
	struct fixture *fixture = *state;
	struct stream *stream = &fixture->stream;
	const size_t size = 1024 * 1024;

	queue(stream, 10, 'a', NULL);
	queue(stream, size, 'b', make_fds(3));
	queue(stream, 10, 'c', make_fds(1));
	assert_int_equal(stream->output_size, size + 20);
	assert_int_equal(stream_flush(stream), -EAGAIN);
	/* The descriptors went with the first byte: the copies here have gone. */
	assert_int_equal(discarded, 1);
	assert_int_equal(receive(fixture, 10, 'a'), 0);
	assert_int_equal(receive(fixture, size, 'b'), 3);
	assert_int_equal(receive(fixture, 10, 'c'), 1);
	assert_int_equal(discarded, 2);
	assert_int_equal(stream->output_size, 0);
	assert_int_equal(stream_flush(stream), 0);
}

static void test_drop_unsent(void **state)
{
	struct fixture *fixture = *state;
	struct stream *stream = &fixture->stream;
	const size_t size = 1024 * 1024;

	queue(stream, 10, 'a', make_fds(1));
	stream_drop_unsent(stream);
	assert_null(stream->output);
	assert_int_equal(discarded, 1);
	queue(stream, size, 'b', NULL);
	queue(stream, 10, 'c', make_fds(2));
	queue(stream, 10, 'd', NULL);
	assert_int_equal(stream_flush(stream), -EAGAIN);
	stream_drop_unsent(stream);
	assert_int_equal(discarded, 2);
	assert_int_equal(stream->output_size, size);
	queue(stream, 10, 'e', NULL);
	assert_int_equal(receive(fixture, size, 'b'), 0);
	assert_int_equal(receive(fixture, 10, 'e'), 0);
}

static void test_the_peer_goes(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->peer);
	fixture->peer = -1;
	queue(&fixture->stream, 10, 'a', make_fds(1));
	assert_int_equal(stream_flush(&fixture->stream), -EPIPE);
	stream_drop_first(&fixture->stream);
	assert_int_equal(discarded, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_byte_by_byte),
		TEST(test_all_at_once),
		TEST(test_the_longest_message),
		TEST(test_a_message_too_long),
		TEST(test_a_message_without_end),
		TEST(test_descriptors_are_not_received),
		TEST(test_descriptors_are_kept_out),
		TEST(test_replies_in_parts),
		TEST(test_drop_unsent),
		TEST(test_the_peer_goes),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
