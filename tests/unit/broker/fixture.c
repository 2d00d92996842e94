/* SPDX-License-Identifier: Apache-2.0 */
/* Two networks, and who uses them. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"

#include <stdio.h>

const char *const networks_json =
	"{ \"default\": { \"mode\": \"shared\", \"aliases\": [\"shared\"] },"
	"  \"lab\": { \"mode\": \"host\", \"max_interfaces\": 2,"
	"    \"rate_limit_in\": { \"bits_per_second\": 1000000 },"
	"    \"allow\": { \"users\": [1000], \"groups\": [50] } } }";

struct broker *broker;
char config_path[] = "/tmp/vmnet-broker-test-XXXXXX";

static struct config *parse(const char *text)
{
	struct config_errors errors = { 0 };
	struct config *config = config_parse(text, strlen(text), &errors);

	assert_non_null(config);
	config_errors_clear(&errors);
	return config;
}

int setup(void **state)
{
	(void)state;
	fake_reset();
	broker = broker_new(parse(networks_json), config_path);
	return broker ? 0 : -1;
}

int teardown(void **state)
{
	(void)state;
	while (broker->clients)
		fake_disconnect(broker->clients->connection);
	for (struct network *n = broker->networks; n; n = n->next) {
		for (struct interface *i = n->interfaces; i; i = i->next)
			free(i->platform);
		free(n->platform);
	}
	broker_free(broker);
	return 0;
}

struct fake_client *connect_user(uid_t uid)
{
	struct fake_client *client = fake_connect(broker, uid, 100);

	assert_non_null(client);
	return client;
}

struct network *network_in(const char *name, enum network_state state)
{
	struct network *network = fake_network(broker, name, state);

	assert_non_null(network);
	return network;
}

struct fake_client *holder(const char *name)
{
	struct fake_client *client = connect_user(1000);

	fake_acquire(client, name);
	if (client->asked)
		fake_created(network_in(name, NETWORK_CREATING));
	assert_int_equal(client->error.code, ERROR_NONE);
	assert_string_equal(client->network, name);
	return client;
}

struct interface *attached(struct fake_client *client, const char *network, bool named)
{
	struct attach_request request = { .network = network, .queues = 1, .by_name = named };
	struct interface *interface;

	fake_attach(client, &request);
	assert_true(client->asked);
	interface = network_in(network, NETWORK_ACTIVE)->interfaces;
	fake_attached(interface);
	assert_int_equal(client->error.code, ERROR_NONE);
	return interface;
}

struct lease *lease(const char *address, struct lease *next)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	assert_non_null(lease);
	(void)snprintf(lease->address, sizeof(lease->address), "%s", address);
	lease->next = next;
	return lease;
}
