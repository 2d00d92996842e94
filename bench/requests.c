/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times what clients ask of a broker beside the same work done directly, one
 * after the other in turn, so that both see the same machine.
 *
 *	requests ROUNDS DIRECTORY
 * It has to run in a network namespace of its own: the broker would take part
 * in what is done to devices that it sees.
 *
 * Prints a line for each time taken: WHAT broker|bare MICROSECONDS.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <vmnet-broker.h>

#include "bare.h"

#define NETWORK "default"
#define BARE_BRIDGE "bench0"

/* A request and its reply are about that long. */
#define MESSAGE_SIZE 256

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void report(const char *what, const char *who, double start)
{
	printf("%s %s %.1f\n", what, who, now() - start);
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
static int start_echo(void)
{
	char message[MESSAGE_SIZE];
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		bench_fail("socketpair", strerror(errno));
	switch (fork()) {
	case -1:
		bench_fail("fork", strerror(errno));
	case 0:
		(void)close(ends[0]);
		while (recv(ends[1], message, sizeof(message), MSG_WAITALL) > 0)
			(void)send(ends[1], message, sizeof(message), MSG_NOSIGNAL);
		_exit(EXIT_SUCCESS);
	default:
		(void)close(ends[1]);
		return ends[0];
	}
}

/* A hold on a network that is there already costs its way to the broker and back. */
static void time_hold(struct vmnet_broker *broker, int echo)
{
	char message[MESSAGE_SIZE] = { 0 };
	double start;

	start = now();
	check(broker, vmnet_broker_acquire(broker, NETWORK, NULL));
	report("hold", "broker", start);

	start = now();
	if (send(echo, message, sizeof(message), 0) < 0 ||
	    recv(echo, message, sizeof(message), MSG_WAITALL) < 0)
		bench_fail("echo", strerror(errno));
	report("hold", "bare", start);
}

/* The devices stay until the program ends: the kernel is busy for a while with removing one. */
static void time_attach(struct vmnet_broker *broker)
{
	struct vmnet_broker_attachment *attachment;
	double start;

	start = now();
	check(broker, vmnet_broker_attach(broker, NETWORK, NULL, &attachment));
	report("attach", "broker", start);
	attachment->tap_fds[0] = -1;
	vmnet_broker_attachment_free(attachment);

	start = now();
	(void)bare_attach(BARE_BRIDGE);
	report("attach", "bare", start);
}

/* The end of the last hold removes the network, which its client does not wait for. */
static void wait_for_removal(struct vmnet_broker *monitor)
{
	struct vmnet_broker_event *event;
	bool removed = false;

	while (!removed) {
		check(monitor, vmnet_broker_next_event(monitor, -1, &event));
		removed = event && event->type == VMNET_BROKER_NETWORK_REMOVED;
		vmnet_broker_event_free(event);
	}
}

/* The first hold on a network makes it. */
static void time_create(struct vmnet_broker *broker, struct vmnet_broker *monitor,
			const char *directory)
{
	double start;

	start = now();
	check(broker, vmnet_broker_acquire(broker, NETWORK, NULL));
	report("create", "broker", start);
	check(broker, vmnet_broker_release(broker, NETWORK));
	wait_for_removal(monitor);

	start = now();
	bare_network_create(BARE_BRIDGE, directory);
	report("create", "bare", start);
	bare_network_remove(BARE_BRIDGE, directory);
}

int main(int argc, char **argv)
{
	struct vmnet_broker *broker, *monitor;
	int echo, rounds;

	if (argc != 3)
		bench_fail("usage", "requests ROUNDS DIRECTORY");
	rounds = atoi(argv[1]);
	bare_start();
	broker = connect_broker();
	monitor = connect_broker();
	check(monitor, vmnet_broker_monitor(monitor));
	for (int i = 0; i < rounds; i++)
		time_create(broker, monitor, argv[2]);
	vmnet_broker_close(monitor);

	echo = start_echo();
	bare_bridge_create(BARE_BRIDGE);
	check(broker, vmnet_broker_acquire(broker, NETWORK, NULL));
	for (int i = 0; i < rounds; i++) {
		time_hold(broker, echo);
		time_attach(broker);
	}
	vmnet_broker_close(broker);
	(void)close(echo);
	return EXIT_SUCCESS;
}
