/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times what clients ask of a broker beside the same work done directly, one
 * after the other in turn, so that both see the same machine.
 *
 *	requests ROUNDS DIRECTORY
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

static void time_attach(struct vmnet_broker *broker, const char *bridge)
{
	struct vmnet_broker_attachment *attachment;
	double start;
	int fd;

	start = now();
	check(broker, vmnet_broker_attach(broker, NETWORK, NULL, &attachment));
	report("attach", "broker", start);
	vmnet_broker_attachment_free(attachment);

	start = now();
	fd = bare_attach(bridge);
	report("attach", "bare", start);
	(void)close(fd);
}

/* The end of the last hold removes the network, which its client does not wait for. */
static void wait_for_removal(struct vmnet_broker *broker)
{
	struct vmnet_broker_inspection *inspection;
	bool active = true;

	while (active) {
		check(broker, vmnet_broker_inspect(broker, NETWORK, &inspection));
		active = inspection->network.active;
		vmnet_broker_inspection_free(inspection);
	}
}

/* The first hold on a network makes it. */
static void time_create(const char *directory)
{
	struct vmnet_broker *broker = connect_broker();
	double start;

	start = now();
	check(broker, vmnet_broker_acquire(broker, NETWORK, NULL));
	report("create", "broker", start);
	check(broker, vmnet_broker_release(broker, NETWORK));
	wait_for_removal(broker);
	vmnet_broker_close(broker);

	start = now();
	bare_network_create("bench0", directory);
	report("create", "bare", start);
	bare_network_remove("bench0", directory);
}

int main(int argc, char **argv)
{
	struct vmnet_broker_network *network;
	struct vmnet_broker *broker;
	int echo, rounds;

	if (argc != 3)
		bench_fail("usage", "requests ROUNDS DIRECTORY");
	rounds = atoi(argv[1]);
	bare_start();
	for (int i = 0; i < rounds; i++)
		time_create(argv[2]);

	echo = start_echo();
	broker = connect_broker();
	check(broker, vmnet_broker_acquire(broker, NETWORK, &network));
	for (int i = 0; i < rounds; i++) {
		time_hold(broker, echo);
		time_attach(broker, network->bridge);
	}
	vmnet_broker_network_free(network);
	vmnet_broker_close(broker);
	(void)close(echo);
	return EXIT_SUCCESS;
}
