/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the time of what clients ask of a broker, and of the same work done
 * directly. It does what it is told, a line at a time, so that whoever takes
 * turns with it sees the same machine:
 *
 *	requests DIRECTORY DISCOVER
 * WHAT [ARGUMENT...] on a line of the standard input, microseconds on one of the
 * standard output. DIRECTORY is for dnsmasq's files, DISCOVER a file with what a
 * machine writes to its TAP device to ask for an address.
 *
 * It has to run in a network namespace of its own: the broker would take part
 * in what is done to devices that it sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <vmnet-broker.h>

#include "bare.h"

/* A request and its reply are about that long. */
#define MESSAGE_SIZE 256
#define FRAME_MAX 65536
/* Machines ask again when nothing comes, only later. */
#define OFFER_PATIENCE_MS 50
#define OFFER_TRIES 100
/* In a frame of UDP behind the headers of virtio-net, Ethernet, and IPv4 without options. */
#define PROTOCOL (10 + 14 + 9)
#define SOURCE_PORT (10 + 14 + 20)
#define DHCP_SERVER 67
#define MACHINE_MAC "52:54:00:12:34:56" /* as it is in DISCOVER */
#define KEPT_MAX 4096

/* holder keeps networks and interfaces; visitor has holds that end. */
static struct vmnet_broker *holder, *visitor;
static const char *directory;
static uint8_t discover[FRAME_MAX];
static size_t discover_size;
static int echo_fd;

/* Devices stay until they are dropped: the kernel is busy for a while with removing one. */
static int kept[KEPT_MAX];
static size_t n_kept;
static struct vmnet_broker *clients[KEPT_MAX];
static size_t n_clients;

/* Whom a bare client connects to: of this network namespace, which has no other. */
static const struct sockaddr_un greeter = { .sun_family = AF_UNIX, .sun_path = "\0bench" };

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void check(struct vmnet_broker *broker, vmnet_broker_return_t status)
{
	if (status != VMNET_BROKER_SUCCESS)
		bench_fail(vmnet_broker_strerror(status), vmnet_broker_error(broker));
}

static struct vmnet_broker *connect_broker(void)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);

	if (!broker)
		bench_fail(vmnet_broker_address(), vmnet_broker_strerror(status));
	return broker;
}

/* Answers each message with another, as a server that has nothing to do would. */
static void echo(int fd)
{
	char message[MESSAGE_SIZE];

	while (recv(fd, message, sizeof(message), MSG_WAITALL) > 0)
		(void)send(fd, message, sizeof(message), MSG_NOSIGNAL);
}

static void exchange(int fd)
{
	char message[MESSAGE_SIZE] = { 0 };

	if (send(fd, message, sizeof(message), 0) < 0 ||
	    recv(fd, message, sizeof(message), MSG_WAITALL) < 0)
		bench_fail("echo", strerror(errno));
}

/* Returns the other end in this process. */
static int start_echo(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		bench_fail("socketpair", strerror(errno));
	switch (fork()) {
	case -1:
		bench_fail("fork", strerror(errno));
	case 0:
		(void)close(ends[0]);
		echo(ends[1]);
		_exit(EXIT_SUCCESS);
	default:
		(void)close(ends[1]);
		return ends[0];
	}
}

/* Answers one message of each who comes, and keeps them all. */
static void greet(int listening)
{
	char message[MESSAGE_SIZE];

	for (;;) {
		int fd = accept(listening, NULL, NULL);

		if (fd < 0 || recv(fd, message, sizeof(message), MSG_WAITALL) < 0)
			bench_fail("accept", strerror(errno));
		(void)send(fd, message, sizeof(message), MSG_NOSIGNAL);
	}
}

static void start_greeter(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&greeter, sizeof(greeter)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		bench_fail("listen", strerror(errno));
	switch (fork()) {
	case -1:
		bench_fail("fork", strerror(errno));
	case 0:
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		greet(fd);
		_exit(EXIT_FAILURE);
	default:
		(void)close(fd);
	}
}

static void keep(int fd)
{
	if (n_kept == KEPT_MAX)
		bench_fail("attach", "too many devices");
	kept[n_kept++] = fd;
}

static int broker_tap(const char *network, const char *mac_address)
{
	struct vmnet_broker_attach_options options = { .size = sizeof(options),
						       .mac_address = mac_address };
	struct vmnet_broker_attachment *attachment;
	int fd;

	check(holder, vmnet_broker_attach(holder, network, &options, &attachment));
	fd = attachment->tap_fds[0];
	attachment->tap_fds[0] = -1;
	vmnet_broker_attachment_free(attachment);
	return fd;
}

/* A hold on a network that is there already costs its way to the broker and back. */
static double broker_hold(char **arguments)
{
	double start = now();

	check(visitor, vmnet_broker_acquire(visitor, arguments[0], NULL));
	start = now() - start;
	check(visitor, vmnet_broker_release(visitor, arguments[0]));
	return start;
}

static double bare_hold(char **arguments)
{
	double start = now();

	(void)arguments;
	exchange(echo_fd);
	return now() - start;
}

/* Connections stay, too, with their holds. */
static double broker_client(char **arguments)
{
	double start = now();
	struct vmnet_broker *client = connect_broker();

	check(client, vmnet_broker_acquire(client, arguments[0], NULL));
	if (n_clients == KEPT_MAX)
		bench_fail("connect", "too many clients");
	clients[n_clients++] = client;
	return now() - start;
}

static double bare_client(char **arguments)
{
	double start = now();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)arguments;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&greeter, sizeof(greeter)) < 0)
		bench_fail("connect", strerror(errno));
	exchange(fd);
	keep(fd);
	return now() - start;
}

