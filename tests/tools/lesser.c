/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of dnsmasq: says which of the things that its capabilities give
 * are refused, as the reason why it does not start.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void say(const char *what, int result)
{
	(void)fprintf(stderr, "%s %s, ", what, result < 0 && errno == EPERM ? "refused" : "open");
}

int main(void)
{
	struct ifreq request = { .ifr_name = "lesser", .ifr_flags = IFF_TAP };

	say("rtnetlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
	say("raw", socket(AF_INET, SOCK_RAW, 1));
	say("nfnetlink", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
	say("packets", socket(AF_PACKET, SOCK_RAW, 0));
	say("tap", ioctl(open("/dev/net/tun", O_RDWR), TUNSETIFF, &request));
	return EXIT_FAILURE;
}
