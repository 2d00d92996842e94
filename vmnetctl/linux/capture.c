/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmnetctl capture: what a machine sends and gets, on standard output for programs that look into
 * frames. Longer ones than a link takes are shown as the host passes them on, whole; checksums that
 * the machine or the host has left to others are completed, as in what would be sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/array.h"
#include "machine.h"
#include "pcapng.h"
#include "subcommands.h"
#include "vmnetctl/text.h"

struct capture {
	int fd;
	struct mac_address mac; /* of the machine */
	sigset_t mask; /* to wait with */
	uint64_t count; /* of frames after which it ends; 0: none */
	uint64_t frames;
	volatile sig_atomic_t is_cut; /* the last one, for the reader */
	bool is_over;
};

static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
static sigjmp_buf interrupted;

/* From wherever it waits: a signal that were only noted might come just before that. */
static void on_signal(int signal)
{
	(void)signal;
	siglongjmp(interrupted, 1);
}

/* Those that are ignored stay so. */
static void set_handler(void (*handler)(int))
{
	const struct sigaction action = { .sa_handler = handler };
	struct sigaction old;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
}

/* A signal comes while something is waited for, and at no other time. mask: what to wait with. */
static void catch_signals(sigset_t *mask)
{
	sigset_t caught;

	(void)sigemptyset(&caught);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&caught, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &caught, mask);
	set_handler(on_signal);
}

/* The next one ends the process. */
static void release_signals(const sigset_t *mask)
{
	set_handler(SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
}

/* The internet's checksum over what is left to others of it, in its place. */
static void complete_checksum(const struct virtio_net_hdr *header, uint8_t *frame, size_t length)
{
	const size_t start = header->csum_start, at = start + header->csum_offset;
	uint32_t sum = 0;

	if (!(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || at + 2 > length)
		return;
	for (size_t i = start; i < length; i++)
		sum += (i - start) % 2 ? frame[i] : (uint32_t)frame[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0)
		sum = 0xffff; /* for UDP 0 is none, and for others the same */
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
}

/* Waits until the reader takes it. Returns 0, or -1. */
static int pass_on(struct capture *self, const uint8_t *frame, size_t length)
{
	const bool sent = memcmp(frame + sizeof(self->mac), &self->mac, sizeof(self->mac)) == 0;
	struct timespec now;
	sigset_t mask;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)sigprocmask(SIG_SETMASK, &self->mask, &mask);
	self->is_cut = true;
	self->is_cut = pcapng_frame(STDOUT_FILENO, &now, sent, frame, length) < 0;
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	return self->is_cut ? -1 : 0;
}

/* Returns whether there may be another one at once. */
static bool take_frame(struct capture *self)
{
	static uint8_t packet[sizeof(struct virtio_net_hdr) + PCAPNG_FRAME_MAX];
	uint8_t *frame = packet + sizeof(struct virtio_net_hdr);
	ssize_t n = read(self->fd, packet, sizeof(packet));
	struct virtio_net_hdr header;
	size_t length;

	if (n < (ssize_t)(sizeof(header) + ETH_HLEN)) {
		self->is_over = n < 0 && errno != EAGAIN;
		return n >= 0;
	}
	memcpy(&header, packet, sizeof(header));
	length = (size_t)n - sizeof(header);
	complete_checksum(&header, frame, length);
	if (pass_on(self, frame, length) < 0) {
		self->is_over = true;
		return false;
	}
	self->frames++;
	self->is_over = self->frames == self->count;
	return !self->is_over;
}

/* Until there is enough, or the reader or the machine has gone. */
static void take_frames(struct capture *self)
{
	struct pollfd fds[] = {
		{ .fd = self->fd, .events = POLLIN }, { .fd = STDOUT_FILENO }, /* its end */
	};

	while (!self->is_over) {
		if (ppoll(fds, ARRAY_SIZE(fds), NULL, &self->mask) < 0)
			continue;
		if (fds[1].revents)
			return;
		while (take_frame(self))
			;
	}
}

/* Those for which the device had no room, as the kernel counts them; 0 once it is gone. */
static uint64_t count_lost(int fd)
{
	struct ifreq request = { 0 };
	char path[128], text[32] = "";
	int file;

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/sys/class/net/%.15s/statistics/tx_dropped",
		       request.ifr_name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	if (read(file, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	(void)close(file);
	return strtoull(text, NULL, 10);
}

static void say_end(const struct capture *self)
{
	const uint64_t lost = count_lost(self->fd);
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!self->is_cut)
		(void)pcapng_end(STDOUT_FILENO, &now, self->frames + lost, lost);
	(void)fprintf(stderr, "%" PRIu64 " frame%s captured, %" PRIu64 " lost.\n", self->frames,
		      self->frames == 1 ? "" : "s", lost);
}

static int capture_machine(struct capture *self, const struct machine *machine, const char *network)
{
	char description[MACHINE_TEXT_SIZE];
	struct pcapng_interface interface = {
		.name = machine->device,
		.description = description,
		.mac = machine->mac,
	};

	self->mac = machine->mac;
	machine_describe(machine, description);
	(void)fputs("Capturing ", stderr);
	(void)text_write(stderr, description, "");
	(void)fprintf(stderr, " on network \"%s\" until interrupted.\n", network);
	/* A reader that ends is no failure: to write to it fails instead. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (pcapng_begin(STDOUT_FILENO, &interface) < 0) {
		complain("cannot write to standard output: %s", strerror(errno));
		return FAILED;
	}
	catch_signals(&self->mask);
	if (sigsetjmp(interrupted, 1) == 0) {
		take_frames(self);
		/* Where the reader has ended by one, it may have come here, too. */
		(void)sigprocmask(SIG_SETMASK, &self->mask, NULL);
	}
	release_signals(&self->mask);
	say_end(self);
	return DONE;
}

static int find_and_capture(struct vmnet_broker *broker, char **arguments, int count)
{
	struct capture self = { .count = (uint64_t)count };
	vmnet_broker_return_t status;
	struct machine machine;
	int result;

	if (find_machine(broker, arguments[0], arguments[1], &machine) != DONE)
		return FAILED;
	status = vmnet_broker_capture(broker, arguments[0], machine.device, &self.fd);
	if (status != VMNET_BROKER_SUCCESS)
		return complain_of(broker, status);
	result = capture_machine(&self, &machine, arguments[0]);
	(void)close(self.fd);
	return result;
}

int capture(int argc, char **argv)
{
	static const struct option options[] = { { "count", required_argument, NULL, 'c' }, { 0 } };
	int option, count = 0;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		if (option != 'c')
			return option;
		count = option_number("--count", optarg, 1, INT_MAX);
		if (count < 0)
			return WRONG_USAGE;
	}
	if (check_arguments(argc, 2, 2, "NETWORK or MACHINE") != DONE)
		return WRONG_USAGE;
	if (isatty(STDOUT_FILENO)) {
		complain("frames are not text for a terminal; add \"| tcpdump -r -\", "
			 "\"| wireshark -k -i -\" or \"> FILE\"");
		return FAILED;
	}
	return with_broker(find_and_capture, argv + optind, count);
}
