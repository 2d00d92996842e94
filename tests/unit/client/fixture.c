/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's end of a connection. */
#include "tests/unit/test.h"

#include "tests/unit/client/fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

size_t count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	vmnet_broker_return_t status;

	assert_non_null(fixture);
	strcpy(fixture->directory, "/tmp/vmnet-broker-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
	fixture->listener = listen_at(fixture->path);
	setenv("VMNET_BROKER_SOCKET", fixture->path, 1);
	fixture->n_fds = count_fds();
	fixture->broker = vmnet_broker_connect(&status);
	assert_non_null(fixture->broker);
	assert_int_equal(status, VMNET_BROKER_SUCCESS);
	assert_string_equal(vmnet_broker_error(fixture->broker), "");
	fixture->server = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fixture->server >= 0);
	*state = fixture;
	return 0;
}

int teardown(void **state)
{
	struct fixture *fixture = *state;

	vmnet_broker_close(fixture->broker);
	if (fixture->server >= 0)
		close(fixture->server);
	assert_int_equal(count_fds(), fixture->n_fds);
	close(fixture->listener);
	unlink(fixture->path);
	rmdir(fixture->directory);
	unsetenv("VMNET_BROKER_SOCKET");
	free(fixture);
	return 0;
}

void say_with_fds(struct fixture *fixture, const char *text, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) + 1 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[64];

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (n_fds > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fixture->server, &header, MSG_NOSIGNAL), iov.iov_len);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

void say(struct fixture *fixture, const char *text)
{
	say_with_fds(fixture, text, 0);
}

void hang_up(struct fixture *fixture)
{
	close(fixture->server);
	fixture->server = -1;
}

void assert_asked(struct fixture *fixture, const char *expected)
{
	char text[1024];
	ssize_t n = recv(fixture->server, text, sizeof(text), MSG_DONTWAIT);

	assert_true(n > 0);
	assert_int_equal(text[n - 1], '\0');
	for (ssize_t i = 0; i < n - 1; i++)
		if (text[i] == '\0')
			text[i] = '\n';
	assert_string_equal(text, expected);
}

void assert_asked_nothing(struct fixture *fixture)
{
	char byte;

	assert_int_equal(recv(fixture->server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

void assert_ended_by_library(struct fixture *fixture)
{
	char bytes[1024];
	ssize_t n;

	while ((n = recv(fixture->server, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		;
	assert_int_equal(n, 0);
}
