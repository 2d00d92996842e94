/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces: what is asked for, and the descriptors that come. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/client/fixture.h"

static void test_attach(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_attach_options options = {
		.size = sizeof(options),
		.mac_address = "52:54:00:12:34:56",
		.queues = 2,
		.vhost = true,
	};
	struct vmnet_broker_attachment *attachment;
	size_t n_fds = count_fds();
	int kept;

	say_with_fds(fixture,
		     "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tapFileDescriptors\":[0,1],\"vhostFileDescriptors\":[2,3]}}",
		     4);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", &options, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_asked(
		fixture,
		"{\"method\":\"com.github.nirs.vmnetbroker.Attach\",\"parameters\":{"
		"\"network\":\"lab\",\"macAddress\":\"52:54:00:12:34:56\",\"portForwarding\":null,"
		"\"rateLimitIn\":null,\"rateLimitOut\":null,\"queues\":2,"
		"\"vhost\":true,\"openByName\":false}}");
	assert_string_equal(attachment->interface->device, "vmt0");
	assert_int_equal(attachment->n_tap_fds, 2);
	assert_int_equal(attachment->n_vhost_fds, 2);
	assert_int_equal(count_fds(), n_fds + 4);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fcntl(attachment->tap_fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(attachment->vhost_fds[i], F_GETFD), FD_CLOEXEC);
	}
	kept = attachment->tap_fds[1];
	attachment->tap_fds[1] = -1;
	vmnet_broker_attachment_free(attachment);
	assert_int_equal(count_fds(), n_fds + 1);
	close(kept);
}

/* Everything that can be asked for. */
static void test_attach_options_are_sent(void **state)
{
	static const struct vmnet_broker_port_forwarding forwardings[] = {
		{ .protocol = VMNET_BROKER_TCP, .external_port = 8080, .internal_port = 80 },
		{ .protocol = VMNET_BROKER_TCP_AND_UDP,
		  .external_address = "::1",
		  .external_port = 5000,
		  .internal_address = "fd00::9",
		  .count = 3 },
	};
	const struct vmnet_broker_attach_options options = {
		.size = sizeof(options),
		.name = "web",
		.ipv4_address = "192.168.64.9",
		.ipv6_address = "fd00::9",
		.port_forwardings = forwardings,
		.n_port_forwardings = ARRAY_SIZE(forwardings),
		.rate_limit_in = { .bits_per_second = 1000000, .burst_bytes = 5000 },
		.rate_limit_out = { .bits_per_second = 2000000 },
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_attachment *attachment;

	say_with_fds(fixture,
		     "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tapFileDescriptors\":[0],\"vhostFileDescriptors\":[]}}",
		     1);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", &options, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"com.github.nirs.vmnetbroker.Attach\",\"parameters\":{"
		     "\"network\":\"lab\",\"name\":\"web\",\"ipv4Address\":\"192.168.64.9\","
		     "\"ipv6Address\":\"fd00::9\",\"portForwarding\":[{\"protocol\":\"tcp\","
		     "\"externalPort\":8080,\"internalPort\":80},{\"protocol\":\"both\","
		     "\"externalAddress\":\"::1\",\"externalPort\":5000,\"internalAddress\":"
		     "\"fd00::9\",\"count\":3}],\"rateLimitIn\":{\"bitsPerSecond\":1000000,"
		     "\"burstBytes\":5000},\"rateLimitOut\":{\"bitsPerSecond\":2000000},"
		     "\"queues\":1,\"vhost\":false,\"openByName\":false}}");
	vmnet_broker_attachment_free(attachment);
}

static void test_attach_by_default_and_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_attach_options named = { .size = sizeof(named), .open_by_name = true };
	struct vmnet_broker_attachment *attachment;

	say_with_fds(fixture,
		     "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tapFileDescriptors\":[0],\"vhostFileDescriptors\":[]}}",
		     1);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", NULL, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"com.github.nirs.vmnetbroker.Attach\",\"parameters\":{"
		     "\"network\":\"lab\",\"portForwarding\":null,\"rateLimitIn\":null,"
		     "\"rateLimitOut\":null,\"queues\":1,\"vhost\":false,\"openByName\":false}}");
	assert_int_equal(attachment->n_tap_fds, 1);
	assert_int_equal(attachment->n_vhost_fds, 0);
	vmnet_broker_attachment_free(attachment);

	say(fixture, "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tapFileDescriptors\":[],\"vhostFileDescriptors\":[]}}");
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", &named, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(attachment->n_tap_fds, 0);
	vmnet_broker_attachment_free(attachment);
}

static void assert_options_refused(struct fixture *fixture,
				   const struct vmnet_broker_attach_options *options,
				   const char *sentence)
{
	struct vmnet_broker_attachment *attachment;

	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", options, &attachment),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_null(attachment);
	assert_string_equal(vmnet_broker_error(fixture->broker), sentence);
	assert_asked_nothing(fixture);
}

