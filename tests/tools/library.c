/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses libvmnet-broker as programs do, for
 * tests/integration/test_client_library.py:
 *
 *	library threads NETWORK N	N threads with a connection each live and leave
 *	library gone NETWORK		waits for the broker's end, and says how it shows
 *	library inherit NETWORK		what a child gets of an attached interface
 *	library monitor NETWORK		prints the events of a hold that is taken and given back
 *	library acquire NETWORK		prints the status and the sentence
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmnet-broker.h>

#define ROUNDS 20

static struct vmnet_broker *connect_or_exit(void)
{
	vmnet_broker_return_t status;
	struct vmnet_broker *broker = vmnet_broker_connect(&status);

	if (broker)
		return broker;
	printf("%d %s\n", (int)status, strerror(errno));
	exit(1);
}

static void check(struct vmnet_broker *broker, vmnet_broker_return_t status)
{
	if (status == VMNET_BROKER_SUCCESS)
		return;
	printf("%d %s\n", (int)status, vmnet_broker_error(broker));
	exit(1);
}

static void *live(void *argument)
{
	const char *name = argument;
	struct vmnet_broker *broker = connect_or_exit();

	for (int i = 0; i < ROUNDS; i++) {
		struct vmnet_broker_attach_options options = { .size = sizeof(options),
							       .queues = 2 };
		struct vmnet_broker_network *network;
		struct vmnet_broker_attachment *attachment;
		struct vmnet_broker_inspection *inspection;
		struct vmnet_broker_network **networks;
		size_t n_networks;

		check(broker, vmnet_broker_acquire(broker, name, &network));
		vmnet_broker_network_free(network);
		check(broker, vmnet_broker_attach(broker, name, &options, &attachment));
		check(broker, vmnet_broker_inspect(broker, name, &inspection));
		vmnet_broker_inspection_free(inspection);
		vmnet_broker_attachment_free(attachment);
		check(broker, vmnet_broker_list(broker, &networks, &n_networks));
		vmnet_broker_networks_free(networks, n_networks);
		check(broker, vmnet_broker_release(broker, name));
	}
	vmnet_broker_close(broker);
	return NULL;
}

static int threads(char *name, int n)
{
	pthread_t *ids = calloc((size_t)n, sizeof(*ids));

	if (!ids)
		return 1;
	for (int i = 0; i < n; i++)
		if (pthread_create(&ids[i], NULL, live, name) != 0)
			return 1;
	for (int i = 0; i < n; i++)
		(void)pthread_join(ids[i], NULL);
	free(ids);
	/* Only what the process began with is open: the next descriptor is the third. */
	printf("next descriptor %d\n", dup(0));
	return 0;
}

static int gone(const char *name)
{
	struct vmnet_broker *broker = connect_or_exit();
	struct pollfd pollfd = { .fd = vmnet_broker_fd(broker), .events = POLLIN };
	vmnet_broker_return_t status;

	check(broker, vmnet_broker_acquire(broker, name, NULL));
	printf("ready %d\n", poll(&pollfd, 1, 0));
	(void)fflush(stdout);
	if (poll(&pollfd, 1, -1) != 1)
		return 1;
	for (int i = 0; i < 2; i++) {
		status = vmnet_broker_release(broker, name);
		printf("%d %s\n", (int)status, vmnet_broker_error(broker));
	}
	vmnet_broker_close(broker);
	return 0;
}

static int inherit(const char *name)
{
	struct vmnet_broker *broker = connect_or_exit();
	struct vmnet_broker_attachment *attachment;

	check(broker, vmnet_broker_acquire(broker, name, NULL));
	check(broker, vmnet_broker_attach(broker, name, NULL, &attachment));
	(void)fflush(stdout);
	/* The shell's own descriptors are 0, 1 and 2, and "ls" opens one. */
	if (system("ls /proc/self/fd | wc -l") != 0)
		return 1;
	vmnet_broker_attachment_free(attachment);
	vmnet_broker_close(broker);
	return 0;
}

static int monitor(const char *name)
{
	struct vmnet_broker *listener = connect_or_exit();
	struct vmnet_broker *broker = connect_or_exit();
	struct vmnet_broker_event *event;
	enum vmnet_broker_event_type type;

	check(listener, vmnet_broker_monitor(listener));
	check(broker, vmnet_broker_acquire(broker, name, NULL));
	vmnet_broker_close(broker);
	do {
		check(listener, vmnet_broker_next_event(listener, 10000, &event));
		if (!event)
			return 1;
		type = event->type;
		printf("%s %s %jd\n", vmnet_broker_event_name(type), event->network,
		       event->client ? (intmax_t)event->client->uid : -1);
		vmnet_broker_event_free(event);
	} while (type != VMNET_BROKER_NETWORK_REMOVED);
	vmnet_broker_close(listener);
	return 0;
}

static int acquire(const char *name)
{
	struct vmnet_broker *broker = connect_or_exit();
	vmnet_broker_return_t status = vmnet_broker_acquire(broker, name, NULL);

	printf("%d %s\n", (int)status, vmnet_broker_error(broker));
	vmnet_broker_close(broker);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "threads") == 0)
		return threads(argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "gone") == 0)
		return gone(argv[2]);
	if (argc == 3 && strcmp(argv[1], "inherit") == 0)
		return inherit(argv[2]);
	if (argc == 3 && strcmp(argv[1], "monitor") == 0)
		return monitor(argv[2]);
	if (argc == 3 && strcmp(argv[1], "acquire") == 0)
		return acquire(argv[2]);
	return 2;
}
