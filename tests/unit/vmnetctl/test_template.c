/* SPDX-License-Identifier: Apache-2.0 */
/* The words in a command's arguments: what is replaced, what is left, what is wrong. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "vmnetctl/template.h"
#include "vmnetctl/text.h"

static char complaint[256];

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(complaint, sizeof(complaint), format, arguments);
	va_end(arguments);
}

static const int default_fds[] = { 5, 6 };
static const int default_vhost_fds[] = { 7, 8 };
static const int lab_fds[] = { 19 };

static const struct substitution interfaces[] = {
	{
		.network = "default",
		.ifname = "vmt0",
		.mac = "52:54:00:00:00:01",
		.fds = default_fds,
		.n_fds = ARRAY_SIZE(default_fds),
		.vhost_fds = default_vhost_fds,
		.n_vhost_fds = ARRAY_SIZE(default_vhost_fds),
		.vhost = true,
	},
	{
		.network = "lab",
		.ifname = "vmt1",
		.mac = "52:54:00:00:00:02",
		.fds = lab_fds,
		.n_fds = ARRAY_SIZE(lab_fds),
		.vhost = true,
	},
	{ .network = "named", .ifname = "vmt2", .mac = "52:54:00:00:00:03" },
};

static void assert_substituted(const char *text, const char *expected)
{
	char *result = substitute(text, interfaces, ARRAY_SIZE(interfaces));

	assert_non_null(result);
	assert_string_equal(result, expected);
	free(result);
}

static void test_words(void **state)
{
	(void)state;
	assert_substituted("tap,fd={fd}", "tap,fd=5");
	assert_substituted("fds={fds},vhostfds={vhostfds}", "fds=5:6,vhostfds=7:8");
	assert_substituted("{vhostfd}", "7");
	assert_substituted("{ifname}{mac}", "vmt052:54:00:00:00:01");
}

static void test_words_of_a_network(void **state)
{
	(void)state;
	assert_substituted("{fd:default} {fd:lab}", "5 19");
	assert_substituted("{fds:lab}", "19");
	assert_substituted("{ifname:named}", "vmt2");
	assert_substituted("{mac:lab}", "52:54:00:00:00:02");
}

static void test_what_means_nothing_is_left(void **state)
{
	static const char *const texts[] = {
		"",	 "plain", "{",	  "}",	   "{}",	 "{fd",	     "{FD}",
		"{fdx}", "{ fd}", "{:a}", "{mtu}", "{\"fd\":1}", "{fd,mac}", "${fd",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_substituted(texts[i], texts[i]);
	assert_substituted("{\"type\":\"tap\",\"fd\":\"{fd}\"}", "{\"type\":\"tap\",\"fd\":\"5\"}");
	assert_substituted("{{fd}}", "{5}");
}

static void assert_refused(const char *text, const char *expected)
{
	assert_null(substitute(text, interfaces, ARRAY_SIZE(interfaces)));
	assert_string_equal(complaint, expected);
}

static void test_what_is_not_there(void **state)
{
	(void)state;
	assert_refused("{fd:dmz}", "{...:dmz} needs a --network dmz");
	assert_refused("{mac:}", "{...:} needs a --network ");
	assert_refused("{fd:named}", "network \"named\": an interface with --open-by-name has no "
				     "descriptor; use {ifname}");
	assert_refused("{fds:named}", "network \"named\": an interface with --open-by-name has no "
				      "descriptor; use {ifname}");
	assert_refused("{vhostfd:named}", "network \"named\": add --vhost for {vhostfd}");
	assert_refused("{vhostfds:lab}",
		       "network \"lab\": this host has no vhost-net for {vhostfd}; "
		       "\"modprobe vhost_net\" may bring it, or leave out --vhost and {vhostfd}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_of_a_network),
		cmocka_unit_test(test_what_means_nothing_is_left),
		cmocka_unit_test(test_what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
