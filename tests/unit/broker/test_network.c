/* SPDX-License-Identifier: Apache-2.0 */
/* The policy against a platform that does what the test says, when it says so. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "broker/user_limits.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/log_double.h"

static const char *const networks_json =
	"{ \"default\": { \"mode\": \"shared\", \"aliases\": [\"shared\"] },"
	"  \"lab\": { \"mode\": \"host\", \"max_interfaces\": 2,"
	"    \"allow\": { \"users\": [1000], \"groups\": [50] } } }";

static struct broker *broker;
static char config_path[] = "/tmp/vmnet-broker-test-XXXXXX";

static struct config *parse(const char *text)
{
	struct config_errors errors = { 0 };
	struct config *config = config_parse(text, strlen(text), &errors);

	assert_non_null(config);
	config_errors_clear(&errors);
	return config;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	broker = broker_new(parse(networks_json), config_path);
	return broker ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	while (broker->clients)
		fake_disconnect(broker->clients->door);
	for (struct network *n = broker->networks; n; n = n->next) {
		for (struct interface *i = n->interfaces; i; i = i->next)
			free(i->platform);
		free(n->platform);
	}
	broker_free(broker);
	return 0;
}

/* The broker reads no file that is not root's. */
static void write_config(const char *text)
{
	FILE *file;

	if (geteuid() != 0) {
		print_message("skipped: only root can write a configuration that is trusted\n");
		skip();
	}
	file = fopen(config_path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static struct fake_client *connect_user(uid_t uid)
{
	struct fake_client *client = fake_connect(broker, uid, 100);

	assert_non_null(client);
	return client;
}

static struct network *network_in(const char *name, enum network_state state)
{
	struct network *network = fake_network(broker, name, state);

	assert_non_null(network);
	return network;
}

/* A client of uid 1000 that holds an active network. */
static struct fake_client *holder(const char *name)
{
	struct fake_client *client = connect_user(1000);

	fake_acquire(client, name);
	if (client->asked)
		fake_created(network_in(name, NETWORK_CREATING));
	assert_int_equal(client->error.code, ERROR_NONE);
	assert_string_equal(client->network, name);
	return client;
}

static struct interface *attached(struct fake_client *client, const char *network, bool named)
{
	struct attach_request request = { .network = network, .queues = 1, .named = named };
	struct interface *interface;

	fake_attach(client, &request);
	assert_true(client->asked);
	interface = network_in(network, NETWORK_ACTIVE)->interfaces;
	fake_attached(interface);
	assert_int_equal(client->error.code, ERROR_NONE);
	return interface;
}

static void test_first_hold_creates_and_all_wait(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1001);

	(void)state;
	fake_acquire(first, "default");
	fake_acquire(second, "shared");
	assert_true(first->asked && second->asked);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
	assert_string_equal(second->network, "default");
	fake_check_invariants(broker);
}

static void test_last_release_removes(void **state)
{
	struct fake_client *first = holder("default");
	struct fake_client *second = holder("default");
	struct error error;

	(void)state;
	assert_int_equal(broker_release(first->client, "shared", &error), 0);
	network_in("default", NETWORK_ACTIVE);
	fake_disconnect(second);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_null(broker->networks);
	assert_int_equal(fake_idle_calls, 0);
	fake_disconnect(first);
	assert_int_equal(fake_idle_calls, 1);
}

static void test_second_acquire_takes_no_second_hold(void **state)
{
	struct fake_client *client = holder("default");
	struct error error;

	(void)state;
	fake_acquire(client, "shared");
	assert_int_equal(client->answers, 2);
	assert_string_equal(client->network, "default");
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	network_in("default", NETWORK_REMOVING);
	assert_int_equal(broker_release(client->client, "default", &error), -1);
	assert_int_equal(error.code, ERROR_NOT_ACQUIRED);
	assert_string_equal(error.reason, "this connection does not hold network \"default\"; "
					  "acquire it first");
}

static void test_creation_fails_for_all_who_wait(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1000);

	(void)state;
	fake_acquire(first, "default");
	fake_acquire(second, "default");
	fake_create_failed(network_in("default", NETWORK_CREATING), "no such luck");
	assert_int_equal(first->error.code, ERROR_CREATE_FAILED);
	assert_string_equal(second->error.reason, "no such luck");
	assert_null(broker->networks);
	fake_acquire(first, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
}

static void acquire_again(struct fake_client *client)
{
	client->answered = NULL;
	fake_acquire(client, "default");
}

static void test_answered_client_asks_again_at_once(void **state)
{
	struct fake_client *first = connect_user(1000);
	struct fake_client *second = connect_user(1000);

	(void)state;
	first->answered = acquire_again;
	fake_acquire(first, "default");
	fake_acquire(second, "default");
	fake_create_failed(network_in("default", NETWORK_CREATING), "no such luck");
	assert_true(first->asked);
	assert_int_equal(second->error.code, ERROR_CREATE_FAILED);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(first->network, "default");
}

static void release_and_acquire_again(struct fake_client *client)
{
	struct error error;

	client->answered = NULL;
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	fake_acquire(client, "default");
}

static void test_answered_client_releases_at_once(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	client->answered = release_and_acquire_again;
	fake_acquire(client, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	assert_true(client->asked);
	fake_check_invariants(broker);
	fake_removed(network_in("default", NETWORK_REMOVING));
	fake_created(network_in("default", NETWORK_CREATING));
	assert_false(client->asked);
	assert_string_equal(client->network, "default");
}

static void test_client_gone_in_creation(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	fake_acquire(client, "default");
	fake_disconnect(client);
	fake_created(network_in("default", NETWORK_CREATING));
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_true(broker_is_idle(broker));
	assert_int_equal(fake_idle_calls, 1);
}

static void test_acquire_during_removal_is_the_next_life(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *gone = connect_user(1000);

	(void)state;
	fake_disconnect(holder("default"));
	fake_acquire(client, "default");
	fake_acquire(gone, "default");
	assert_true(client->asked);
	fake_disconnect(gone);
	fake_check_invariants(broker);
	fake_removed(network_in("default", NETWORK_REMOVING));
	fake_created(network_in("default", NETWORK_CREATING));
	assert_string_equal(client->network, "default");
	fake_check_invariants(broker);
}

static void test_configuration_lost_during_removal(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct error error;

	(void)state;
	fake_disconnect(holder("default"));
	fake_acquire(client, "default");
	write_config("{ \"other\": { \"mode\": \"shared\" } }");
	assert_int_equal(broker_reload(broker, &error), 0);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_false(client->asked);
	assert_int_equal(client->error.code, ERROR_NETWORK_NOT_FOUND);
	assert_null(broker->networks);
}

static void test_not_found(void **state)
{
	struct fake_client *client = connect_user(1000);

	(void)state;
	fake_acquire(client, "nowhere");
	assert_int_equal(client->error.code, ERROR_NETWORK_NOT_FOUND);
	assert_string_equal(client->error.reason,
			    "no network \"nowhere\" is configured; \"vmnetctl networks\" lists "
			    "those that are");
}

static void test_allow(void **state)
{
	struct fake_client *user = connect_user(1000);
	struct fake_client *member = fake_connect(broker, 1001, 50);
	struct fake_client *stranger = connect_user(1001);
	struct fake_client *root = connect_user(0);
	struct network_info *infos;
	struct network_info info;
	struct error error;
	size_t n;

	(void)state;
	fake_acquire(stranger, "lab");
	assert_int_equal(stranger->error.code, ERROR_NOT_ALLOWED);
	assert_string_equal(stranger->error.reason,
			    "network \"lab\" may be acquired only by user \"1000\", group \"50\" "
			    "and root");
	assert_int_equal(broker_inspect(stranger->client, "lab", &info, &error), -1);
	assert_int_equal(error.code, ERROR_NOT_ALLOWED);
	assert_int_equal(broker_list(stranger->client, &infos, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_string_equal(infos[0].config->name, "default");
	free(infos);

	fake_acquire(user, "lab");
	fake_acquire(member, "lab");
	fake_acquire(root, "lab");
	fake_created(network_in("lab", NETWORK_CREATING));
	assert_string_equal(user->network, "lab");
	assert_string_equal(member->network, "lab");
	assert_string_equal(root->network, "lab");
	assert_int_equal(broker_list(member->client, &infos, &n, &error), 0);
	assert_int_equal(n, 2);
	assert_null(infos[0].network);
	assert_non_null(infos[1].network);
	assert_int_equal(infos[1].n_clients, 3);
	free(infos);
}

static void test_reload(void **state)
{
	struct fake_client *client = holder("lab");
	struct fake_client *other = connect_user(1000);
	struct network_info *infos;
	struct network_info info;
	struct error error;
	size_t n;

	(void)state;
	write_config("{ \"default\": { \"mode\": \"shard\" } }");
	assert_int_equal(broker_reload(broker, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_CONFIGURATION);
	assert_non_null(strstr(error.reason, "default"));
	assert_int_equal(broker_inspect(client->client, "lab", &info, &error), 0);
	assert_false(info.changed);

	write_config("{ \"lab\": { \"mode\": \"shared\" } }");
	assert_int_equal(broker_reload(broker, &error), 0);
	assert_int_equal(broker_inspect(client->client, "lab", &info, &error), 0);
	assert_true(info.changed);
	assert_int_equal(info.config->mode, NETWORK_HOST);

	write_config("{ \"default\": { \"mode\": \"shared\" } }");
	assert_int_equal(broker_reload_for(client->client, &error), -1);
	assert_int_equal(error.code, ERROR_NOT_ALLOWED);
	assert_int_equal(broker_reload_for(connect_user(0)->client, &error), 0);
	/* Lost by the file, it lives on, and can be had for as long. */
	fake_acquire(other, "lab");
	assert_string_equal(other->network, "lab");
	assert_int_equal(broker_list(client->client, &infos, &n, &error), 0);
	assert_int_equal(n, 2);
	assert_string_equal(infos[1].config->name, "lab");
	assert_true(infos[1].changed);
	free(infos);
	assert_int_equal(broker_list(connect_user(1001)->client, &infos, &n, &error), 0);
	assert_int_equal(n, 1);
	free(infos);
	fake_disconnect(client);
	fake_disconnect(other);
	fake_removed(network_in("lab", NETWORK_REMOVING));
	other = connect_user(1000);
	fake_acquire(other, "lab");
	assert_int_equal(other->error.code, ERROR_NETWORK_NOT_FOUND);
}

/* As after the start of a broker whose file is this. */
static void start_over_with(const char *text)
{
	struct config_errors errors = { 0 };

	assert_null(config_parse(text, strlen(text), &errors));
	config_free(broker->config);
	broker->config = config_unusable(&errors, config_path);
	assert_non_null(broker->config);
	config_errors_clear(&errors);
}

static void assert_unusable(struct fake_client *client, const char *name, const char *what)
{
	char expected[512];

	(void)snprintf(expected, sizeof(expected),
		       "the configuration cannot be used: %s:%s; see \"vmnetctl check\", and run "
		       "\"vmnetctl reload\" once it is mended",
		       config_path, what);
	fake_acquire(client, name);
	assert_int_equal(client->error.code, ERROR_INVALID_CONFIGURATION);
	assert_string_equal(client->error.reason, expected);
}

/* What is active goes on under what it was made with, and nothing else is to be had. */
static void test_a_configuration_that_cannot_be_used(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *stranger = connect_user(1001);
	struct fake_client *root = connect_user(0);
	struct network_info *infos;
	struct error error;
	size_t n;

	(void)state;
	(void)fake_adopt(broker, "lab", &client, 1, true);
	start_over_with("{ \"lab\": { \"mode\": \"hots\", \"mtu\": 5 } }");
	assert_unusable(client, "default",
			"1:20: network \"lab\": \"mode\" must be \"shared\", \"host\" or "
			"\"bridged\", not \"hots\" (and 1 more)");
	fake_acquire(stranger, "lab");
	assert_int_equal(stranger->error.code, ERROR_NOT_ALLOWED);
	fake_acquire(root, "lab");
	assert_string_equal(root->network, "lab");
	assert_int_equal(broker_list(client->client, &infos, &n, &error), 0);
	assert_int_equal(n, 1);
	assert_string_equal(infos[0].config->name, "lab");
	assert_false(infos[0].changed);
	free(infos);

	/* Who waits for a next life is told that there is none. */
	assert_int_equal(broker_release(root->client, "lab", &error), 0);
	assert_int_equal(broker_release(client->client, "lab", &error), 0);
	fake_detached(network_in("lab", NETWORK_ACTIVE)->interfaces);
	fake_acquire(client, "lab");
	fake_removed(network_in("lab", NETWORK_REMOVING));
	assert_int_equal(client->error.code, ERROR_INVALID_CONFIGURATION);

	write_config("{");
	assert_int_equal(broker_reload(broker, &error), -1);
	assert_unusable(client, "lab", "1:1: this { is never closed");
	write_config(networks_json);
	assert_int_equal(broker_reload(broker, &error), 0);
	fake_acquire(client, "lab");
	fake_created(network_in("lab", NETWORK_CREATING));
	assert_string_equal(client->network, "lab");
}

static void test_interface_keeps_its_network(void **state)
{
	struct fake_client *client = holder("default");
	struct interface *interface = attached(client, "default", false);

	(void)state;
	fake_disconnect(client);
	fake_check_invariants(broker);
	network_in("default", NETWORK_ACTIVE);
	fake_detached(interface);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_int_equal(fake_devices, 0);
}

static void test_named_interface_goes_with_the_hold(void **state)
{
	struct fake_client *client = holder("default");
	struct fake_client *other = holder("default");
	struct interface *interface = attached(client, "default", true);
	struct error error;

	(void)state;
	assert_int_equal(interface->owner, 1000);
	assert_int_equal(broker_release(client->client, "default", &error), 0);
	assert_int_equal(interface->state, INTERFACE_DETACHING);
	fake_detached(interface);
	assert_int_equal(fake_devices, 0);
	network_in("default", NETWORK_ACTIVE);
	fake_disconnect(other);
	network_in("default", NETWORK_REMOVING);
}

static void test_client_gone_while_attaching(void **state)
{
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	for (int named = 0; named <= 1; named++) {
		struct fake_client *client = holder("default");
		struct interface *interface;

		request.named = named;
		fake_attach(client, &request);
		interface = network_in("default", NETWORK_ACTIVE)->interfaces;
		fake_disconnect(client);
		fake_check_invariants(broker);
		fake_attached(interface);
		assert_int_equal(fake_discarded, named + 1);
		assert_int_equal(interface->state,
				 named ? INTERFACE_DETACHING : INTERFACE_ATTACHED);
		fake_detached(interface);
		fake_removed(network_in("default", NETWORK_REMOVING));
	}
}

static void test_attach_fails(void **state)
{
	struct fake_client *client = holder("default");
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	fake_attach(client, &request);
	fake_attach_failed(network_in("default", NETWORK_ACTIVE)->interfaces, "no device");
	assert_int_equal(client->error.code, ERROR_CREATE_FAILED);
	assert_string_equal(client->error.reason, "no device");
	assert_null(network_in("default", NETWORK_ACTIVE)->interfaces);

	fake_attach(client, &request);
	struct interface *interface = network_in("default", NETWORK_ACTIVE)->interfaces;
	fake_disconnect(client);
	fake_attach_failed(interface, "no device");
	network_in("default", NETWORK_REMOVING);
}

static void test_attach_needs_a_hold(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	holder("default");
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_NOT_ACQUIRED);
	request.network = "nowhere";
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_NETWORK_NOT_FOUND);
}

static void test_attach_limit(void **state)
{
	struct fake_client *client = holder("lab");
	struct attach_request request = { .network = "lab", .queues = 1 };

	(void)state;
	attached(client, "lab", false);
	attached(client, "lab", false);
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "max_interfaces");
	assert_int_equal(client->error.value, 2);
	assert_string_equal(client->error.reason,
			    "network \"lab\" has 2 interfaces, as many as its \"max_interfaces\" "
			    "allows; stop a machine or raise it");
}

static void assert_too_many_requests(const struct fake_client *client)
{
	assert_false(client->asked);
	assert_int_equal(client->error.code, ERROR_LIMIT_EXCEEDED);
	assert_string_equal(client->error.limit, "requests_per_user");
	assert_int_equal(client->error.value, LIMIT_USER_REQUESTS);
}

/* Of holds and of interfaces, and of that user alone. */
static void test_too_many_requests(void **state)
{
	struct fake_client *clients[LIMIT_USER_REQUESTS];
	struct fake_client *last = connect_user(1000);
	struct fake_client *other = connect_user(1001);
	const struct attach_request request = { .network = "default", .queues = 1 };

	(void)state;
	for (size_t i = 0; i < LIMIT_USER_REQUESTS; i++) {
		clients[i] = connect_user(1000);
		fake_acquire(clients[i], "default");
		assert_true(clients[i]->asked);
	}
	fake_acquire(last, "default");
	assert_too_many_requests(last);
	fake_acquire(other, "default");
	assert_true(other->asked);
	fake_check_invariants(broker);
	fake_created(network_in("default", NETWORK_CREATING));
	fake_acquire(last, "default");
	assert_int_equal(last->error.code, ERROR_NONE);
	for (size_t i = 0; i < LIMIT_USER_REQUESTS; i++) {
		fake_attach(clients[i], &request);
		assert_true(clients[i]->asked);
	}
	fake_attach(last, &request);
	assert_too_many_requests(last);
}

static void test_mac_addresses(void **state)
{
	struct fake_client *client = holder("default");
	struct mac_address mac;
	struct attach_request request = { .network = "default", .queues = 1, .mac = &mac };
	struct interface *interface = attached(client, "default", false);

	(void)state;
	assert_int_equal(interface->mac.bytes[0] & 3, 2);
	mac = interface->mac;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_string_equal(client->error.parameter, "mac_address");
	mac = network_in("default", NETWORK_ACTIVE)->addresses.bridge_mac;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INVALID_PARAMETER);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &mac), 0);
	fake_attach(client, &request);
	interface = network_in("default", NETWORK_ACTIVE)->interfaces;
	assert_true(mac_address_equal(&interface->mac, &mac));
	fake_attached(interface);
}

