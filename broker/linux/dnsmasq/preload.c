/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library that is preloaded into dnsmasq, so that it runs without any capability, tells when it
 * serves, and has a clock that nobody sets. No part of the broker's process.
 *
 * dnsmasq asks by capget() whether it has those that it may want later: when it
 * has made all of its sockets, and before it reads the first packet. It wants
 * CAP_NET_ADMIN to write into the host's ARP table, which it never does when it
 * broadcasts its answers (dhcp-broadcast), and the others for sockets that it
 * has by then. So that is the time to give up what it has for good, and to say
 * that nothing is missing. What it goes on to do without fails as it does for
 * any user.
 *
 * A NUL byte on standard error then tells who has started it that nothing keeps it from
 * serving. If standard input is a pipe, it waits there for leave to do so, which is a byte:
 * the filters may not be there yet. Its end means that nobody wants it any more.
 *
 * Not found by a dnsmasq that is linked statically: that one does not start.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int capget(cap_user_header_t header, cap_user_data_t data);

/* From the first on: others of its user do not see into it. */
__attribute__((constructor)) static void start(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static int give_up_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return (int)syscall(SYS_capset, &header, none);
}

static bool may_serve(void)
{
	struct stat status;
	ssize_t n;
	char leave;

	if (fstat(STDIN_FILENO, &status) < 0 || !S_ISFIFO(status.st_mode))
		return true;
	do
		n = read(STDIN_FILENO, &leave, 1);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

__attribute__((visibility("default"))) int capget(cap_user_header_t header, cap_user_data_t data)
{
	/* Asked for the version that the kernel has. */
	if (!data)
		return (int)syscall(SYS_capget, header, data);
	if (give_up_capabilities() < 0 || write(STDERR_FILENO, "", 1) != 1 || !may_serve())
		return -1;
	data->permitted |= 1U << CAP_NET_ADMIN | 1U << CAP_NET_BIND_SERVICE | 1U << CAP_NET_RAW;
	return 0;
}

/*
 * What leases end by, and nothing else that is of account. It goes on evenly whatever is done to
 * the time of day, and stands still while the host sleeps, as its machines do.
 */
__attribute__((visibility("default"))) time_t time(time_t *result)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (result)
		*result = now.tv_sec;
	return now.tv_sec;
}
