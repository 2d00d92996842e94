/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of everything that clients, machines, the platform and the
 * administrator can do to the policy, with its invariants checked after each
 * step. Two bytes of input are one step: what, and to whom. One byte more has it
 * start with a file that cannot be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_platform.h"
#include "tests/unit/log_double.h"
#include "tests/unit/must.h"

#define N_CLIENTS 4
#define N_STEPS 13

static const char *const configs[] = {
	("{ \"a\": { \"mode\": \"shared\", \"aliases\": [\"b\"], \"max_interfaces\": 3 },"
	 "  \"c\": { \"mode\": \"host\", \"allow\": { \"users\": [1001] } } }"),
	"{ \"a\": { \"mode\": \"host\" }, \"b\": { \"mode\": \"shared\" } }",
	"{ \"c\": { \"mode\": \"shared\", \"aliases\": [\"a\", \"b\"] } }",
	"not a configuration",
};

static const char *const names[] = { "a", "b", "c", "d" };

static char config_path[] = "/tmp/vmnet-broker-fuzz-XXXXXX";
static struct broker *broker;
static struct fake_client *clients[N_CLIENTS];

static void write_config(const char *text)
{
	FILE *file = fopen(config_path, "w");

	if (!file || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

static struct network *pick_network(unsigned int which)
{
	struct network *network = broker->networks;

	for (which %= 4; network && which > 0; which--)
		network = network->next;
	return network;
}

static struct interface *pick_interface(unsigned int which)
{
	struct network *network = pick_network(which);
	struct interface *interface = network ? network->interfaces : NULL;

	for (which /= 4; interface && which % 4 > 0; which--)
		interface = interface->next;
	return interface;
}

/* What the platform has been asked for, it does. */
static void finish_network(struct network *network, bool well)
{
	if (!network)
		return;
	if (network->state == NETWORK_REMOVING)
		fake_removed(network);
	else if (network->state == NETWORK_CREATING && well)
		fake_created(network);
	else if (network->state == NETWORK_CREATING)
		fake_create_failed(network, "the fuzzer says so");
}

static void finish_interface(struct interface *interface, bool well)
{
	if (!interface)
		return;
	if (interface->state != INTERFACE_ATTACHING)
		fake_detached(interface);
	else if (well)
		fake_attached(interface);
	else
		fake_attach_failed(interface, "the fuzzer says so");
}

static size_t count_holds(const struct client *client)
{
	size_t n = 0;

	for (const struct hold *hold = client->holds; hold; hold = hold->next)
		n++;
	return n;
}

static void client_step(unsigned int what, unsigned int who)
{
	struct fake_client **client = &clients[who % N_CLIENTS];
	const char *name = names[who / N_CLIENTS % 4];
	struct attach_request request = { .network = name, .queues = 1, .by_name = who & 64 };
	struct mac_address mac = { { 2, 0, 0, 0, 0, (uint8_t)(who & 3) } };
	struct network_info *infos;
	struct network_info info;
	struct error error;
	size_t n;

	if (!*client) {
		*client = fake_connect(broker, 1000 + who % N_CLIENTS % 2, 100);
		return;
	}
	if (what == 0) {
		fake_disconnect(*client);
		*client = NULL;
		return;
	}
	if ((*client)->asked)
		return;
	if (who & 128)
		request.mac = &mac;
	switch (what) {
	case 1:
		fake_acquire(*client, name);
		break;
	case 2:
		n = count_holds((*client)->client);
		if (broker_release((*client)->client, name, &error) == 0)
			must(count_holds((*client)->client) == n - 1);
		break;
	case 3:
		fake_attach(*client, &request);
		break;
	case 4:
		broker_monitor((*client)->client);
		break;
	case 5:
		if (broker_list((*client)->client, &infos, &n, &error) == 0)
			free(infos);
		(void)broker_inspect((*client)->client, name, &info, &error);
		break;
	default:
		break;
	}
}

/* The broker starts anew, as far as a network goes that it does not know. */
static void adopt(unsigned int who)
{
	const struct network_config *config = config_find(broker->config, names[who % 4]);
	struct fake_client *holders[N_CLIENTS];
	size_t n = 0;

	if (!config)
		return;
	for (struct network *network = broker->networks; network; network = network->next)
		if (strcmp(network->config->name, config->name) == 0)
			return;
	for (unsigned int i = 0; i < N_CLIENTS; i++)
		if (clients[i] && (who & (4U << i)))
			holders[n++] = clients[i];
	(void)fake_adopt(broker, config->name, holders, n, who & 128);
}

static void step(unsigned int what, unsigned int who)
{
	struct network *network;
	struct error error;

	switch (what % N_STEPS) {
	case 6:
	case 7:
		finish_network(pick_network(who), who & 128);
		break;
	case 8:
		finish_interface(pick_interface(who), who & 128);
		break;
	case 9:
		write_config(configs[who % 4]);
		(void)broker_reload(broker, &error);
		break;
	case 10:
		network = pick_network(who);
		if (network && network->state == NETWORK_ACTIVE) {
			struct lease *lease = calloc(1, sizeof(*lease));

			if (!lease)
				abort();
			lease->mac.bytes[5] = (uint8_t)who;
			broker_leases_changed(network, lease);
		}
		break;
	case 11:
		network = pick_network(who);
		if (network)
			broker_network_fault(network, (enum fault_kind)(who / 4 % N_FAULTS),
					     who & 128 ? "faulty" : NULL);
		break;
	case 12:
		adopt(who);
		break;
	default:
		client_step(what % N_STEPS, who);
		break;
	}
	fake_events[0] = '\0';
	log_double_clear();
	fake_check_invariants(broker);
}

/* Whatever the state: once all clients and devices have gone, nothing is left. */
static void wind_up(void)
{
	for (unsigned int i = 0; i < N_CLIENTS; i++) {
		if (clients[i])
			fake_disconnect(clients[i]);
		clients[i] = NULL;
		fake_check_invariants(broker);
	}
	while (broker->networks) {
		struct network *network = broker->networks;

		if (network->interfaces)
			finish_interface(network->interfaces, true);
		else
			finish_network(network, true);
		fake_check_invariants(broker);
	}
	if (fake_devices != 0 || !broker_is_idle(broker))
		abort();
	broker_free(broker);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_config(void)
{
	unlink(config_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd = mkstemp(config_path);

	(void)argc;
	(void)argv;
	if (fd < 0)
		abort();
	close(fd);
	return atexit(remove_config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = { 0 };
	struct config *config = config_parse(configs[0], strlen(configs[0]), &errors);

	fake_reset();
	if (size % 2 == 1) {
		config_free(config);
		config = config_parse(configs[3], strlen(configs[3]), &errors);
		config = config ? NULL : config_unusable(&errors, config_path);
	}
	broker = config ? broker_new(config, config_path) : NULL;
	if (!broker)
		abort();
	config_errors_clear(&errors);
	for (size_t i = 0; i + 1 < size && i < 400; i += 2)
		step(data[i], data[i + 1]);
	wind_up();
	return 0;
}
