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
#include "broker/linux/varlink/fdstore.h"

static char directory[] = "/tmp/vmnet-broker-fdstore-XXXXXX";
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
	struct fdstore_entry *entry;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(fdstore_take(sockets[0], others[i]), 0);
	assert_int_equal(fdstore_take(STDIN_FILENO, "client-7"), 0);
	assert_int_equal(fdstore_take(sockets[0], "client-7"), 1);
	entry = fdstore_next();
	assert_int_equal(entry->number, 7);
	assert_int_equal(entry->fd, sockets[0]);
	fdstore_free(entry);
	assert_null(fdstore_next());
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
				   .by_name = true,
				   .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct hold waiting = { .client = &client, .network = &network, .waiting = true };
	struct hold hold = { .next = &waiting, .client = &client, .network = &network };
	struct fdstore_entry *entry;

	(void)state;
	network.interfaces = &named;
	client.holds = &hold;
	fdstore_save(directory, 7, &client);
	assert_int_equal(fdstore_take(sockets[0], "client-7"), 1);
	fdstore_load(directory);
	assert_true(fdstore_holds("lab"));
	assert_false(fdstore_holds("other"));
	assert_true(fdstore_has_named("lab", &named.mac));
	assert_false(fdstore_has_named("lab", &unnamed.mac));
	entry = fdstore_next();
	assert_false(entry->damaged);
	assert_null(entry->holds->next);
	assert_int_equal(entry->holds->n_named, 1);
	fdstore_free(entry);
	fdstore_remove(directory, 7, sockets[0]);
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
		struct fdstore_entry *entry;

		write_file("7.client", texts[i]);
		assert_int_equal(fdstore_take(sockets[0], "client-7"), 1);
		fdstore_load(directory);
		entry = fdstore_next();
		assert_true(entry->damaged);
		fdstore_free(entry);
	}
	fdstore_remove(directory, 7, sockets[0]);
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
	fdstore_load(directory);
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
	assert_int_equal(fdstore_noted(sockets[0]), FDSTORE_OPEN);
	for (enum fdstore_state note = FDSTORE_OPEN; note <= FDSTORE_BUSY; note++) {
		fdstore_note(sockets[0], note);
		assert_int_equal(fdstore_noted(copy), note);
	}
	close(copy);
	assert_int_equal(fdstore_noted(-1), FDSTORE_BUSY);
}

static void test_without_a_manager(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_has_manager());
	assert_int_equal(fdstore_add(sockets[0]), 0);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	assert_true(notify_has_manager());
	assert_int_equal(fdstore_add(sockets[0]), 0);
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

	return cmocka_run_group_tests_name("fdstore", tests, NULL, NULL);
}
