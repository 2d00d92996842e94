/* SPDX-License-Identifier: Apache-2.0 */
/* Another configuration, or one that cannot be used: what is active goes on as it was. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/broker/fixture.h"

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

static int make_config(void **state)
{
	int fd = mkstemp(config_path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_config(void **state)
{
	(void)state;
	return unlink(config_path);
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
	assert_null(info.next);
	assert_false(info.removed);

	write_config("{ \"lab\": { \"mode\": \"shared\" } }");
	assert_int_equal(broker_reload(broker, &error), 0);
	assert_int_equal(broker_inspect(client->client, "lab", &info, &error), 0);
	assert_int_equal(info.next->mode, NETWORK_SHARED);
	assert_false(info.removed);
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
	assert_true(infos[1].removed);
	assert_null(infos[1].next);
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
	assert_false(infos[0].removed);
	assert_null(infos[0].next);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_configuration_lost_during_removal),
		TEST(test_reload),
		TEST(test_a_configuration_that_cannot_be_used),
	};

	return cmocka_run_group_tests_name("reload", tests, make_config, remove_config);
}
