/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that outlive the broker: what is written of them is found again, and nothing else. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/interface.h"
#include "broker/linux/notify.h"
#include "broker/linux/varlink/kept.h"

static char directory[] = "/tmp/vmnet-broker-kept-XXXXXX";
static int sockets[2];

static int setup(void **state)
{
	(void)state;
	strcpy(directory + strlen(directory) - 6, "XXXXXX");
	return mkdtemp(directory) && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	close(sockets[0]);
	close(sockets[1]);
	return rmdir(directory);
}

static const char *path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(path_of(name), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void test_names_of_descriptors(void **state)
{
	static const char *const others[] = { "varlink",  "client-",   "client-0",
					      "client-x", "client-1x", "client-4294967295" };
	struct kept *kept;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(kept_take(sockets[0], others[i]), 0);
	assert_int_equal(kept_take(STDIN_FILENO, "client-7"), 0);
	assert_int_equal(kept_take(sockets[0], "client-7"), 1);
	kept = kept_next();
	assert_int_equal(kept->number, 7);
	assert_int_equal(kept->fd, sockets[0]);
	kept_free(kept);
	assert_null(kept_next());
}

static void test_what_is_saved_is_loaded(void **state)
{
	struct network_config config = { .name = "lab" };
	struct network network = { .config = &config };
	struct client client = { 0 };
	struct interface unnamed = { .client = &client, .state = INTERFACE_ATTACHED };
	struct interface named = { .next = &unnamed,
				   .client = &client,
				   .state = INTERFACE_ATTACHED,
				   .named = true,
				   .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct hold waiting = { .client = &client, .network = &network, .waiting = true };
	struct hold hold = { .next = &waiting, .client = &client, .network = &network };
	struct kept *kept;

	(void)state;
	network.interfaces = &named;
	client.holds = &hold;
	kept_save(directory, 7, &client);
	assert_int_equal(kept_take(sockets[0], "client-7"), 1);
	kept_load(directory);
	assert_true(kept_holds("lab"));
	assert_false(kept_holds("other"));
	assert_true(kept_has_named("lab", &named.mac));
	assert_false(kept_has_named("lab", &unnamed.mac));
	kept = kept_next();
	assert_false(kept->damaged);
	assert_null(kept->holds->next);
	assert_int_equal(kept->holds->n_named, 1);
	kept_free(kept);
	kept_remove(directory, 7, sockets[0]);
}

static void test_damaged_files(void **state)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"holds\": {}}",
		"{\"holds\": [1]}",
		"{\"holds\": [{\"network\": \"../lab\"}]}",
		"{\"holds\": [{\"network\": \"lab\", \"named_interfaces\": [1]}]}",
		"{\"holds\": [{\"network\": \"lab\", \"named_interfaces\": [\"02:00\"]}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct kept *kept;

		write_file("7.client", texts[i]);
		assert_int_equal(kept_take(sockets[0], "client-7"), 1);
		kept_load(directory);
		kept = kept_next();
		assert_true(kept->damaged);
		kept_free(kept);
	}
	kept_remove(directory, 7, sockets[0]);
}

static void test_files_of_connections_that_have_ended(void **state)
{
	static const char *const stay[] = { "7.client.json", "client", "lab.client" };

	(void)state;
	write_file("7.client", "{}");
	write_file("8.client.new", "{}");
	write_file("forwarding.new", "bridge vmb-");
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		write_file(stay[i], "");
	kept_load(directory);
	assert_int_equal(access(path_of("7.client"), F_OK), -1);
	assert_int_equal(access(path_of("8.client.new"), F_OK), -1);
	assert_int_equal(access(path_of("forwarding.new"), F_OK), -1);
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_int_equal(unlink(path_of(stay[i])), 0);
}

static void test_notes_on_a_socket(void **state)
{
	int copy = dup(sockets[0]);

	(void)state;
	assert_int_equal(kept_noted(sockets[0]), KEPT_OPEN);
	for (enum kept_state note = KEPT_OPEN; note <= KEPT_BUSY; note++) {
		kept_note(sockets[0], note);
		assert_int_equal(kept_noted(copy), note);
	}
	close(copy);
	assert_int_equal(kept_noted(-1), KEPT_BUSY);
}

static void test_without_a_manager(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_has_manager());
	assert_int_equal(kept_add(sockets[0]), 0);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_true(notify_has_manager());
	assert_int_equal(kept_add(sockets[0]), 0);
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names_of_descriptors), TEST(test_what_is_saved_is_loaded),
		TEST(test_damaged_files),	 TEST(test_files_of_connections_that_have_ended),
		TEST(test_notes_on_a_socket),	 TEST(test_without_a_manager),
#undef TEST
	};

	return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
