/* SPDX-License-Identifier: Apache-2.0 */
/* The Varlink door, by its socket: the real one, before the real policy. */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "broker/linux/varlink/turns.h"
#include "broker/user_limits.h"
#include "tests/unit/door_double.h"
#include "tests/unit/log_double.h"
#include "wire/varlink_input.h"

#define CONFIG                                                                    \
	"{\"lab\":{\"mode\":\"shared\",\"description\":\"The lab\",\"mtu\":9000," \
	"\"aliases\":[\"labor\"]},"                                               \
	"\"closed\":{\"mode\":\"host\",\"allow\":{\"users\":[\"root\"]}},"        \
	"\"small\":{\"mode\":\"host\",\"max_interfaces\":1}}"
#define METHOD(name) "{\"method\":\"com.github.nirs.vmnetbroker." name "\""
#define ACQUIRE METHOD("Acquire") ",\"parameters\":{\"network\":\"lab\"}}"
#define RELEASE METHOD("Release") ",\"parameters\":{\"network\":\"lab\"}}"
#define GET_INFO "{\"method\":\"org.varlink.service.GetInfo\"}"
#define MONITOR METHOD("Monitor") ",\"more\":true}"
#define OUTSIDER 65534
#define MESSAGE_MAX ((size_t)16 * 1024 * 1024)

static const char *path;

/* The other end of a connection. */
struct peer {
	int fd;
	struct input input;
	size_t n_fds; /* that came, and were closed */
};

static int setup(void **state)
{
	(void)state;
	log_double_clear();
	path = door_open(CONFIG);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	door_close();
	return 0;
}