static struct lease *lease(const char *address, struct lease *next)
{
	struct lease *lease = calloc(1, sizeof(*lease));

	assert_non_null(lease);
	(void)snprintf(lease->address, sizeof(lease->address), "%s", address);
	lease->next = next;
	return lease;
}

/* As many as machines can have; would each be looked for among all, it took minutes. */
static void test_very_many_leases(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);

	(void)state;
	(void)alarm(20);
	for (int round = 0; round < 2; round++) {
		struct lease *leases = NULL;

		for (unsigned int i = 65536; i > 0; i--) {
			char address[16];

			(void)snprintf(address, sizeof(address), "%06u",
				       2 * i + (unsigned int)round);
			leases = lease(address, leases);
		}
		broker_leases_changed(network, leases);
	}
	(void)alarm(0);
	broker_leases_changed(network, NULL);
	fake_disconnect(client);
	fake_removed(network_in("default", NETWORK_REMOVING));
}

static void test_events(void **state)
{
	struct fake_client *watcher = connect_user(1001);
	struct fake_client *client;
	struct interface *interface;
	struct network *network;

	(void)state;
	broker_monitor(watcher->client);
	client = holder("lab"); /* which the watcher may not know of */
	assert_string_equal(fake_events, "");
	fake_disconnect(client);

	client = holder("default");
	interface = attached(client, "default", false);
	network = network_in("default", NETWORK_ACTIVE);
	broker_leases_changed(network, lease("192.168.64.2", lease("192.168.64.3", NULL)));
	broker_leases_changed(network, lease("192.168.64.3", lease("192.168.64.4", NULL)));
	fake_disconnect(client);
	fake_detached(interface);
	fake_removed(network_in("default", NETWORK_REMOVING));
	assert_string_equal(fake_events, "network_created default\n"
					 "client_acquired default test\n"
					 "interface_attached default vmt0\n"
					 "lease_added default 192.168.64.2\n"
					 "lease_added default 192.168.64.3\n"
					 "lease_removed default 192.168.64.2\n"
					 "lease_added default 192.168.64.4\n"
					 "client_released default test\n"
					 "interface_detached default vmt0\n"
					 "network_removed default\n");
}

