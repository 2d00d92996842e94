/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into the broker: where there is a file of the name that
 * KILLED_SENDING says, it is removed, and the broker killed when it is about to
 * send a client something; with KILLED_READING, when it has just read something.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void die_if_told(const char *variable)
{
	const char *path = getenv(variable);

	if (path && unlink(path) == 0)
		(void)raise(SIGKILL);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t (*next)(int, const struct msghdr *, int) =
		(ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, __func__);

	/* Nobody else is written to so: not the kernel, not the service manager. */
	if (flags == (MSG_NOSIGNAL | MSG_DONTWAIT))
		die_if_told("KILLED_SENDING");
	return next(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t (*next)(int, struct msghdr *, int) =
		(ssize_t(*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, __func__);
	ssize_t n = next(fd, message, flags);

	if (flags == (MSG_CMSG_CLOEXEC | MSG_DONTWAIT) && n > 0)
		die_if_told("KILLED_READING");
	return n;
}
