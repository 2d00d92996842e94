/* SPDX-License-Identifier: Apache-2.0 */
/* Who may have a network, and who is told of it. */
#include "tests/unit/test.h"

#include "tests/unit/broker/fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_allow),
	};

	return cmocka_run_group_tests_name("permission", tests, NULL, NULL);
}