/* As a user without rights if the test has any. */
static struct peer peer_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct peer peer = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
	bool is_root = geteuid() == 0;

	strcpy(address.sun_path, path);
	if (is_root)
		assert_int_equal(seteuid(OUTSIDER), 0);
	assert_int_equal(connect(peer.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	return peer;
}

static void peer_close(struct peer *peer)
{
	close(peer->fd);
	vmnet_broker_input_clear(&peer->input);
	*peer = (struct peer){ .fd = -1 };
}

static void say(struct peer *peer, const char *text)
{
	size_t size = strlen(text) + 1;

	assert_int_equal(send(peer->fd, text, size, MSG_NOSIGNAL), size);
}

static void take_fd(void *context, int fd)
{
	struct peer *peer = context;

	if (fd < 0)
		return;
	close(fd);
	peer->n_fds++;
}

/* Reads once. Returns false at the end of the connection, or when there is nothing. */
static bool hear(struct peer *peer)
{
	return vmnet_broker_input_receive(&peer->input, peer->fd, MESSAGE_MAX, take_fd, peer) > 0;
}

/* The next message, to be freed; NULL when there is none. */
static char *take(struct peer *peer)
{
	const char *text;
	char *message;
	size_t length;

	while (!(text = vmnet_broker_input_take(&peer->input, &length)))
		if (!hear(peer))
			return NULL;
	message = strdup(text);
	assert_non_null(message);
	return message;
}

/* The broker serves, and says this, in whatever order of members. */
static void assert_says(struct peer *peer, const char *expected)
{
	char *text;
	json_t *said;
	json_t *wanted = json_loads(expected, 0, NULL);

	door_run();
	text = take(peer);
	assert_non_null(wanted);
	assert_non_null(text);
	said = json_loads(text, 0, NULL);
	if (!json_equal(said, wanted))
		assert_string_equal(text, expected);
	json_decref(said);
	json_decref(wanted);
	free(text);
}

static void assert_silent(struct peer *peer)
{
	char byte;

	door_run();
	assert_int_equal(peer->input.start, peer->input.end);
	assert_int_equal(recv(peer->fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_disconnected(struct peer *peer)
{
	char byte;
	ssize_t n;

	door_run();
	n = recv(peer->fd, &byte, 1, 0);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void assert_answer(const char *call, const char *reply)
{
	struct peer peer = peer_connect();

	say(&peer, call);
	assert_says(&peer, reply);
	peer_close(&peer);
}

static void test_get_info(void **state)
{
	(void)state;
	assert_answer(GET_INFO,
		      "{\"parameters\":{\"vendor\":\"vmnet-broker\",\"product\":\"vmnet-broker\","
		      "\"version\":\"" VMNET_BROKER_VERSION "\","
		      "\"url\":\"https://github.com/nirs/vmnet-broker\",\"interfaces\":["
		      "\"org.varlink.service\",\"com.github.nirs.vmnetbroker\"]}}");
}

static void test_descriptions(void **state)
{
	struct peer peer = peer_connect();
	char *text;

	(void)state;
	say(&peer, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
		   "\"interface\":\"com.github.nirs.vmnetbroker\"}}");
	door_run();
	text = take(&peer);
	assert_non_null(text);
	assert_non_null(strstr(text, "interface com.github.nirs.vmnetbroker\\n"));
	assert_non_null(strstr(text, "for example \\\"192.168.64.0/24\\\"\\n"));
	free(text);
	say(&peer, "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{"
		   "\"interface\":\"org.example\"}}");
	assert_says(&peer, "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
			   "\"interface\":\"org.example\"}}");
	peer_close(&peer);
}

static void test_what_there_is_not(void **state)
{
	(void)state;
	assert_answer("{\"method\":\"org.example.Method\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"org.example\"}}");
	assert_answer("{\"method\":\"\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"\"}}");
	assert_answer("{\"method\":\"Acquire\"}",
		      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{"
		      "\"interface\":\"Acquire\"}}");
	assert_answer(METHOD("Destroy") "}",
		      "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{"
		      "\"method\":\"com.github.nirs.vmnetbroker.Destroy\"}}");
	assert_answer(METHOD("Acquire") ",\"upgrade\":true,\"parameters\":{\"network\":\"lab\"}}",
		      "{\"error\":\"org.varlink.service.MethodNotImplemented\",\"parameters\":{"
		      "\"method\":\"com.github.nirs.vmnetbroker.Acquire\"}}");
	assert_answer(METHOD("Monitor") "}",
		      "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
}

static void test_parameters_are_strict(void **state)
{
	static const struct {
		const char *method;
		const char *parameters;
		const char *wrong;
	} calls[] = {
		{ "Acquire", "{}", "network" },
		{ "Acquire", "null", "network" },
		{ "Acquire", "{\"network\":null}", "network" },
		{ "Acquire", "{\"network\":7}", "network" },
		{ "Acquire", "{\"network\":\"\"}", "network" },
		{ "Acquire", "{\"network\":\"../lab\"}", "network" },
		{ "Acquire", "{\"network\":\"lab\",\"newtork\":\"lab\"}", "newtork" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":7}", "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"52:54:00:12:34\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"53:54:00:12:34:56\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"mac_address\":\"00:00:00:00:00:00\"}",
		  "mac_address" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":17}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":-1}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":1.0}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"queues\":\"1\"}", "queues" },
		{ "Attach", "{\"network\":\"lab\",\"vhost\":1}", "vhost" },
		{ "Attach", "{\"network\":\"lab\",\"named\":\"yes\"}", "named" },
		{ "Reload", "{\"now\":true}", "now" },
	};
	char call[256];
	char reply[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		snprintf(call, sizeof(call), METHOD("%s") ",\"parameters\":%s}", calls[i].method,
			 calls[i].parameters);
		snprintf(reply, sizeof(reply),
			 "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{"
			 "\"parameter\":\"%s\"}}",
			 calls[i].wrong);
		assert_answer(call, reply);
	}
	/* What may be left out may be null. */
	assert_answer(
		METHOD("Attach") ",\"parameters\":{\"network\":\"small\",\"mac_address\":null,"
				 "\"queues\":null,\"vhost\":null,\"named\":null}}",
		"{\"error\":\"com.github.nirs.vmnetbroker.NotAcquired\",\"parameters\":{"
		"\"network\":\"small\",\"reason\":\"this connection does not hold network "
		"\\\"small\\\"; acquire it first\"}}");
}

static void test_no_varlink(void **state)
{
	static const char *const messages[] = {
		"",
		"GET / HTTP/1.1",
		"[]",
		"7",
		"null",
		"{}",
		"{\"method\":7}",
		"{\"method\":\"a.b\",\"parameters\":[]}",
		"{\"method\":\"a.b\",\"parameters\":7}",
		"{\"method\":\"a.b\",\"oneway\":1}",
		"{\"method\":\"a.b\",\"more\":null}",
		"{\"method\":\"a.b\",\"upgrade\":\"no\"}",
		"{\"method\":\"a.b\",\"oneway\":true,\"more\":true}",
		"{\"method\":\"a.b\",\"method\":\"a.b\"}",
		"{\"method\":\"a.b\",\"id\":1}",
		"{\"method\":\"a.b\"} ,",
		"{\"method\":\"\\u0000\"}",
		"{\"method\":\"\xff\"}",
		"{\"method\":\"a.b\",\"parameters\":{\"a\":1e999}}",
	};
	struct peer witness = peer_connect();
	char deep[8192];
	struct peer peer;

	(void)state;
	for (size_t i = 0; i <= ARRAY_SIZE(messages); i++) {
		memset(deep, '[', sizeof(deep));
		deep[sizeof(deep) - 1] = '\0';
		peer = peer_connect();
		say(&peer, i < ARRAY_SIZE(messages) ? messages[i] : deep);
		say(&peer, GET_INFO);
		assert_disconnected(&peer);
		peer_close(&peer);
	}
	say(&witness, ACQUIRE);
	door_run();
	free(take(&witness));
	assert_silent(&witness);
	/* The administrator is told, but not for each of them. */
	assert_non_null(
		strstr(log_double_text(), "is disconnected: what it sent is not Varlink\n"));
	assert_true(strlen(log_double_text()) < 2000);
	peer_close(&witness);
}

static void test_a_message_too_long(void **state)
{
	struct peer peer = peer_connect();
	char letters[4096];

	(void)state;
	memset(letters, ' ', sizeof(letters));
	while (send(peer.fd, letters, sizeof(letters), MSG_NOSIGNAL) > 0)
		door_run();
	assert_int_equal(errno, EPIPE);
	peer_close(&peer);
	assert_non_null(
		strstr(log_double_text(), "is disconnected: its message is longer than 64 KiB\n"));
}

#define NETWORK(clients)                                                                  \
	"{\"network\":{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\"," \
	"\"active\":true,\"ipv4_subnet\":\"192.168.64.0/24\",\"ipv4_gateway\":"           \
	"\"192.168.64.1\",\"mtu\":9000,\"bridge\":\"vmb0\",\"clients\":" #clients         \
	",\"interfaces\":0,\"changed\":false}"

static void test_networks(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, METHOD("ListNetworks") "}");
	assert_says(&peer,
		    "{\"parameters\":{\"networks\":["
		    "{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\",\"active\":"
		    "false,\"mtu\":9000,\"clients\":0,\"interfaces\":0,\"changed\":false},"
		    "{\"name\":\"small\",\"mode\":\"host\",\"active\":false,\"mtu\":1500,"
		    "\"clients\":0,\"interfaces\":0,\"changed\":false}]}}");
	say(&peer, METHOD("Acquire") ",\"parameters\":{\"network\":\"labor\"}}");
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}}");
	say(&peer, RELEASE);
	assert_says(&peer, "{\"parameters\":{}}");
	say(&peer, RELEASE);
	assert_says(&peer, "{\"error\":\"com.github.nirs.vmnetbroker.NotAcquired\",\"parameters\":{"
			   "\"network\":\"lab\",\"reason\":\"this connection does not hold network "
			   "\\\"lab\\\"; acquire it first\"}}");
	peer_close(&peer);
}

static void test_errors(void **state)
{
	(void)state;
	assert_answer(METHOD("Acquire") ",\"parameters\":{\"network\":\"lost\"}}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NetworkNotFound\",\"parameters\":{"
		      "\"network\":\"lost\",\"reason\":\"no network \\\"lost\\\" is configured; "
		      "\\\"vmnetctl networks\\\" lists those that are\"}}");
	assert_answer(METHOD("Acquire") ",\"parameters\":{\"network\":\"closed\"}}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NotAllowed\",\"parameters\":{"
		      "\"network\":\"closed\",\"reason\":\"network \\\"closed\\\" may be acquired "
		      "only by user \\\"root\\\" and root\"}}");
	assert_answer(METHOD("Reload") "}",
		      "{\"error\":\"com.github.nirs.vmnetbroker.NotAllowed\",\"parameters\":{"
		      "\"network\":\"\",\"reason\":\"only root may have the configuration read "
		      "again\"}}");
	door_failure = "dnsmasq is missing";
	assert_answer(ACQUIRE, "{\"error\":\"com.github.nirs.vmnetbroker.CreateFailed\","
			       "\"parameters\":{\"network\":\"lab\",\"reason\":\"dnsmasq is "
			       "missing\"}}");
}

static void test_inspect(void **state)
{
	struct peer peer = peer_connect();
	struct network *network;
	struct lease *lease = calloc(1, sizeof(*lease));
	char expected[1024];

	(void)state;
	say(&peer, ACQUIRE);
	door_run();
	free(take(&peer));
	network = linux_platform.broker->networks;
	assert_non_null(lease);
	assert_int_equal(mac_address_parse("52:54:00:12:34:56", &lease->mac), 0);
	strcpy(lease->address, "192.168.64.2");
	/* Whatever a machine calls itself, and wherever a sentence is cut. */
	strcpy(lease->hostname, "caf\xc3");
	lease->expires = 1700000000;
	broker_leases_changed(network, lease);
	broker_network_fault(network, FAULT_NETWORK, "the bridge has gone");
	say(&peer, METHOD("Inspect") ",\"parameters\":{\"network\":\"lab\"}}");
	snprintf(
		expected, sizeof(expected),
		"{\"parameters\":" NETWORK(
			1) ",\"clients\":[{\"pid\":%d,\"uid\":%d,\"command\":"
			   "\"test_varlink\"}],\"interfaces\":[],\"leases\":[{\"mac_address\":"
			   "\"52:54:00:12:34:56\",\"address\":\"192.168.64.2\",\"hostname\":\"caf\","
			   "\"expires\":1700000000}],\"fault\":\"the bridge has gone\",\"rogue_packets\":3}}",
		(int)getpid(), geteuid() == 0 ? OUTSIDER : (int)geteuid());
	assert_says(&peer, expected);
	say(&peer, METHOD("Inspect") ",\"parameters\":{\"network\":\"small\"}}");
	assert_says(&peer, "{\"parameters\":{\"network\":{\"name\":\"small\",\"mode\":\"host\","
			   "\"active\":false,\"mtu\":1500,\"clients\":0,\"interfaces\":0,"
			   "\"changed\":false},\"clients\":[],\"interfaces\":[],\"leases\":[]}}");
	peer_close(&peer);
}

static void test_calls_are_answered_in_order(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	door_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, RELEASE);
	say(&peer, METHOD("Destroy") "}");
	assert_silent(&peer);
	door_waits = false;
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}}");
	assert_says(&peer, "{\"parameters\":{}}");
	assert_says(&peer, "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{"
			   "\"method\":\"com.github.nirs.vmnetbroker.Destroy\"}}");
	peer_close(&peer);
}

