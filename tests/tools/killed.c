/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into the broker: where there is a file of the name that
 * KILLED says, it is removed, and the broker killed when it is about to send a
 * client something.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	ssize_t (*next)(int, const struct msghdr *, int) =
		(ssize_t(*)(int, const struct msghdr *, int))dlsym(RTLD_NEXT, __func__);
	const char *path = getenv("KILLED");

	/* Nobody else is written to so: not the kernel, not the service manager. */
	if (flags == (MSG_NOSIGNAL | MSG_DONTWAIT) && path && unlink(path) == 0)
		(void)raise(SIGKILL);
	return next(fd, message, flags);
}
