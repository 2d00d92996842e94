/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of very many machines. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/broker/fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_very_many_leases),
	};

	return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