static void test_oneway(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	door_waits = true;
	say(&peer, METHOD("Acquire") ",\"oneway\":true,\"parameters\":{\"network\":\"lab\"}}");
	say(&peer, METHOD("Destroy") ",\"oneway\":true}");
	say(&peer, METHOD("Acquire") ",\"oneway\":true}");
	say(&peer, METHOD("Attach") ",\"oneway\":true,\"parameters\":{\"network\":\"lab\"}}");
	say(&peer, METHOD("Acquire") ",\"oneway\":true,\"parameters\":{\"network\":\"lost\"}}");
	say(&peer, GET_INFO);
	assert_silent(&peer);
	door_waits = false;
	door_run();
	assert_int_equal(door_closed, 1);
	free(take(&peer));
	assert_silent(&peer);
	say(&peer, RELEASE);
	assert_says(&peer, "{\"parameters\":{}}");
	peer_close(&peer);
}

static void test_hang_up_while_waiting(void **state)
{
	struct peer peer = peer_connect();
	struct peer other = peer_connect();

	(void)state;
	door_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, GET_INFO);
	say(&other, ACQUIRE);
	door_run();
	peer_close(&peer);
	door_run();
	door_waits = false;
	assert_says(&other, "{\"parameters\":" NETWORK(1) "}}");
	/* The same while an interface is made: its descriptors are nobody's. */
	door_waits = true;
	say(&other, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":3}}");
	door_run();
	peer_close(&other);
	door_run();
	door_waits = false;
	door_run();
	assert_int_equal(door_closed, 3);
	assert_null(linux_platform.broker->networks);
}

