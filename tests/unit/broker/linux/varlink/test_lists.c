/* SPDX-License-Identifier: Apache-2.0 */
/* Lists that are longer than a part of one, and what comes and goes between two parts. */
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdio.h>

#include "broker/linux/linux.h"
#include "broker/linux/varlink/connection.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/varlink_client.h"

#define LIST_LEASES METHOD("ListLeases") ",\"more\":true,\"parameters\":{\"network\":\"lab\"}}"
#define LEASES_MAX 60000U

/* Which leases have come, by their number. */
static unsigned int seen[LEASES_MAX];

/* Leases from first on, up to end, in the order of lease_compare(). */
static struct lease *leases(unsigned int first, unsigned int end)
{
	struct lease *list = NULL;

	while (end-- > first) {
		struct lease *lease = calloc(1, sizeof(*lease));

		assert_non_null(lease);
		snprintf(lease->address, sizeof(lease->address), "10.1.%03u.%03u", end / 250,
			 end % 250);
		lease->mac.bytes[5] = 1;
		lease->next = list;
		list = lease;
	}
	return list;
}

static struct network *lab(void)
{
	return linux_platform.broker->networks;
}

static struct peer holder(void)
{
	struct peer peer = peer_connect();

	memset(seen, 0, sizeof(seen));
	say(&peer, ACQUIRE);
	fake_linux_run();
	free(take(&peer));
	return peer;
}

/* Takes the next reply. Returns whether more are to come. */
static bool take_lease(struct peer *peer)
{
	char *text = take(peer);
	json_t *reply = text ? json_loads(text, 0, NULL) : NULL;
	const json_t *lease = json_object_get(json_object_get(reply, "parameters"), "lease");
	bool continues = json_is_true(json_object_get(reply, "continues"));
	unsigned int block, number;

	assert_non_null(reply);
	if (lease) {
		assert_int_equal(sscanf(json_string_value(json_object_get(lease, "address")),
					"10.1.%u.%u", &block, &number),
				 2);
		seen[block * 250 + number]++;
	}
	json_decref(reply);
	free(text);
	return continues;
}

/* Takes replies to the last one, for which the broker goes on as often as needed. */
static void take_rest(struct peer *peer)
{
	bool continues = true;

	while (continues) {
		fake_linux_run();
		while (peer->input.start != peer->input.end || hear(peer)) {
			continues = take_lease(peer);
			if (!continues)
				break;
		}
	}
}

static void assert_seen_once(unsigned int first, unsigned int end)
{
	for (unsigned int i = first; i < end; i++)
		assert_int_equal(seen[i], 1);
}

/* Nothing is read before the list has come as far as it comes. */
static void test_a_long_list_waits_for_its_reader(void **state)
{
	struct peer peer = holder();
	const struct connection *connection = TAILQ_FIRST(&all_connections);

	(void)state;
	broker_leases_changed(lab(), leases(0, LEASES_MAX));
	say(&peer, LIST_LEASES);
	say(&peer, GET_INFO);
	fake_linux_run();
	assert_int_equal(connection->state, CONNECTION_LISTING);
	assert_in_range(connection->stream.output_size, 0, 64 * 1024);
	take_rest(&peer);
	assert_seen_once(0, LEASES_MAX);
	fake_linux_run();
	free(take(&peer));
	say(&peer, RELEASE);
	assert_says(&peer, "{\"parameters\":{}}");
	peer_close(&peer);
}

/* What is there all the time comes once: the others may come or not, and the list ends. */
static void test_leases_come_and_go(void **state)
{
	struct peer peer = holder();

	(void)state;
	broker_leases_changed(lab(), leases(0, LEASES_MAX));
	say(&peer, LIST_LEASES);
	fake_linux_run();
	/* With the last ones that were sent, and those that were next. */
	broker_leases_changed(lab(), leases(LEASES_MAX / 2, LEASES_MAX));
	take_rest(&peer);
	assert_seen_once(LEASES_MAX / 2, LEASES_MAX);
	for (unsigned int i = 0; i < LEASES_MAX / 2; i++)
		assert_in_range(seen[i], 0, 1);
	peer_close(&peer);
}

/* There is nothing left for the last reply. */
static void test_all_leases_go(void **state)
{
	struct peer peer = holder();

	(void)state;
	broker_leases_changed(lab(), leases(0, LEASES_MAX));
	say(&peer, LIST_LEASES);
	fake_linux_run();
	broker_leases_changed(lab(), NULL);
	take_rest(&peer);
	say(&peer, LIST_LEASES);
	assert_says(&peer, "{\"parameters\":{}}");
	peer_close(&peer);
}

/* A client that ends in the midst of it takes no more. */
static void test_a_reader_hangs_up(void **state)
{
	struct peer peer = holder();

	(void)state;
	broker_leases_changed(lab(), leases(0, LEASES_MAX));
	say(&peer, LIST_LEASES);
	fake_linux_run();
	peer_close(&peer);
	fake_linux_run();
	assert_true(broker_is_idle(linux_platform.broker));
}

static void test_clients_and_interfaces(void **state)
{
	struct peer peer = holder();
	struct peer other = holder();
	char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\"}}");
		fake_linux_run();
		free(take(&peer));
	}
	for (int i = 0; i < 2; i++) {
		say(&peer, i == 0 ? METHOD("ListInterfaces") ",\"more\":true,\"parameters\":{"
							     "\"network\":\"lab\"}}"
				  : METHOD("ListClients") ",\"more\":true,\"parameters\":{"
							  "\"network\":\"lab\"}}");
		fake_linux_run();
		text = take(&peer);
		assert_non_null(strstr(text, "\"continues\":true"));
		free(text);
		text = take(&peer);
		assert_non_null(strstr(text, i == 0 ? "{\"interface\":{" : "{\"client\":{"));
		assert_null(strstr(text, "\"continues\""));
		free(text);
		assert_silent(&peer);
	}
	peer_close(&peer);
	peer_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_long_list_waits_for_its_reader),
		TEST(test_leases_come_and_go),
		TEST(test_all_leases_go),
		TEST(test_a_reader_hangs_up),
		TEST(test_clients_and_interfaces),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
