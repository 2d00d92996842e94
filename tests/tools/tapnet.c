/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine's network without the machine: makes a TAP device in the current
 * network namespace and copies frames between it and the open TAP descriptors
 * that it is given, as a virtual machine monitor would between them and its
 * guest. Both ends carry a virtio-net header and the same offloads, so frames
 * pass as they are, 64 KiB segments included.
 *
 *	tapnet NAME FD...
 *
 * One descriptor for each queue. Says "ready" when the device is there. A number
 * as NAME is a descriptor of a device of one queue that is there: that of a
 * machine which goes on elsewhere.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUEUES_MAX 16
#define FRAME_MAX (65536 + 256)

/* The descriptor that is given at 2 * i, the device's own queue beside it. */
static struct pollfd ends[2 * QUEUES_MAX];

static void fail(const char *what)
{
	fprintf(stderr, "tapnet: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int open_queue(const char *name, bool several)
{
	struct ifreq request = {
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
				     (several ? IFF_MULTI_QUEUE : 0)),
	};
	int fd;

	if (isdigit((unsigned char)name[0]))
		return atoi(name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail("/dev/net/tun");
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail(name);
	return fd;
}

static void set_offloads(int fd)
{
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
		fail("TUNSETOFFLOAD");
}

/*
 * A frame that the other side refuses is lost, as on a wire: its device may be
 * down. One side being gone for good is the end.
 */
static void copy_frame(int from, int to)
{
	static char frame[FRAME_MAX];
	ssize_t size = read(from, frame, sizeof(frame));

	if (size < 0 && errno != EAGAIN && errno != EINTR)
		fail("read");
	if (size > 0 && write(to, frame, (size_t)size) < 0 && errno == EBADFD)
		fail("write");
}

int main(int argc, char **argv)
{
	int queues = argc - 2;
	nfds_t n_ends;

	if (queues < 1 || queues > QUEUES_MAX) {
		fprintf(stderr, "usage: tapnet NAME FD...\n");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < queues; i++) {
		ends[2 * i] = (struct pollfd){ .fd = atoi(argv[2 + i]), .events = POLLIN };
		ends[2 * i + 1] = (struct pollfd){
			.fd = open_queue(argv[1], queues > 1),
			.events = POLLIN,
		};
		set_offloads(ends[2 * i].fd);
		set_offloads(ends[2 * i + 1].fd);
	}
	n_ends = 2 * (nfds_t)queues;
	if (puts("ready") == EOF || fflush(stdout) == EOF)
		fail("stdout");

	for (;;) {
		if (poll(ends, n_ends, -1) < 0 && errno != EINTR)
			fail("poll");
		for (nfds_t i = 0; i < n_ends; i++) {
			if (ends[i].revents & (POLLERR | POLLNVAL))
				return EXIT_SUCCESS;
			if (ends[i].revents & POLLIN)
				copy_frame(ends[i].fd, ends[i ^ 1].fd);
		}
	}
}