static void test_a_client_that_sends_nothing_more_gets_its_replies(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	door_waits = true;
	say(&peer, ACQUIRE);
	say(&peer, RELEASE);
	shutdown(peer.fd, SHUT_WR);
	door_run();
	door_waits = false;
	assert_says(&peer, "{\"parameters\":" NETWORK(1) "}}");
	assert_says(&peer, "{\"parameters\":{}}");
	assert_disconnected(&peer);
	peer_close(&peer);
}

#define ATTACHED(mac, tap, vhost)                                                  \
	"{\"parameters\":{\"interface\":{\"name\":\"vmt0\",\"mac_address\":\"" mac \
	"\",\"mtu\":9000,\"vnet_header\":true},\"tap_fds\":" tap ",\"vhost_fds\":" vhost "}}"

static void test_attach(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, ACQUIRE);
	door_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2,\"vhost\":"
				    "true}}");
	assert_says(&peer, ATTACHED("06:07:07:07:07:07", "[0,1]", "[2,3]"));
	assert_int_equal(peer.n_fds, 4);
	/* The broker's own copies have gone. */
	assert_int_equal(door_closed, 4);
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"mac_address\":"
				    "\"06:07:07:07:07:07\"}}");
	assert_says(&peer,
		    "{\"error\":\"com.github.nirs.vmnetbroker.ParameterRefused\",\"parameters\":{"
		    "\"parameter\":\"mac_address\",\"reason\":\"MAC address 06:07:07:07:07:07 is "
		    "used on network \\\"lab\\\" already; choose another\"}}");
	peer_close(&peer);

	peer = peer_connect();
	say(&peer, ACQUIRE);
	door_run();
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"named\":true}}");
	assert_says(&peer, ATTACHED("0a:08:08:08:08:08", "[]", "[]"));
	assert_int_equal(peer.n_fds, 0);
	peer_close(&peer);
}

