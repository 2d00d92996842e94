/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into the broker: the kernel seems not to know SO_PASSRIGHTS,
 * as before Linux 6.16, and clients' descriptors reach it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	int (*next)(int, int, int, const void *, socklen_t) =
		(int (*)(int, int, int, const void *, socklen_t))dlsym(RTLD_NEXT, __func__);

	if (level != SOL_SOCKET || name != SO_PASSRIGHTS)
		return next(fd, level, name, value, size);
	errno = ENOPROTOOPT;
	return -1;
}
