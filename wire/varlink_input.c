/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer that grows with the longest message, and is looked at once a byte. */
#include "varlink_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SIZE_MIN ((size_t)4 * 1024)
/* The kernel's limit of one message (SCM_MAX_FD). */
#define MESSAGE_FDS_MAX 253

/* Makes room behind what has come. */
static int make_room(struct input *input, size_t max)
{
	size_t length = input->end - input->start;
	size_t size = input->size > 0 ? input->size * 2 : SIZE_MIN;
	char *bytes;

	if (input->start > 0) {
		memmove(input->bytes, input->bytes + input->start, length);
		input->scanned -= input->start;
		input->start = 0;
		input->end = length;
	}
	if (length < input->size)
		return 0;
	if (input->size >= max)
		return -EMSGSIZE;
	bytes = realloc(input->bytes, size);
	if (!bytes)
		return -ENOMEM;
	input->bytes = bytes;
	input->size = size;
	return 0;
}

static void take_fds(struct msghdr *header, vmnet_broker_input_fd_function *take_fd, void *context)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
			take_fd(context, fd);
		}
	}
	if (header->msg_flags & MSG_CTRUNC)
		take_fd(context, -1);
}

ssize_t vmnet_broker_input_peek(int fd, void *bytes, size_t size)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(fd, &header, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	return header.msg_flags & MSG_CTRUNC ? -EPERM : n;
}

int vmnet_broker_input_receive(struct input *input, int fd, size_t max,
			       vmnet_broker_input_fd_function *take_fd, void *context)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MESSAGE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;
	int r;

	r = make_room(input, max);
	if (r < 0)
		return r;
	iov.iov_base = input->bytes + input->end;
	iov.iov_len = input->size - input->end;
	if (!take_fd) {
		n = vmnet_broker_input_peek(fd, iov.iov_base, iov.iov_len);
		if (n < 0)
			return (int)n;
		iov.iov_len = (size_t)n;
	}
	do
		n = recvmsg(fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	take_fds(&header, take_fd, context);
	input->end += (size_t)n;
	return n > 0;
}

/* The end of the first message that was not taken, or NULL. */
static const char *message_end(struct input *input)
{
	const char *end = NULL;

	if (input->scanned < input->end)
		end = memchr(input->bytes + input->scanned, '\0', input->end - input->scanned);
	input->scanned = end ? (size_t)(end - input->bytes) : input->end;
	return end;
}

bool vmnet_broker_input_has_message(struct input *input)
{
	return message_end(input) != NULL;
}

const char *vmnet_broker_input_take(struct input *input, size_t *length)
{
	const char *end = message_end(input);
	const char *message;

	if (!end)
		return NULL;
	message = input->bytes + input->start;
	*length = (size_t)(end - message);
	input->start += *length + 1;
	input->scanned = input->start;
	return message;
}

void vmnet_broker_input_clear(struct input *input)
{
	free(input->bytes);
	*input = (struct input){ 0 };
}