/* Descriptors come with their own reply, also when it is one of many that wait. */
static void test_attach_among_other_calls(void **state)
{
	struct peer peer = peer_connect();
	size_t n_replies = 0;
	char *text;

	(void)state;
	say(&peer, ACQUIRE);
	for (int i = 0; i < 20; i++)
		say(&peer, METHOD("ListNetworks") "}");
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":16}}");
	say(&peer, GET_INFO);
	door_run();
	while ((text = take(&peer))) {
		n_replies++;
		/* One call of recvmsg() never reads past a message with descriptors. */
		if (strstr(text, "tap_fds"))
			assert_int_equal(peer.n_fds, 16);
		free(text);
	}
	assert_int_equal(n_replies, 23);
	peer_close(&peer);
}

static void test_limits(void **state)
{
	struct peer peer = peer_connect();

	(void)state;
	say(&peer, METHOD("Acquire") ",\"parameters\":{\"network\":\"small\"}}");
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"small\"}}");
	door_run();
	free(take(&peer));
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"small\"}}");
	assert_says(&peer,
		    "{\"error\":\"com.github.nirs.vmnetbroker.LimitExceeded\",\"parameters\":{"
		    "\"limit\":\"max_interfaces\",\"value\":1,\"reason\":\"network "
		    "\\\"small\\\" has 1 interfaces, as many as its \\\"max_interfaces\\\" "
		    "allows; stop a machine or raise it\"}}");
	peer_close(&peer);
}

static void test_monitors_are_limited(void **state)
{
	struct peer monitors[LIMIT_USER_MONITORS];
	struct peer one_more = peer_connect();
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(monitors); i++) {
		monitors[i] = peer_connect();
		say(&monitors[i], MONITOR);
	}
	door_run();
	say(&one_more, MONITOR);
	door_run();
	text = take(&one_more);
	assert_non_null(strstr(text, "LimitExceeded"));
	assert_non_null(strstr(text, "\"monitors_per_user\",\"value\":32,"));
	free(text);
	peer_close(&monitors[0]);
	say(&one_more, MONITOR);
	assert_silent(&one_more);
	for (size_t i = 1; i < ARRAY_SIZE(monitors); i++)
		peer_close(&monitors[i]);
	peer_close(&one_more);
}

static rlim_t limit_files(rlim_t n)
{
	struct rlimit files;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	before = files.rlim_cur;
	files.rlim_cur = n < files.rlim_max ? n : files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	return before;
}

static void test_connections_are_limited(void **state)
{
	rlim_t files = limit_files(3 * LIMIT_USER_CONNECTIONS);
	static struct peer peers[LIMIT_USER_CONNECTIONS];
	struct peer one_more;
	char *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peers[i] = peer_connect();
		door_run();
	}
	one_more = peer_connect();
	door_run();
	text = take(&one_more);
	assert_non_null(text);
	assert_non_null(strstr(text, "LimitExceeded"));
	assert_non_null(strstr(text, "\"connections_per_user\",\"value\":1024,"));
	free(text);
	assert_disconnected(&one_more);
	peer_close(&one_more);
	assert_non_null(strstr(log_double_text(), "is refused: user "));
	peer_close(&peers[0]);
	door_run();
	peers[0] = peer_connect();
	say(&peers[0], RELEASE);
	door_run();
	text = take(&peers[0]);
	assert_non_null(strstr(text, "NotAcquired"));
	free(text);
	for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
		peer_close(&peers[i]);
	door_run();
	limit_files(files);
}

