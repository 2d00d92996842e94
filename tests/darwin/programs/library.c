/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of libvmnet-broker. It does what its standard input says, a line
 * each, and answers with a line each: the status, and either what it got or
 * the sentence for people.
 *
 *	connect, close
 *	acquire NAME, release NAME, inspect NAME, serialization NAME
 *	list, reload, monitor, next MILLISECONDS
 *	acquire_network NAME     the call that existing programs use
 */
#include <CoreFoundation/CoreFoundation.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmnet-broker.h>
#include <vmnet/vmnet.h>

static struct vmnet_broker *broker;

__attribute__((format(printf, 2, 3))) static void say(vmnet_broker_return_t status,
						      const char *format, ...)
{
	va_list arguments;

	printf("%d ", (int)status);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

static void say_error(vmnet_broker_return_t status)
{
	say(status, "%s", vmnet_broker_error(broker));
}

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static void say_network(const struct vmnet_broker_network *network)
{
	say(VMNET_BROKER_SUCCESS,
	    "name=%s mode=%d active=%d subnet=%s gateway=%s prefix=%s mtu=%" PRIu32
	    " clients=%" PRIu32 " changed=%d description=%s",
	    network->name, (int)network->mode, network->active, or_none(network->ipv4_subnet),
	    or_none(network->ipv4_gateway), or_none(network->ipv6_prefix), network->mtu,
	    network->clients, network->changed, or_none(network->description));
}

/* What a virtual machine monitor does with it. Takes over the serialization. */
static void say_joined(xpc_object_t serialization)
{
	char text[INET_ADDRSTRLEN];
	vmnet_return_t status;
	struct in_addr subnet;
	struct in_addr mask;
	vmnet_network_ref network = vmnet_network_create_with_serialization(serialization, &status);

	xpc_release(serialization);
	if (!network) {
		say(VMNET_BROKER_SUCCESS, "vmnet %d", (int)status);
		return;
	}
	vmnet_network_get_ipv4_subnet(network, &subnet, &mask);
	CFRelease(network);
	say(VMNET_BROKER_SUCCESS, "joined %s", inet_ntop(AF_INET, &subnet, text, sizeof(text)));
}

static void do_connect(const char *argument)
{
	vmnet_broker_return_t status;

	(void)argument;
	broker = vmnet_broker_connect(&status);
	say(status, "%s", vmnet_broker_strerror(status));
}

static void do_close(const char *argument)
{
	(void)argument;
	vmnet_broker_close(broker);
	broker = NULL;
	say(VMNET_BROKER_SUCCESS, "closed");
}

static void do_acquire(const char *name)
{
	struct vmnet_broker_network *network;
	vmnet_broker_return_t status = vmnet_broker_acquire(broker, name, &network);

	if (status == VMNET_BROKER_SUCCESS)
		say_network(network);
	else
		say_error(status);
	vmnet_broker_network_free(network);
}

static void do_release(const char *name)
{
	vmnet_broker_return_t status = vmnet_broker_release(broker, name);

	say(status, "%s", status == VMNET_BROKER_SUCCESS ? "" : vmnet_broker_error(broker));
}

static void do_inspect(const char *name)
{
	struct vmnet_broker_inspection *inspection;
	vmnet_broker_return_t status = vmnet_broker_inspect(broker, name, &inspection);

	if (status != VMNET_BROKER_SUCCESS) {
		say_error(status);
		return;
	}
	printf("0 %s %s", inspection->network->name, or_none(inspection->network->ipv4_subnet));
	for (size_t i = 0; i < inspection->n_clients; i++)
		printf(" %" PRId64 "/%" PRId64 "/%s", inspection->clients[i]->pid,
		       inspection->clients[i]->uid, inspection->clients[i]->command);
	putchar('\n');
	fflush(stdout);
	vmnet_broker_inspection_free(inspection);
}

static void do_list(const char *argument)
{
	struct vmnet_broker_network **networks;
	size_t n;
	vmnet_broker_return_t status = vmnet_broker_list(broker, &networks, &n);

	(void)argument;
	if (status != VMNET_BROKER_SUCCESS) {
		say_error(status);
		return;
	}
	printf("0");
	for (size_t i = 0; i < n; i++)
		printf(" %s:%s", networks[i]->name, networks[i]->active ? "active" : "inactive");
	putchar('\n');
	fflush(stdout);
	vmnet_broker_networks_free(networks, n);
}

static void do_reload(const char *argument)
{
	vmnet_broker_return_t status = vmnet_broker_reload(broker);

	(void)argument;
	say(status, "%s", status == VMNET_BROKER_SUCCESS ? "" : vmnet_broker_error(broker));
}

static void do_monitor(const char *argument)
{
	vmnet_broker_return_t status = vmnet_broker_monitor(broker);

	(void)argument;
	say(status, "%s", status == VMNET_BROKER_SUCCESS ? "" : vmnet_broker_error(broker));
}

static void do_next(const char *timeout)
{
	struct vmnet_broker_event *event;
	vmnet_broker_return_t status = vmnet_broker_next_event(broker, atoi(timeout), &event);

	if (status != VMNET_BROKER_SUCCESS)
		say_error(status);
	else if (!event)
		say(status, "none");
	else if (event->client)
		say(status, "%s %s %" PRId64, vmnet_broker_event_name(event->type), event->network,
		    event->client->pid);
	else
		say(status, "%s %s", vmnet_broker_event_name(event->type), event->network);
	vmnet_broker_event_free(event);
}

static void do_serialization(const char *name)
{
	vmnet_broker_return_t status;
	xpc_object_t serialization = vmnet_broker_network_serialization(broker, name, &status);

	if (serialization)
		say_joined(serialization);
	else
		say_error(status);
}

static void do_acquire_network(const char *name)
{
	vmnet_broker_return_t status;
	xpc_object_t serialization = vmnet_broker_acquire_network(name, &status);

	if (serialization)
		say_joined(serialization);
	else
		say(status, "%s", vmnet_broker_strerror(status));
}

static const struct {
	const char *name;
	void (*run)(const char *argument);
} verbs[] = {
	{ "connect", do_connect },
	{ "close", do_close },
	{ "acquire", do_acquire },
	{ "release", do_release },
	{ "inspect", do_inspect },
	{ "list", do_list },
	{ "reload", do_reload },
	{ "monitor", do_monitor },
	{ "next", do_next },
	{ "serialization", do_serialization },
	{ "acquire_network", do_acquire_network },
};

int main(void)
{
	char line[512];

	while (fgets(line, sizeof(line), stdin)) {
		char *argument = line;
		const char *name;

		line[strcspn(line, "\n")] = '\0';
		name = strsep(&argument, " ");
		for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
			if (strcmp(verbs[i].name, name) == 0)
				verbs[i].run(argument);
	}
	return 0;
}
