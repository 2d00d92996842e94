/* SPDX-License-Identifier: Apache-2.0 */
/* What those who monitor are told, and in which order. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