static void test_adoption(void **state)
{
	struct network_config *config = network_config_ref(config_find(broker->config, "lab"));
	struct network_addresses addresses = { .bridge = "vmb-lab", .mtu = 1500 };
	struct mac_address mac = { { 2, 0, 0, 0, 0, 9 } };
	struct network *network = broker_network_adopt(broker, config, &addresses, NULL);
	struct interface *interface;
	struct fake_client *client;

	(void)state;
	assert_non_null(network);
	interface = broker_interface_adopt(network, "vmt7", &mac, 1000);
	assert_non_null(interface);
	assert_int_equal(interface->owner, 1000);
	broker_network_check(network);
	client = holder("lab");
	fake_disconnect(client);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	assert_string_equal(interface->name, "vmt7");
}

static void test_adopted_holds_go_on(void **state)
{
	struct fake_client *clients[] = { connect_user(1000), connect_user(1001) };
	struct network *network = fake_adopt(broker, "lab", clients, 2, true);
	struct error error;

	(void)state;
	fake_check_invariants(broker);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	assert_int_equal(network->interfaces->owner, 1000);
	/* Held already: no second hold. */
	fake_acquire(clients[0], "lab");
	assert_string_equal(clients[0]->network, "lab");
	assert_int_equal(broker_release(clients[0]->client, "lab", &error), 0);
	/* The named interface goes with its hold, and the network with the other one. */
	fake_check_invariants(broker);
	assert_int_equal(network->interfaces->state, INTERFACE_DETACHING);
	fake_detached(network->interfaces);
	assert_int_equal(network->state, NETWORK_ACTIVE);
	fake_disconnect(clients[1]);
	assert_int_equal(network->state, NETWORK_REMOVING);
}