/* What is on its way counts until it has been taken, or nobody is left to. */
static void test_descriptors_that_are_not_taken(void **state)
{
	static const char attach[] =
		METHOD("Attach") ",\"parameters\":{\"network\":\"lab\",\"queues\":2}}";
	struct peer peer = peer_connect();
	struct peer other = peer_connect();
	struct user *user;
	char *text;

	(void)state;
	say(&other, GET_INFO);
	say(&peer, ACQUIRE);
	door_run();
	user = user_known(geteuid() == 0 ? OUTSIDER : geteuid());
	free(take(&peer));
	say(&peer, attach);
	door_run();
	assert_int_equal(user->descriptors, 2);
	say(&peer, attach);
	door_run();
	assert_int_equal(user->descriptors, 4);
	free(take(&peer));
	free(take(&peer));
	say(&peer, attach);
	door_run();
	assert_int_equal(user->descriptors, 2);
	/* The broker ends the connection, and the client does not. */
	say(&peer, "nonsense");
	door_run();
	assert_int_equal(user->descriptors, 2);
	user_charge_descriptors(user, (int)USERS_DESCRIPTORS / 2 - 2);
	free(take(&other));
	say(&other, ACQUIRE);
	say(&other, attach);
	door_run();
	free(take(&other));
	text = take(&other);
	assert_non_null(strstr(text, "\"limit\":\"descriptors_in_flight\",\"value\":24576"));
	free(text);
	peer_close(&peer);
	say(&other, attach);
	door_run();
	text = take(&other);
	assert_non_null(strstr(text, "tap_fds"));
	free(text);
	user_charge_descriptors(user, 2 - (int)USERS_DESCRIPTORS / 2);
	peer_close(&other);
	door_run();
}

/* The broker waits for descriptors without turning round and round, then goes on. */
static void test_no_descriptor_for_a_client(void **state)
{
	struct peer peer;
	rlim_t files;
	char *text;

	(void)state;
	if (under_valgrind())
		return;
	peer = peer_connect();
	files = limit_files((rlim_t)peer.fd + 1);
	say(&peer, GET_INFO);
	door_run();
	assert_non_null(strstr(log_double_text(), "clients have to wait: Too many open files\n"));
	limit_files(files);
	assert_true(sd_event_run(linux_platform.event, 5 * 1000 * 1000) > 0);
	door_run();
	text = take(&peer);
	assert_non_null(text);
	free(text);
	peer_close(&peer);
}

/* What is not read is not served, and what is not served is not read. */
static void test_replies_that_are_not_read(void **state)
{
	struct peer peer = peer_connect();
	size_t n_calls = 0;
	size_t n_replies = 0;
	char *text;

	(void)state;
	/* Whole calls only: what fits of the last one is no message. */
	for (;;) {
		ssize_t n = send(peer.fd, GET_INFO, sizeof(GET_INFO), MSG_NOSIGNAL);

		door_run();
		if (n < 0)
			break;
		n_calls += n == sizeof(GET_INFO);
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(n_calls * sizeof(GET_INFO) < 2 * 1024 * 1024);
	for (;;) {
		while ((text = take(&peer))) {
			n_replies++;
			free(text);
		}
		if (!door_step())
			break;
	}
	assert_int_equal(n_replies, n_calls);
	peer_close(&peer);
}

/* One who floods the socket does not keep another waiting. */
static void test_fairness(void **state)
{
	struct peer flood[10];
	struct peer other = peer_connect();
	char *text = NULL;
	unsigned int steps = 0;

	(void)state;
	door_run();
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++) {
		flood[i] = peer_connect();
		for (int n = 0; n < 100; n++)
			say(&flood[i], METHOD("ListNetworks") "}");
	}
	/* In the thick of it. */
	while (!hear(&flood[9]))
		assert_true(door_step());
	say(&other, ACQUIRE);
	while (!text) {
		assert_true(door_step());
		text = take(&other);
		steps++;
	}
	free(text);
	/* One call of each, and as many looks at the sockets. */
	assert_true(steps <= 3 * ARRAY_SIZE(flood));
	for (size_t i = 0; i < ARRAY_SIZE(flood); i++)
		peer_close(&flood[i]);
	peer_close(&other);
}

