/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet costs: writes it to one descriptor and reads what comes of it
 * from another, over and over. The kernel carries a packet in the context of
 * who wrote it, so that the processor's time of this process is the cost of the
 * whole way, whatever else the machine does.
 *
 *	frames WRITE_FD READ_FD LENGTH BATCH COUNT <PACKET
 * COUNT packets, of which BATCH are on their way at once. What is read counts
 * when it has LENGTH bytes. Prints nanoseconds of the processor, nanoseconds,
 * and how many arrived.
 *
 *	frames FD FD
 * Copies from the first to the second, for ever: what a helper does at the least.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX (1 << 17)
#define PATIENCE_MS 200 /* for a packet, which is lost then */

static void fail(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static double clock_ns(clockid_t clock)
{
	struct timespec time;

	(void)clock_gettime(clock, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void write_packet(int fd, const uint8_t *packet, size_t length)
{
	struct pollfd writable = { .fd = fd, .events = POLLOUT };

	while (write(fd, packet, length) < 0) {
		if (errno != EAGAIN && errno != ENOBUFS)
			fail("write");
		(void)poll(&writable, 1, PATIENCE_MS);
	}
}

/* Returns whether a packet of that length came. */
static int read_packet(int fd, ssize_t length)
{
	static uint8_t packet[PACKET_MAX];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t received;

	do {
		received = read(fd, packet, sizeof(packet));
		if (received < 0 && errno != EAGAIN)
			fail("read");
		if (received < 0 && poll(&readable, 1, PATIENCE_MS) == 0)
			return 0;
	} while (received != length);
	return 1;
}

static int exchange(const int fds[2], const uint8_t *packet, size_t size, ssize_t length, int batch)
{
	int arrived = 0;

	for (int i = 0; i < batch; i++)
		write_packet(fds[0], packet, size);
	while (arrived < batch && read_packet(fds[1], length))
		arrived++;
	return arrived;
}

static void copy(int from, int to)
{
	static uint8_t frame[PACKET_MAX];

	for (;;) {
		ssize_t received = read(from, frame, sizeof(frame));

		if (received <= 0 || write(to, frame, (size_t)received) < 0)
			fail("copy");
	}
}

int main(int argc, char **argv)
{
	static uint8_t packet[PACKET_MAX];
	size_t size;
	double cpu, wall;
	int fds[2];
	int arrived = 0;

	if (argc != 3 && argc != 6) {
		fprintf(stderr, "usage: frames WRITE_FD READ_FD [LENGTH BATCH COUNT]\n");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < 2; i++)
		fds[i] = atoi(argv[1 + i]);
	if (argc == 3)
		copy(fds[0], fds[1]);
	for (int i = 0; i < 2; i++)
		if (fcntl(fds[i], F_SETFL, O_NONBLOCK) < 0)
			fail("fcntl");
	size = fread(packet, 1, sizeof(packet), stdin);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	wall = clock_ns(CLOCK_MONOTONIC);
	for (int left = atoi(argv[5]); left > 0; left -= atoi(argv[4]))
		arrived += exchange(fds, packet, size, atoi(argv[3]), atoi(argv[4]));
	printf("%.0f %.0f %d\n", clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu,
	       clock_ns(CLOCK_MONOTONIC) - wall, arrived);
	return EXIT_SUCCESS;
}