static void test_claims_of_what_is_gone(void **state)
{
	struct fake_client *clients[] = { connect_user(1000), connect_user(1001) };
	struct network *network = fake_adopt(broker, "lab", clients, 2, true);
	const struct mac_address unknown = { { 2, 0, 0, 0, 0, 10 } };

	(void)state;
	broker_interface_claim(network, &unknown, clients[1]->client);
	/* What is the one's is not the other's. */
	broker_interface_claim(network, &network->interfaces->mac, clients[1]->client);
	assert_ptr_equal(network->interfaces->client, clients[0]->client);
	fake_check_invariants(broker);
}

static void test_nothing_adopted_is_held(void **state)
{
	struct network *network = fake_adopt(broker, "lab", NULL, 0, false);

	(void)state;
	assert_int_equal(network->state, NETWORK_REMOVING);
}

static void test_fault_is_told_once(void **state)
{
	struct fake_client *client = holder("default");
	struct network *network = network_in("default", NETWORK_ACTIVE);
	struct network_info info;
	struct error error;

	(void)state;
	log_double_clear();
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	assert_int_equal(broker_inspect(client->client, "default", &info, &error), 0);
	assert_string_equal(info.network->fault, "its bridge is gone");
	assert_string_equal(log_double_text(), "error [default] its bridge is gone\n");
	broker_network_fault(network, FAULT_NETWORK, NULL);
	assert_null(network->fault);
}