static void test_monitor(void **state)
{
	struct peer monitor = peer_connect();
	struct peer peer = peer_connect();
	char expected[256];

	(void)state;
	say(&monitor, MONITOR);
	say(&monitor, GET_INFO);
	assert_silent(&monitor);
	say(&peer, ACQUIRE);
	assert_says(&monitor, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
			      "\"network_created\",\"network\":\"lab\"}}}");
	snprintf(expected, sizeof(expected),
		 "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"client_acquired\","
		 "\"network\":\"lab\",\"client\":{\"pid\":%d,\"uid\":%d,\"command\":"
		 "\"test_varlink\"}}}}",
		 (int)getpid(), geteuid() == 0 ? OUTSIDER : (int)geteuid());
	assert_says(&monitor, expected);
	free(take(&peer));
	say(&peer, METHOD("Attach") ",\"parameters\":{\"network\":\"lab\"}}");
	assert_says(&monitor, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
			      "\"interface_attached\",\"network\":\"lab\",\"interface\":{\"name\":"
			      "\"vmt0\",\"mac_address\":\"06:07:07:07:07:07\",\"mtu\":9000,"
			      "\"vnet_header\":true}}}}");
	assert_silent(&monitor);
	peer_close(&monitor);
	door_run();
	peer_close(&peer);
}

static void test_a_monitor_that_does_not_read(void **state)
{
	struct peer slow = peer_connect();
	struct peer peer = peer_connect();
	char *last = NULL;
	char *text;

	(void)state;
	say(&slow, MONITOR);
	door_run();
	while (!strstr(log_double_text(), "is disconnected: it does not read its events")) {
		say(&peer, ACQUIRE);
		say(&peer, RELEASE);
		door_run();
		free(take(&peer));
		free(take(&peer));
		if (strlen(log_double_text()) > 32768)
			log_double_clear();
	}
	/* Nothing but whole messages came before the last one. */
	while ((text = take(&slow))) {
		json_t *json = json_loads(text, 0, NULL);

		assert_non_null(json);
		json_decref(json);
		free(last);
		last = text;
	}
	assert_non_null(last);
	assert_non_null(strstr(last, "\"unread_event_bytes\",\"value\":262144,"));
	free(last);
	assert_disconnected(&slow);
	say(&peer, ACQUIRE);
	door_run();
	text = take(&peer);
	assert_non_null(text);
	free(text);
	peer_close(&slow);
	peer_close(&peer);
}

static void test_stop_ends_everything(void **state)
{
	struct peer peer = peer_connect();
	struct peer monitor = peer_connect();
	struct peer silent = peer_connect();

	(void)state;
	say(&monitor, MONITOR);
	say(&peer, ACQUIRE);
	door_run();
	door_close();
	assert_int_equal(hear(&silent), false);
	path = door_open(CONFIG);
	peer_close(&peer);
	peer_close(&monitor);
	peer_close(&silent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get_info),
		TEST(test_descriptions),
		TEST(test_what_there_is_not),
		TEST(test_parameters_are_strict),
		TEST(test_no_varlink),
		TEST(test_a_message_too_long),
		TEST(test_networks),
		TEST(test_errors),
		TEST(test_inspect),
		TEST(test_calls_are_answered_in_order),
		TEST(test_oneway),
		TEST(test_hang_up_while_waiting),
		cmocka_unit_test_setup_teardown(
			test_a_client_that_sends_nothing_more_gets_its_replies, setup, teardown),
		TEST(test_attach),
		TEST(test_attach_among_other_calls),
		TEST(test_limits),
		TEST(test_monitors_are_limited),
		TEST(test_connections_are_limited),
		TEST(test_descriptors_that_are_not_taken),
		TEST(test_no_descriptor_for_a_client),
		TEST(test_replies_that_are_not_read),
		TEST(test_fairness),
		TEST(test_monitor),
		TEST(test_a_monitor_that_does_not_read),
		TEST(test_stop_ends_everything),
	};

	/* What the kernel tells of a client; under valgrind it would be another name. */
	prctl(PR_SET_NAME, "test_varlink");
	return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
