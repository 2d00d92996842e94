/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moves TCP segments from one machine's port to another's, by three ways in
 * turn, and prints what arrived:
 *
 *	broker-segments	a network of the broker, in segments of up to 64 KiB,
 *			which the virtio-net header leaves to the kernel
 *	broker-frames	the same network, in frames of 1514 bytes
 *	helper-frames	a process that does nothing but copy each frame from one
 *			machine's socket to the other's: what any helper in user
 *			space does at the least
 *
 *	throughput ROUNDS
 * A line for each measurement: WAY GBIT/S.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vmnet-broker.h>

#include "bare.h"

#define NETWORK "default"
#define SECONDS 0.3
#define FRAME_PAYLOAD 1460U
#define SEGMENT_PAYLOAD (44U * FRAME_PAYLOAD) /* the most of them in one IPv4 packet */
#define SOCKET_BUFFER (1 << 20)

struct __attribute__((packed)) packet {
	struct virtio_net_hdr virtio;
	struct ethhdr ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t payload[SEGMENT_PAYLOAD];
};

#define HEADERS (sizeof(struct packet) - SEGMENT_PAYLOAD)

/* One end of a way: what a machine's network device would be. */
struct port {
	int fd;
	uint8_t mac[ETH_ALEN];
};

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct port attach(struct vmnet_broker *broker)
{
	struct vmnet_broker_attachment *attachment;
	vmnet_broker_return_t status = vmnet_broker_attach(broker, NETWORK, NULL, &attachment);
	struct port port;

	if (status != VMNET_BROKER_SUCCESS)
		bench_fail("attach", vmnet_broker_error(broker));
	port.fd = attachment->tap_fds[0];
	attachment->tap_fds[0] = -1;
	if (sscanf(attachment->interface->mac_address, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
		   &port.mac[0], &port.mac[1], &port.mac[2], &port.mac[3], &port.mac[4],
		   &port.mac[5]) != ETH_ALEN)
		bench_fail("attach", "no MAC address");
	if (ioctl(port.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0)
		bench_fail("TUNSETOFFLOAD", strerror(errno));
	vmnet_broker_attachment_free(attachment);
	return port;
}

static uint16_t ip_checksum(struct iphdr ip)
{
	uint16_t words[sizeof(ip) / sizeof(uint16_t)];
	uint32_t sum = 0;

	memcpy(words, &ip, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* A TCP segment as a machine with a virtio-net device hands it on. Returns its length. */
static size_t fill(struct packet *packet, const struct port *from, const struct port *to,
		   size_t payload)
{
	*packet = (struct packet){
		.virtio = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			    .csum_start = sizeof(struct ethhdr) + sizeof(struct iphdr),
			    .csum_offset = offsetof(struct tcphdr, check),
			    .hdr_len = HEADERS - sizeof(struct virtio_net_hdr) },
		.ethernet = { .h_proto = htons(ETH_P_IP) },
		.ip = { .version = 4,
			.ihl = sizeof(struct iphdr) / 4,
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.tot_len = htons(
				(uint16_t)(sizeof(struct iphdr) + sizeof(struct tcphdr) + payload)),
			.saddr = htonl(0xc0a840c8), /* 192.168.64.200 */
			.daddr = htonl(0xc0a840c9) },
		.tcp = { .source = htons(1), .dest = htons(2), .doff = 5, .ack = 1 },
	};
	memcpy(packet->ethernet.h_source, from->mac, ETH_ALEN);
	memcpy(packet->ethernet.h_dest, to->mac, ETH_ALEN);
	packet->ip.check = ip_checksum(packet->ip);
	if (payload > FRAME_PAYLOAD) {
		packet->virtio.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		packet->virtio.gso_size = FRAME_PAYLOAD;
	}
	return HEADERS + payload;
}

/* Forks a process that ends with this one, and calls work() in it for ever. */
static pid_t start(void (*work)(const int fds[2], const void *data, size_t length),
		   const int fds[2], const void *data, size_t length)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("fork", strerror(errno));
	if (pid > 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		work(fds, data, length);
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void work_send(const int fds[2], const void *data, size_t length)
{
	if (write(fds[0], data, length) < 0 && errno != EINTR && errno != ENOBUFS)
		_exit(EXIT_FAILURE);
}

static void work_copy(const int fds[2], const void *data, size_t length)
{
	static uint8_t frame[sizeof(struct packet)];
	ssize_t received = read(fds[0], frame, sizeof(frame));

	(void)data;
	(void)length;
	if (received < 0 || write(fds[1], frame, (size_t)received) < 0)
		_exit(EXIT_FAILURE);
}

/* Reads for SECONDS. Returns how many bytes of TCP payload came, in Gbit/s. */
static double receive(int fd)
{
	static uint8_t packet[sizeof(struct packet)];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	double begin = now();
	double bytes = 0;
	double elapsed;

	do {
		ssize_t length = 0;

		if (poll(&readable, 1, 100) > 0)
			length = read(fd, packet, sizeof(packet));
		if (length > (ssize_t)HEADERS)
			bytes += (double)length - (double)HEADERS;
		elapsed = now() - begin;
	} while (elapsed < SECONDS);
	return bytes * 8 / elapsed / 1e9;
}

static void drain(int fd)
{
	uint8_t byte;
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	while (poll(&readable, 1, 0) > 0 && read(fd, &byte, sizeof(byte)) >= 0)
		;
}

static double measure_broker(const struct port ports[2], size_t payload)
{
	static struct packet packet;
	const int fds[2] = { ports[0].fd, ports[0].fd };
	double result;
	pid_t sender;

	/* The bridge learns where the receiver is. */
	if (write(ports[1].fd, &packet, fill(&packet, &ports[1], &ports[0], 0)) < 0)
		bench_fail("write to a TAP device", strerror(errno));
	sender = start(work_send, fds, &packet, fill(&packet, &ports[0], &ports[1], payload));
	result = receive(ports[1].fd);
	end(sender);
	drain(ports[0].fd);
	drain(ports[1].fd);
	return result;
}

static void make_pair(int fds[2])
{
	const int size = SOCKET_BUFFER;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
	    setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		bench_fail("socketpair", strerror(errno));
}

static double measure_helper(const struct port ports[2])
{
	static struct packet packet;
	size_t length = fill(&packet, &ports[0], &ports[1], FRAME_PAYLOAD);
	int from[2];
	int to[2];
	double result;
	pid_t sender;
	pid_t helper;

	make_pair(from);
	make_pair(to);
	helper = start(work_copy, (const int[]){ from[1], to[0] }, NULL, 0);
	sender = start(work_send, from, &packet, length);
	result = receive(to[1]);
	end(sender);
	end(helper);
	for (int i = 0; i < 2; i++) {
		close(from[i]);
		close(to[i]);
	}
	return result;
}

int main(int argc, char **argv)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);
	int rounds = argc == 2 ? atoi(argv[1]) : 0;
	struct port ports[2];

	if (rounds < 1)
		bench_fail("usage", "throughput ROUNDS");
	if (!broker || vmnet_broker_acquire(broker, NETWORK, NULL) != VMNET_BROKER_SUCCESS)
		bench_fail("acquire", broker ? vmnet_broker_error(broker) : "no broker");
	for (int i = 0; i < 2; i++)
		ports[i] = attach(broker);
	for (int i = 0; i < rounds; i++) {
		printf("broker-segments %.3f\n", measure_broker(ports, SEGMENT_PAYLOAD));
		printf("broker-frames %.3f\n", measure_broker(ports, FRAME_PAYLOAD));
		printf("helper-frames %.3f\n", measure_helper(ports));
	}
	for (int i = 0; i < 2; i++)
		close(ports[i].fd);
	vmnet_broker_close(broker);
	return 0;
}