/* One that ends takes no other with it. */
static void test_faults_of_several_kinds(void **state)
{
	struct network *network = holder("default") ? network_in("default", NETWORK_ACTIVE) : NULL;

	(void)state;
	broker_network_fault(network, FAULT_RECORDS, "the disk is full");
	broker_network_fault(network, FAULT_NETWORK, "its bridge is gone");
	broker_network_fault(network, FAULT_SERVERS, NULL);
	assert_string_equal(network->fault, "its bridge is gone; the disk is full");
	broker_network_fault(network, FAULT_NETWORK, NULL);
	assert_string_equal(network->fault, "the disk is full");
	broker_network_fault(network, FAULT_RECORDS, "there is no disk");
	assert_string_equal(network->fault, "there is no disk");
	broker_network_fault(network, FAULT_RECORDS, NULL);
	assert_null(network->fault);
}

/* Allocations that fail, one after the other: --wrap=calloc. */

static unsigned int calloc_countdown;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	if (calloc_countdown > 0 && --calloc_countdown == 0)
		return NULL;
	return __real_calloc(n, size);
}

static void test_out_of_memory(void **state)
{
	struct fake_client *client = connect_user(1000);
	struct fake_client *second = connect_user(1000);
	struct attach_request request = { .network = "default", .queues = 1 };
	struct credentials credentials = { .uid = 1000 };
	struct network_info *infos;
	struct error error;
	size_t n;

	(void)state;
	/* The network's record, then the hold. */
	for (unsigned int i = 1; i <= 2; i++) {
		calloc_countdown = i;
		fake_acquire(client, "default");
		assert_int_equal(client->error.code, ERROR_INTERNAL);
		assert_string_equal(client->error.reason, "out of memory for network \"default\"");
		assert_null(broker->networks);
	}
	fake_acquire(client, "default");
	fake_created(network_in("default", NETWORK_CREATING));
	calloc_countdown = 1;
	fake_acquire(second, "default");
	assert_int_equal(second->error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	fake_attach(client, &request);
	assert_int_equal(client->error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	assert_int_equal(broker_list(client->client, &infos, &n, &error), -1);
	assert_int_equal(error.code, ERROR_INTERNAL);
	calloc_countdown = 1;
	assert_int_equal(broker_hold_adopt(second->client, client->client->holds->network), -1);
	calloc_countdown = 1;
	assert_null(broker_client_new(broker, &credentials, NULL));
	fake_check_invariants(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_first_hold_creates_and_all_wait),
		TEST(test_last_release_removes),
		TEST(test_second_acquire_takes_no_second_hold),
		TEST(test_creation_fails_for_all_who_wait),
		TEST(test_answered_client_asks_again_at_once),
		TEST(test_answered_client_releases_at_once),
		TEST(test_client_gone_in_creation),
		TEST(test_acquire_during_removal_is_the_next_life),
		TEST(test_configuration_lost_during_removal),
		TEST(test_not_found),
		TEST(test_allow),
		TEST(test_reload),
		TEST(test_a_configuration_that_cannot_be_used),
		TEST(test_interface_keeps_its_network),
		TEST(test_named_interface_goes_with_the_hold),
		TEST(test_client_gone_while_attaching),
		TEST(test_attach_fails),
		TEST(test_attach_needs_a_hold),
		TEST(test_attach_limit),
		TEST(test_too_many_requests),
		TEST(test_mac_addresses),
		TEST(test_very_many_leases),
		TEST(test_events),
		TEST(test_adoption),
		TEST(test_adopted_holds_go_on),
		TEST(test_claims_of_what_is_gone),
		TEST(test_nothing_adopted_is_held),
		TEST(test_fault_is_told_once),
		TEST(test_faults_of_several_kinds),
		TEST(test_out_of_memory),
#undef TEST
	};
	int fd = mkstemp(config_path);
	int failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests_name("network", tests, NULL, NULL);
	unlink(config_path);
	return failed;
}
