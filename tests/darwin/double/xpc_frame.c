/* SPDX-License-Identifier: Apache-2.0 */
/* A frame of XPC's over a socket: bytes, and the descriptors that go with them. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "double.h"

bool frame_send(int fd, const struct buffer *frame)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(frame->fds))];
	} control = { 0 };
	struct iovec part = { .iov_base = frame->bytes, .iov_len = frame->length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (frame->n_fds > 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(frame->n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), frame->fds, frame->n_fds * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(frame->n_fds * sizeof(int));
	}
	if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return true;
	if (errno == EMSGSIZE)
		misuse("a message of %zu bytes is too large for the double", frame->length);
	return errno != EAGAIN && errno != ENOBUFS;
}

ssize_t frame_receive(int fd, struct buffer *frame)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(frame->fds))];
	} control = { 0 };
	struct iovec part = { .iov_base = frame->bytes, .iov_len = FRAME_MAX };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *rights = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	frame->length = length > 0 ? (size_t)length : 0;
	frame->n_fds = 0;
	if (rights && rights->cmsg_type == SCM_RIGHTS) {
		frame->n_fds = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(frame->fds, CMSG_DATA(rights), frame->n_fds * sizeof(int));
	}
	return length;
}