static void test_attach_options_are_checked(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_attach_options options = { 0 };
	struct vmnet_broker_port_forwarding forwarding = { 0 };

	assert_options_refused(fixture, &options, "network \"lab\": the options' size is not set");
	options.size = sizeof(options);
	options.queues = 17;
	assert_options_refused(fixture, &options,
			       "network \"lab\": an interface has 1 to 16 queues, not 17");
	options.queues = 0;
	options.mac_address = "52-54-00-12-34-56";
	assert_options_refused(fixture, &options,
			       "network \"lab\": \"52-54-00-12-34-56\" is no MAC address; write it "
			       "like 52:54:00:12:34:56");
	options.mac_address = "01:00:5e:00:00:01";
	assert_options_refused(fixture, &options,
			       "network \"lab\": MAC address 01:00:5e:00:00:01 is that of a group, "
			       "since its first byte is odd; choose another, like "
			       "52:54:00:12:34:56");
	options.mac_address = "00:00:00:00:00:00";
	assert_options_refused(fixture, &options,
			       "network \"lab\": MAC address 00:00:00:00:00:00 is nobody's; choose "
			       "another, like 52:54:00:12:34:56");
	options.mac_address = NULL;
	options.name = "a.b";
	assert_options_refused(
		fixture, &options,
		"network \"lab\": \"a.b\" is no machine's name: it is 1 to 63 of a-z "
		"A-Z 0-9 - and neither starts nor ends with -");
	options.name = NULL;
	options.ipv4_address = "fd00::9";
	assert_options_refused(fixture, &options,
			       "network \"lab\": \"fd00::9\" is no IPv4 address");
	options.ipv4_address = NULL;
	options.port_forwardings = &forwarding;
	options.n_port_forwardings = 1;
	assert_options_refused(fixture, &options,
			       "network \"lab\": a forwarded port has no external port");
	forwarding.external_port = 80;
	assert_options_refused(fixture, &options,
			       "network \"lab\": a forwarded port has no protocol");
	forwarding.protocol = VMNET_BROKER_TCP;
	strcpy(forwarding.external_address, "eth0");
	assert_options_refused(fixture, &options, "network \"lab\": \"eth0\" is no IP address");
	options.n_port_forwardings = 0;
	options.mac_address = "52:54:00:12:34:5";
	assert_options_refused(fixture, &options,
			       "network \"lab\": \"52:54:00:12:34:5\" is no MAC address; write it "
			       "like 52:54:00:12:34:56");
}

/* Whatever the indexes are, no descriptor is left open, and none is given twice. */
static void test_attachments_of_another_shape(void **state)
{
	static const char *const lists[] = {
		"",
		"\"tapFileDescriptors\":[0]",
		"\"tapFileDescriptors\":[],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[0,1],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[0],\"vhostFileDescriptors\":[0]",
		"\"tapFileDescriptors\":[0],\"vhostFileDescriptors\":[1,2]",
		"\"tapFileDescriptors\":[4],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[-1],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[0.0],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[\"0\"],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[4294967296],\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":{},\"vhostFileDescriptors\":[]",
		"\"tapFileDescriptors\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"vhostFileDescriptors\":[]",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_attachment *attachment;
	size_t n_fds = count_fds();
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		snprintf(reply, sizeof(reply),
			 "{\"parameters\":{\"interface\":" INTERFACE_TEXT "%s%s}}",
			 lists[i][0] ? "," : "", lists[i]);
		say_with_fds(fixture, reply, 4);
		assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", NULL, &attachment),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(attachment);
		assert_int_equal(count_fds(), n_fds);
	}
}

static void test_attach_without_room_for_descriptors(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_attach_options options = { .size = sizeof(options), .queues = 4 };
	struct vmnet_broker_attachment *attachment;
	struct rlimit saved;
	struct rlimit few;
	size_t n_fds = count_fds();
	int next;

	if (under_valgrind())
		return;
	say_with_fds(fixture,
		     "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tapFileDescriptors\":[0,1,2,3],\"vhostFileDescriptors\":[]}}",
		     4);
	next = dup(fixture->server);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &saved), 0);
	few = saved;
	few.rlim_cur = (rlim_t)next + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", &options, &attachment),
			 VMNET_BROKER_INTERNAL_ERROR);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &saved), 0);
	assert_null(attachment);
	assert_string_equal(vmnet_broker_error(fixture->broker),
			    "network \"lab\": this process has no room for the interface's "
			    "descriptors; raise its limit of open files");
	assert_int_equal(count_fds(), n_fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach),
		TEST(test_attach_options_are_sent),
		TEST(test_attach_by_default_and_by_name),
		TEST(test_attach_options_are_checked),
		TEST(test_attachments_of_another_shape),
		TEST(test_attach_without_room_for_descriptors),
	};

	return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
