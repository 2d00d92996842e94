/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To be preloaded into the broker: it makes a system call that serving does not
 * take when the first client comes, as code of an intruder would.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	(void)syscall(SYS_swapoff, "/nowhere");
	return (int)syscall(SYS_accept4, fd, address, length, flags);
}