/* The first hold on a network makes it. */
static double broker_create(char **arguments)
{
	double start = now();

	check(holder, vmnet_broker_acquire(holder, arguments[0], NULL));
	return now() - start;
}

static double bare_create(char **arguments)
{
	double start = now();

	bare_network_create(atoi(arguments[0]), directory);
	return now() - start;
}

/* The end of the last hold removes the network, which its client does not wait for. */
static double broker_remove(char **arguments)
{
	struct vmnet_broker *monitor = connect_broker();
	struct vmnet_broker_event *event;
	bool removed = false;
	double start;

	check(monitor, vmnet_broker_monitor(monitor));
	start = now();
	check(holder, vmnet_broker_release(holder, arguments[0]));
	while (!removed) {
		check(monitor, vmnet_broker_next_event(monitor, -1, &event));
		removed = event && event->type == VMNET_BROKER_NETWORK_REMOVED;
		vmnet_broker_event_free(event);
	}
	start = now() - start;
	vmnet_broker_close(monitor);
	return start;
}

static double bare_remove(char **arguments)
{
	double start = now();

	bare_network_remove(atoi(arguments[0]), directory);
	return now() - start;
}

static double broker_attach(char **arguments)
{
	double start = now();

	keep(broker_tap(arguments[0], NULL));
	return now() - start;
}

static double bare_attach(char **arguments)
{
	double start = now();

	keep(bare_tap(arguments[0]));
	return now() - start;
}

static double helper_attach(char **arguments)
{
	double start = now();

	keep(helper_tap(arguments[0], arguments[1]));
	return now() - start;
}

static bool is_offer(const uint8_t *frame, ssize_t size)
{
	return size > SOURCE_PORT + 1 && frame[PROTOCOL] == IPPROTO_UDP &&
	       frame[SOURCE_PORT] == 0 && frame[SOURCE_PORT + 1] == DHCP_SERVER;
}

/* Asks for an address by a new device, which goes then, until an offer comes. */
static double await_offer(int fd, double start)
{
	static uint8_t frame[FRAME_MAX];
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	ssize_t size = 0;

	for (int tries = 0; !is_offer(frame, size); tries++) {
		if (tries == OFFER_TRIES)
			bench_fail("DHCP", "no offer");
		if (write(fd, discover, discover_size) < 0)
			bench_fail("write to a TAP device", strerror(errno));
		while (!is_offer(frame, size) && poll(&readable, 1, OFFER_PATIENCE_MS) > 0)
			size = read(fd, frame, sizeof(frame));
	}
	start = now() - start;
	(void)close(fd);
	return start;
}

static double broker_offer(char **arguments)
{
	double start = now();

	return await_offer(broker_tap(arguments[0], MACHINE_MAC), start);
}

static double bare_offer(char **arguments)
{
	double start = now();

	return await_offer(bare_tap(arguments[0]), start);
}

static double drop(char **arguments)
{
	double start = now();

	(void)arguments;
	while (n_kept > 0)
		(void)close(kept[--n_kept]);
	while (n_clients > 0)
		vmnet_broker_close(clients[--n_clients]);
	return now() - start;
}

static const struct {
	const char *name;
	double (*run)(char **arguments);
	int n_arguments;
} requests[] = {
	{ "broker-create", broker_create, 1 }, /* NETWORK */
	{ "broker-hold", broker_hold, 1 },
	{ "broker-client", broker_client, 1 },
	{ "broker-attach", broker_attach, 1 },
	{ "broker-offer", broker_offer, 1 },
	{ "broker-remove", broker_remove, 1 },
	{ "bare-create", bare_create, 1 }, /* NUMBER, which makes a bridge "benchNUMBER" */
	{ "bare-hold", bare_hold, 0 },
	{ "bare-client", bare_client, 0 },
	{ "bare-attach", bare_attach, 1 }, /* BRIDGE */
	{ "bare-offer", bare_offer, 1 },
	{ "bare-remove", bare_remove, 1 },
	{ "helper-attach", helper_attach, 2 }, /* BRIDGE, and qemu-bridge-helper's path */
	{ "drop", drop, 0 }, /* the devices and clients so far */
};

static double serve(char *line)
{
	char *words[3] = { NULL };
	char *rest = line;
	int n = 0;

	while (n < 3 && (words[n] = strtok_r(rest, " \n", &rest)))
		n++;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (n > 0 && strcmp(words[0], requests[i].name) == 0 &&
		    n == 1 + requests[i].n_arguments)
			return requests[i].run(words + 1);
	bench_fail(line, "no such request");
}

static void read_discover(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		bench_fail(path, strerror(errno));
	discover_size = fread(discover, 1, sizeof(discover), file);
	(void)fclose(file);
}

/* Many have a descriptor each. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_fail("getrlimit", strerror(errno));
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		bench_fail("setrlimit", strerror(errno));
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;

	if (argc != 3)
		bench_fail("usage", "requests DIRECTORY DISCOVER");
	directory = argv[1];
	read_discover(argv[2]);
	raise_limit();
	bare_start();
	start_greeter();
	echo_fd = start_echo();
	holder = connect_broker();
	visitor = connect_broker();
	while (getline(&line, &size, stdin) > 0) {
		printf("%.1f\n", serve(line));
		(void)fflush(stdout);
	}
	(void)drop(NULL);
	free(line);
	vmnet_broker_close(visitor);
	vmnet_broker_close(holder);
	return EXIT_SUCCESS;
}
