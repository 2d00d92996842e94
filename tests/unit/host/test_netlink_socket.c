/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are sent together: the first refusal counts, and the next request has its own. */
#include "tests/unit/test.h"

#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>

#include "host/link.h"
#include "host/netlink_socket.h"

/* What everybody may ask for: 1 is the loopback, -1 nothing at all. */
static struct nl_msg *ask(int index)
{
	return link_message(RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = index });
}

static void check(const struct netlink_requests *requests, int result)
{
	struct link link;

	assert_int_equal(netlink_request_all(requests), result);
	assert_int_equal(link_get("lo", &link), 0);
	assert_int_equal(link.index, 1);
	assert_int_equal(link_get("nobody", &link), -ENODEV);
}

static void test_first_refusal(void **state)
{
	(void)state;
	check(&(struct netlink_requests){ { ask(1), ask(1) }, 2, NULL }, 0);
	check(&(struct netlink_requests){ { ask(1), ask(INT_MAX), ask(-1) }, 3, NULL }, -ENODEV);
	check(&(struct netlink_requests){ { ask(-1), ask(INT_MAX), ask(1) }, 3, NULL }, -EINVAL);
	check(&(struct netlink_requests){ { ask(1), ask(INT_MAX) }, 2, NULL }, -ENODEV);
}

static void test_short_memory(void **state)
{
	(void)state;
	check(&(struct netlink_requests){ { ask(INT_MAX), NULL, ask(1) }, 3, NULL }, -ENOMEM);
	check(&(struct netlink_requests){ { ask(INT_MAX), NULL }, 2, NULL }, -ENOMEM);
	netlink_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_refusal),
		cmocka_unit_test(test_short_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
