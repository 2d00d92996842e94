/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvmnet-broker against a broker that says what the test wants it to. The
 * broker's end of the connection is in this process: its replies wait in the
 * socket before the library asks, and the calls are looked at afterwards.
 */
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmnet-broker.h"

#define ERROR(name) "{\"error\":\"com.github.nirs.vmnetbroker." name "\",\"parameters\":"
#define INTERFACE_TEXT                                                           \
	"{\"name\":\"vmt0\",\"mac_address\":\"52:54:00:12:34:56\",\"mtu\":1500," \
	"\"vnet_header\":true}"
#define NETWORK_TEXT                                                                         \
	"{\"name\":\"lab\",\"description\":\"The lab\",\"mode\":\"shared\",\"active\":true," \
	"\"ipv4_subnet\":\"192.168.64.0/24\",\"ipv4_gateway\":\"192.168.64.1\","             \
	"\"ipv6_prefix\":null,\"mtu\":1500,\"bridge\":\"vmb-lab\",\"clients\":2,"            \
	"\"interfaces\":1,\"changed\":true,\"of_a_newer_broker\":[1,2]}"

struct fixture {
	char directory[32];
	char path[64];
	int listener;
	int server; /* the broker's end of the connection */
	struct vmnet_broker *broker;
	size_t n_fds; /* open in this process, before the connection */
};

static size_t count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	vmnet_broker_return_t status;

	assert_non_null(fixture);
	strcpy(fixture->directory, "/tmp/vmnet-broker-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->directory);
	fixture->listener = listen_at(fixture->path);
	setenv("VMNET_BROKER_SOCKET", fixture->path, 1);
	fixture->n_fds = count_fds();
	fixture->broker = vmnet_broker_connect(&status);
	assert_non_null(fixture->broker);
	assert_int_equal(status, VMNET_BROKER_SUCCESS);
	assert_string_equal(vmnet_broker_error(fixture->broker), "");
	fixture->server = accept4(fixture->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fixture->server >= 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	vmnet_broker_close(fixture->broker);
	if (fixture->server >= 0)
		close(fixture->server);
	assert_int_equal(count_fds(), fixture->n_fds);
	close(fixture->listener);
	unlink(fixture->path);
	rmdir(fixture->directory);
	unsetenv("VMNET_BROKER_SOCKET");
	free(fixture);
	return 0;
}

/* What the broker says, with n_fds times the null device. */
static void say_with_fds(struct fixture *fixture, const char *text, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) + 1 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[64];

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (n_fds > 0) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&header)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&header)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&header)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fixture->server, &header, MSG_NOSIGNAL), iov.iov_len);
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

static void say(struct fixture *fixture, const char *text)
{
	say_with_fds(fixture, text, 0);
}

static void hang_up(struct fixture *fixture)
{
	close(fixture->server);
	fixture->server = -1;
}

/* The broker was sent just this, messages separated by a line feed. */
static void assert_asked(struct fixture *fixture, const char *expected)
{
	char text[1024];
	ssize_t n = recv(fixture->server, text, sizeof(text), MSG_DONTWAIT);

	assert_true(n > 0);
	assert_int_equal(text[n - 1], '\0');
	for (ssize_t i = 0; i < n - 1; i++)
		if (text[i] == '\0')
			text[i] = '\n';
	assert_string_equal(text, expected);
}

static void assert_asked_nothing(struct fixture *fixture)
{
	char byte;

	assert_int_equal(recv(fixture->server, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_ended_by_library(struct fixture *fixture)
{
	char bytes[1024];
	ssize_t n;

	while ((n = recv(fixture->server, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		;
	assert_int_equal(n, 0);
}

static void test_address(void **state)
{
	(void)state;
	setenv("VMNET_BROKER_SOCKET", "/somewhere/else", 1);
	assert_string_equal(vmnet_broker_address(), "/somewhere/else");
	setenv("VMNET_BROKER_SOCKET", "", 1);
	assert_string_equal(vmnet_broker_address(), "/run/vmnet-broker/socket");
	unsetenv("VMNET_BROKER_SOCKET");
	assert_string_equal(vmnet_broker_address(), "/run/vmnet-broker/socket");
}

static void assert_connect_fails(const char *path, int expected)
{
	vmnet_broker_return_t status = VMNET_BROKER_SUCCESS;
	size_t n_fds = count_fds();

	setenv("VMNET_BROKER_SOCKET", path, 1);
	errno = 0;
	assert_null(vmnet_broker_connect(&status));
	assert_int_equal(errno, expected);
	assert_int_equal(status, VMNET_BROKER_XPC_FAILURE);
	assert_null(vmnet_broker_connect(NULL));
	assert_int_equal(count_fds(), n_fds);
	unsetenv("VMNET_BROKER_SOCKET");
}

static void test_connect_fails(void **state)
{
	char long_path[200];

	(void)state;
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_connect_fails("/nowhere/to/be/found", ENOENT);
	assert_connect_fails("/dev/null", ECONNREFUSED);
	assert_connect_fails(long_path, ENAMETOOLONG);
}

static void test_names_of_statuses_and_events(void **state)
{
	(void)state;
	for (unsigned int status = VMNET_BROKER_SUCCESS; status <= VMNET_BROKER_INTERNAL_ERROR;
	     status++) {
		const char *sentence = vmnet_broker_strerror((vmnet_broker_return_t)status);

		assert_string_not_equal(sentence, "unknown status");
		assert_true(sentence[strlen(sentence) - 1] != '.');
	}
	assert_string_equal(vmnet_broker_strerror((vmnet_broker_return_t)8), "unknown status");
	assert_string_equal(vmnet_broker_strerror((vmnet_broker_return_t)-1), "unknown status");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_LEASE_REMOVED), "lease_removed");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_EVENT_UNKNOWN), "unknown");
	assert_string_equal(vmnet_broker_event_name(VMNET_BROKER_RECONNECTED), "reconnected");
	assert_string_equal(vmnet_broker_event_name((enum vmnet_broker_event_type)9), "unknown");
}

static void test_free_of_nothing(void **state)
{
	(void)state;
	vmnet_broker_close(NULL);
	vmnet_broker_network_free(NULL);
	vmnet_broker_networks_free(NULL, 0);
	vmnet_broker_inspection_free(NULL);
	vmnet_broker_event_free(NULL);
	vmnet_broker_attachment_free(NULL);
}

static void test_acquire(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT "}}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture, "{\"method\":\"com.github.nirs.vmnetbroker.Acquire\","
			      "\"parameters\":{\"network\":\"lab\"}}");
	assert_string_equal(network->name, "lab");
	assert_string_equal(network->description, "The lab");
	assert_int_equal(network->mode, VMNET_BROKER_SHARED);
	assert_true(network->active);
	assert_string_equal(network->ipv4_subnet, "192.168.64.0/24");
	assert_string_equal(network->ipv4_gateway, "192.168.64.1");
	assert_null(network->ipv6_prefix);
	assert_int_equal(network->mtu, 1500);
	assert_string_equal(network->bridge, "vmb-lab");
	assert_int_equal(network->clients, 2);
	assert_int_equal(network->interfaces, 1);
	assert_true(network->changed);
	vmnet_broker_network_free(network);

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT "}}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
}

static void test_names_are_checked_before_they_are_sent(void **state)
{
	static const char *const bad[] = {
		"",
		".lab",
		"-lab",
		"_lab",
		"a b",
		"a/b",
		"caf\xc3\xa9",
		"\xff",
		"a234567890123456789012345678901234567890123456789012345678901234",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_attachment *attachment;
	struct vmnet_broker_inspection *inspection;
	const char *no_name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(vmnet_broker_acquire(fixture->broker, bad[i], NULL),
				 VMNET_BROKER_INVALID_REQUEST);
		assert_non_null(strstr(vmnet_broker_error(fixture->broker), "is no network name"));
	}
	assert_int_equal(vmnet_broker_acquire(fixture->broker, no_name, NULL),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_int_equal(vmnet_broker_release(fixture->broker, "a b"),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "a b", &inspection),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_null(inspection);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "a b", NULL, &attachment),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_null(attachment);
	assert_asked_nothing(fixture);
}

static void test_errors(void **state)
{
	static const struct {
		const char *reply;
		vmnet_broker_return_t status;
		const char *sentence;
	} errors[] = {
		{ ERROR("NetworkNotFound") "{\"network\":\"lab\",\"reason\":\"no network \\\"lab\\\" "
					   "is configured\"}}",
		  VMNET_BROKER_NOT_FOUND, "no network \"lab\" is configured" },
		{ ERROR("NotAllowed") "{\"network\":\"lab\",\"reason\":\"network \\\"lab\\\" may be "
				      "acquired only by user \\\"ci\\\" and root\"}}",
		  VMNET_BROKER_NOT_ALLOWED,
		  "network \"lab\" may be acquired only by user \"ci\" and root" },
		{ ERROR("NotAcquired") "{\"network\":\"lab\"}}", VMNET_BROKER_INVALID_REQUEST,
		  "the broker answered with com.github.nirs.vmnetbroker.NotAcquired; it may be of "
		  "another version" },
		{ ERROR("CreateFailed") "{\"network\":\"lab\",\"reason\":\"dnsmasq is missing\"}}",
		  VMNET_BROKER_CREATE_FAILURE, "network \"lab\": dnsmasq is missing" },
		{ ERROR("LimitExceeded") "{\"limit\":\"holds_per_user\",\"value\":3,\"reason\":\"user "
					 "7 has 3 holds\"}}",
		  VMNET_BROKER_INTERNAL_ERROR, "network \"lab\": user 7 has 3 holds" },
		{ ERROR("ParameterRefused") "{\"parameter\":\"mac_address\",\"reason\":\"it is used "
					    "on network \\\"lab\\\"\"}}",
		  VMNET_BROKER_INVALID_REQUEST, "it is used on network \"lab\"" },
		{ ERROR("Internal") "{\"reason\":\"out of memory\"}}", VMNET_BROKER_INTERNAL_ERROR,
		  "network \"lab\": out of memory" },
		{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"
		  "\"mac_address\"}}",
		  VMNET_BROKER_INVALID_REQUEST,
		  "network \"lab\": the broker does not take this \"mac_address\"" },
		{ "{\"error\":\"org.varlink.service.MethodNotFound\"}", VMNET_BROKER_INVALID_REPLY,
		  "the broker answered with org.varlink.service.MethodNotFound; it may be of "
		  "another version" },
		{ ERROR("Internal") "{\"reason\":7}}", VMNET_BROKER_INTERNAL_ERROR,
		  "the broker answered with com.github.nirs.vmnetbroker.Internal; it may be of "
		  "another version" },
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		say(fixture, errors[i].reply);
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
				 errors[i].status);
		assert_null(network);
		assert_string_equal(vmnet_broker_error(fixture->broker), errors[i].sentence);
	}
	/* None of these ends the connection. */
	say(fixture, "{}");
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
}

static void test_reload(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"com.github.nirs.vmnetbroker.Reload\",\"parameters\":{}}");
	say(fixture, ERROR("NotAllowed") "{\"network\":\"\",\"reason\":\"only root may\"}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_NOT_ALLOWED);
	assert_string_equal(vmnet_broker_error(fixture->broker), "only root may");
	say(fixture,
	    ERROR("InvalidConfiguration") "{\"reason\":\"networks.json:1:1: two\\nlines\"}}");
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_CREATE_FAILURE);
	assert_string_equal(vmnet_broker_error(fixture->broker), "networks.json:1:1: two\nlines");
}

static void test_list(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_network **networks;
	size_t n;

	say(fixture, "{\"parameters\":{\"networks\":[" NETWORK_TEXT
		     ",{\"name\":\"host\",\"mode\":\"host\",\"active\":false,\"mtu\":9000,"
		     "\"clients\":0,\"interfaces\":0}]}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_int_equal(n, 2);
	assert_string_equal(networks[0]->name, "lab");
	assert_string_equal(networks[1]->name, "host");
	assert_int_equal(networks[1]->mode, VMNET_BROKER_HOST);
	assert_false(networks[1]->active);
	assert_false(networks[1]->changed);
	assert_null(networks[1]->description);
	assert_null(networks[1]->bridge);
	vmnet_broker_networks_free(networks, n);

	say(fixture, "{\"parameters\":{\"networks\":[]}}");
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n), VMNET_BROKER_SUCCESS);
	assert_int_equal(n, 0);
	vmnet_broker_networks_free(networks, n);
}

static void test_inspect(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT ","
		     "\"clients\":[{\"pid\":7,\"uid\":4294967294,\"command\":\"qemu\"}],"
		     "\"interfaces\":[" INTERFACE_TEXT "," INTERFACE_TEXT "],"
		     "\"leases\":[{\"mac_address\":\"52:54:00:12:34:56\",\"address\":"
		     "\"192.168.64.2\",\"hostname\":\"db\",\"expires\":1700000000},"
		     "{\"mac_address\":\"52:54:00:12:34:57\",\"address\":\"192.168.64.3\","
		     "\"hostname\":null,\"expires\":null}],"
		     "\"fault\":\"dnsmasq has died\",\"rogue_packets\":4294967296}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_string_equal(inspection->network->name, "lab");
	assert_int_equal(inspection->n_clients, 1);
	assert_int_equal(inspection->clients[0]->pid, 7);
	assert_int_equal(inspection->clients[0]->uid, 4294967294);
	assert_string_equal(inspection->clients[0]->command, "qemu");
	assert_int_equal(inspection->n_interfaces, 2);
	assert_string_equal(inspection->interfaces[1]->name, "vmt0");
	assert_string_equal(inspection->interfaces[1]->mac_address, "52:54:00:12:34:56");
	assert_int_equal(inspection->interfaces[1]->mtu, 1500);
	assert_true(inspection->interfaces[1]->vnet_header);
	assert_int_equal(inspection->n_leases, 2);
	assert_string_equal(inspection->leases[0]->address, "192.168.64.2");
	assert_string_equal(inspection->leases[0]->hostname, "db");
	assert_int_equal(inspection->leases[0]->expires, 1700000000);
	assert_null(inspection->leases[1]->hostname);
	assert_int_equal(inspection->leases[1]->expires, 0);
	assert_string_equal(inspection->fault, "dnsmasq has died");
	assert_int_equal(inspection->rogue_packets, 4294967296);
	vmnet_broker_inspection_free(inspection);
}

static void test_inspect_without_what_is_optional(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;

	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT ",\"clients\":[],"
		     "\"interfaces\":[],\"leases\":[],\"rogue_packets\":null}}");
	assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
			 VMNET_BROKER_SUCCESS);
	assert_null(inspection->fault);
	assert_int_equal(inspection->rogue_packets, -1);
	vmnet_broker_inspection_free(inspection);
}

/* Objects of another shape than the interface file's: the connection goes on. */
static void test_replies_of_another_shape(void **state)
{
	static const char *const parameters[] = {
		"{}",
		"{\"network\":null}",
		"{\"network\":7}",
		"{\"network\":[]}",
		"{\"network\":{}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"other\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":7,\"mode\":\"host\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":1,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":-1,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":"
		"4294967296,\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":1.5,"
		"\"clients\":0,\"interfaces\":0}}",
		"{\"network\":{\"name\":\"lab\",\"mode\":\"host\",\"active\":true,\"mtu\":1,"
		"\"clients\":0,\"interfaces\":0,\"bridge\":7}}",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_network *network;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		snprintf(reply, sizeof(reply), "{\"parameters\":%s}", parameters[i]);
		say(fixture, reply);
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(network);
	}
}

/* Lists that are none, and lists that go wrong half way. */
static void test_inspections_of_another_shape(void **state)
{
	static const char *const rest[] = {
		"\"clients\":[],\"interfaces\":[]",
		"\"clients\":[],\"interfaces\":[],\"leases\":{}",
		"\"clients\":[7],\"interfaces\":[],\"leases\":[]",
		"\"clients\":[{\"pid\":1,\"uid\":1,\"command\":\"a\"},{}],\"interfaces\":[],"
		"\"leases\":[]",
		"\"clients\":[],\"interfaces\":[" INTERFACE_TEXT ",{\"name\":\"x\"}],\"leases\":[]",
		"\"clients\":[],\"interfaces\":[],\"leases\":[{\"mac_address\":\"x\",\"address\":"
		"\"y\",\"expires\":\"z\"}]",
		"\"clients\":[],\"interfaces\":[],\"leases\":[],\"fault\":true",
		"\"clients\":[],\"interfaces\":[],\"leases\":[],\"rogue_packets\":-2",
	};
	struct fixture *fixture = *state;
	struct vmnet_broker_inspection *inspection;
	char reply[1024];

	for (size_t i = 0; i < ARRAY_SIZE(rest); i++) {
		snprintf(reply, sizeof(reply), "{\"parameters\":{\"network\":" NETWORK_TEXT ",%s}}",
			 rest[i]);
		say(fixture, reply);
		assert_int_equal(vmnet_broker_inspect(fixture->broker, "lab", &inspection),
				 VMNET_BROKER_INVALID_REPLY);
		assert_null(inspection);
	}
}

/* What is no Varlink at all: nothing that follows can be trusted. */
static void assert_ends_the_connection(const char *reply)
{
	struct vmnet_broker_network *network;
	struct fixture *fixture;
	void *state;

	setup(&state);
	fixture = state;
	say(fixture, reply);
	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT "}}");
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", &network),
			 VMNET_BROKER_INVALID_REPLY);
	assert_ended_by_library(fixture);
	hang_up(fixture);
	teardown(&state);
}

static void test_no_varlink(void **state)
{
	char deep[8192];

	(void)state;
	memset(deep, '[', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	assert_ends_the_connection("");
	assert_ends_the_connection("HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_ends_the_connection("[]");
	assert_ends_the_connection("7");
	assert_ends_the_connection("{\"parameters\":[]}");
	assert_ends_the_connection("{\"parameters\":null}");
	assert_ends_the_connection("{\"error\":7}");
	assert_ends_the_connection("{\"error\":\"a.b\",\"parameters\":7}");
	assert_ends_the_connection("{\"parameters\":{},\"parameters\":{}}");
	assert_ends_the_connection("{\"parameters\":{}} {}");
	assert_ends_the_connection("{\"parameters\":{\"network\":\"\xff\"}}");
	assert_ends_the_connection(deep);
}

/* A child says words without end; the library listens to only so many. */
static void test_a_reply_without_end(void **state)
{
	struct fixture *fixture = *state;
	static char words[65536];
	pid_t child;
	int status;

	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(vmnet_broker_fd(fixture->broker));
		memset(words, 'x', sizeof(words));
		while (send(fixture->server, words, sizeof(words), MSG_NOSIGNAL) > 0)
			;
		_exit(errno == EPIPE ? 0 : 1);
	}
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_INVALID_REPLY);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_the_broker_goes(void **state)
{
	struct fixture *fixture = *state;
	struct pollfd pollfd = { .fd = vmnet_broker_fd(fixture->broker), .events = POLLIN };
	struct vmnet_broker_network **networks;
	size_t n;

	assert_int_equal(poll(&pollfd, 1, 0), 0);
	hang_up(fixture);
	assert_int_equal(poll(&pollfd, 1, 0), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
				 VMNET_BROKER_XPC_FAILURE);
		assert_string_equal(
			vmnet_broker_error(fixture->broker),
			"network \"lab\": the broker cannot be reached, or has ended the "
			"connection");
	}
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
			 VMNET_BROKER_XPC_FAILURE);
	assert_null(networks);
	assert_int_equal(n, 0);
}

static void test_the_broker_goes_in_the_middle(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(send(fixture->server, "{\"param", 7, 0), 7);
	hang_up(fixture);
	assert_int_equal(vmnet_broker_reload(fixture->broker), VMNET_BROKER_XPC_FAILURE);
}

static void test_the_brokers_last_word(void **state)
{
	struct fixture *fixture = *state;

	say(fixture, ERROR("LimitExceeded") "{\"limit\":\"connections_per_user\",\"value\":1024,"
					    "\"reason\":\"user 7 has 1024 connections\"}}");
	hang_up(fixture);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
			 VMNET_BROKER_INTERNAL_ERROR);
	assert_string_equal(vmnet_broker_error(fixture->broker),
			    "network \"lab\": user 7 has 1024 connections");
}

static void test_descriptors_that_nobody_asked_for(void **state)
{
	struct fixture *fixture = *state;
	size_t n_fds = count_fds();

	say_with_fds(fixture, "{}", 64);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
	assert_int_equal(count_fds(), n_fds);
}

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
		     ",\"tap_fds\":[0,1],\"vhost_fds\":[2,3]}}",
		     4);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", &options, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"com.github.nirs.vmnetbroker.Attach\",\"parameters\":{"
		     "\"network\":\"lab\",\"mac_address\":\"52:54:00:12:34:56\",\"queues\":2,"
		     "\"vhost\":true,\"named\":false}}");
	assert_string_equal(attachment->interface->name, "vmt0");
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

static void test_attach_by_default_and_by_name(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_attach_options named = { .size = sizeof(named), .named = true };
	struct vmnet_broker_attachment *attachment;

	say_with_fds(fixture,
		     "{\"parameters\":{\"interface\":" INTERFACE_TEXT
		     ",\"tap_fds\":[0],\"vhost_fds\":[]}}",
		     1);
	assert_int_equal(vmnet_broker_attach(fixture->broker, "lab", NULL, &attachment),
			 VMNET_BROKER_SUCCESS);
	assert_asked(fixture, "{\"method\":\"com.github.nirs.vmnetbroker.Attach\",\"parameters\":{"
			      "\"network\":\"lab\",\"queues\":1,\"vhost\":false,\"named\":false}}");
	assert_int_equal(attachment->n_tap_fds, 1);
	assert_int_equal(attachment->n_vhost_fds, 0);
	vmnet_broker_attachment_free(attachment);

	say(fixture,
	    "{\"parameters\":{\"interface\":" INTERFACE_TEXT ",\"tap_fds\":[],\"vhost_fds\":[]}}");
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
		"\"tap_fds\":[0]",
		"\"tap_fds\":[],\"vhost_fds\":[]",
		"\"tap_fds\":[0,1],\"vhost_fds\":[]",
		"\"tap_fds\":[0],\"vhost_fds\":[0]",
		"\"tap_fds\":[0],\"vhost_fds\":[1,2]",
		"\"tap_fds\":[4],\"vhost_fds\":[]",
		"\"tap_fds\":[-1],\"vhost_fds\":[]",
		"\"tap_fds\":[0.0],\"vhost_fds\":[]",
		"\"tap_fds\":[\"0\"],\"vhost_fds\":[]",
		"\"tap_fds\":[4294967296],\"vhost_fds\":[]",
		"\"tap_fds\":{},\"vhost_fds\":[]",
		"\"tap_fds\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\"vhost_fds\":[]",
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
		     ",\"tap_fds\":[0,1,2,3],\"vhost_fds\":[]}}",
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

static void on_alarm(int number)
{
	(void)number;
}

static void test_monitor(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;
	struct vmnet_broker_network **networks;
	size_t n;

	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event),
			 VMNET_BROKER_INVALID_REQUEST);
	say(fixture, "{\"parameters\":{\"vendor\":\"vmnet-broker\"}}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_asked(fixture,
		     "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\n"
		     "{\"method\":\"com.github.nirs.vmnetbroker.Monitor\",\"parameters\":{},"
		     "\"more\":true}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
			 VMNET_BROKER_INVALID_REQUEST);
	assert_asked_nothing(fixture);

	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 10, &event),
			 VMNET_BROKER_SUCCESS);
	assert_null(event);

	say(fixture, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"network_created\","
		     "\"network\":\"lab\"}}}");
	say(fixture,
	    "{\"continues\":true,\"parameters\":{\"event\":{\"type\":\"of_tomorrow\","
	    "\"network\":\"lab\",\"client\":{\"pid\":7,\"uid\":8,\"command\":\"qemu\"}}}}");
	say(fixture, "{\"continues\":true,\"parameters\":{\"event\":{\"type\":"
		     "\"interface_attached\",\"network\":\"lab\",\"interface\":" INTERFACE_TEXT
		     ",\"client\":null}}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_NETWORK_CREATED);
	assert_string_equal(event->network, "lab");
	assert_null(event->client);
	vmnet_broker_event_free(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_EVENT_UNKNOWN);
	assert_int_equal(event->client->uid, 8);
	vmnet_broker_event_free(event);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_string_equal(event->interface->name, "vmt0");
	vmnet_broker_event_free(event);
}

static void test_a_signal_ends_the_wait_for_an_event(void **state)
{
	struct fixture *fixture = *state;
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 1000, .it_interval.tv_usec = 1000 };
	struct vmnet_broker_event *event;

	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_null(event);
	soon = (struct itimerval){ 0 };
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
}

static void test_monitoring_ends(void **state)
{
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;

	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	say(fixture, "{\"parameters\":{}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_INVALID_REPLY);
	say(fixture, ERROR("LimitExceeded") "{\"limit\":\"unread_event_bytes\",\"value\":1,"
					    "\"reason\":\"too slow\"}}");
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_INTERNAL_ERROR);
	assert_string_equal(vmnet_broker_error(fixture->broker), "too slow");
	hang_up(fixture);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_XPC_FAILURE);
	assert_null(event);
}

/* The next broker: a thread, for its replies are waited for in the same call that connects. */
struct next_broker {
	pthread_t thread;
	int listener;
	int server;
	const char *const *replies; /* one for each call; ended by NULL */
	unsigned int deaths; /* so many die of the first call, before this one answers */
	char asked[2048];
};

#define ACQUIRED "{\"parameters\":{\"network\":" NETWORK_TEXT "}}"
#define ASKED_ACQUIRE(name)                                                                       \
	"{\"method\":\"com.github.nirs.vmnetbroker.Acquire\",\"parameters\":{\"network\":\"" name \
	"\"}}\n"
#define ASKED_INFO "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\n"

/* Adds a call to what was asked. */
static bool read_call(struct next_broker *next)
{
	size_t length = strlen(next->asked);

	do {
		if (recv(next->server, next->asked + length, 1, 0) != 1)
			return false;
	} while (next->asked[length++] != '\0');
	next->asked[length - 1] = '\n';
	return true;
}

static void *serve_next(void *userdata)
{
	struct next_broker *next = userdata;

	for (; next->deaths > 0; next->deaths--) {
		next->server = accept4(next->listener, NULL, NULL, SOCK_CLOEXEC);
		if (!read_call(next))
			return NULL;
		close(next->server);
		next->server = -1;
	}
	if (!next->replies)
		return NULL;
	next->server = accept4(next->listener, NULL, NULL, SOCK_CLOEXEC);
	for (const char *const *reply = next->replies; *reply; reply++) {
		if (!read_call(next) ||
		    send(next->server, *reply, strlen(*reply) + 1, MSG_NOSIGNAL) < 0)
			return NULL;
	}
	return NULL;
}

/* The broker dies, and the next one answers so, after others that have died, too. */
static void replace_broker_after(struct fixture *fixture, struct next_broker *next,
				 unsigned int deaths, const char *const *replies)
{
	*next = (struct next_broker){
		.listener = fixture->listener, .server = -1, .replies = replies, .deaths = deaths
	};
	hang_up(fixture);
	assert_int_equal(pthread_create(&next->thread, NULL, serve_next, next), 0);
}

static void replace_broker(struct fixture *fixture, struct next_broker *next,
			   const char *const *replies)
{
	replace_broker_after(fixture, next, 0, replies);
}

/* The next broker is the fixture's from now on. */
static void assert_next_asked(struct fixture *fixture, struct next_broker *next,
			      const char *expected)
{
	assert_int_equal(pthread_join(next->thread, NULL), 0);
	assert_string_equal(next->asked, expected);
	fixture->server = next->server;
}

static void acquire_lab(struct fixture *fixture)
{
	vmnet_broker_set_reconnect(fixture->broker, true);
	say(fixture, ACQUIRED);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL), VMNET_BROKER_SUCCESS);
}

static void test_reconnect_acquires_again(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{\"parameters\":{\"networks\":[]}}",
					       NULL };
	struct fixture *fixture = *state;
	struct vmnet_broker_network **networks;
	struct next_broker next;
	int fd = vmnet_broker_fd(fixture->broker);
	size_t n;

	acquire_lab(fixture);
	for (unsigned int times = 1; times <= 2; times++) {
		replace_broker(fixture, &next, replies);
		assert_int_equal(vmnet_broker_list(fixture->broker, &networks, &n),
				 VMNET_BROKER_SUCCESS);
		vmnet_broker_networks_free(networks, n);
		assert_next_asked(fixture, &next,
				  ASKED_ACQUIRE("lab") "{\"method\":\"com.github.nirs.vmnetbroker."
						       "ListNetworks\",\"parameters\":{}}\n");
		assert_int_equal(vmnet_broker_reconnects(fixture->broker), times);
		assert_int_equal(vmnet_broker_fd(fixture->broker), fd);
	}
}

static void test_reconnect_outlives_several_brokers(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker_after(fixture, &next, 3, replies);
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab")
				  ASKED_ACQUIRE("lab") ASKED_INFO);
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 1);
}

static void test_reconnect_gives_a_call_up_that_brokers_die_of(void **state)
{
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker_after(fixture, &next, 4, NULL);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "other", NULL),
			 VMNET_BROKER_XPC_FAILURE);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab") ASKED_ACQUIRE("lab")
				  ASKED_ACQUIRE("lab"));
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
}

static void test_reconnect_is_off_at_first(void **state)
{
	struct fixture *fixture = *state;

	hang_up(fixture);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "lab", NULL),
			 VMNET_BROKER_XPC_FAILURE);
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
}

static void test_reconnect_does_not_acquire_what_was_released(void **state)
{
	static const char *const replies[] = { ACQUIRED, NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	/* By an alias: what it stands for is asked for. */
	acquire_lab(fixture);
	say(fixture, "{}");
	say(fixture, "{\"parameters\":{\"network\":" NETWORK_TEXT
		     ",\"clients\":[],\"interfaces\":[],\"leases\":[]}}");
	assert_int_equal(vmnet_broker_release(fixture->broker, "alias"), VMNET_BROKER_SUCCESS);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_acquire(fixture->broker, "other", NULL),
			 VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("other"));
}

static void test_reconnect_that_is_refused_is_tried_again(void **state)
{
	static const char *const refusal[] = { ERROR("NetworkNotFound") "{\"network\":\"lab\"}}",
					       NULL };
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct next_broker next;

	acquire_lab(fixture);
	replace_broker(fixture, &next, refusal);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_NOT_FOUND);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("lab"));
	assert_int_equal(vmnet_broker_reconnects(fixture->broker), 0);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_release(fixture->broker, "lab"), VMNET_BROKER_SUCCESS);
	assert_next_asked(fixture, &next,
			  ASKED_ACQUIRE("lab") "{\"method\":\"com.github.nirs.vmnetbroker."
					       "Release\",\"parameters\":{\"network\":\"lab\"}}\n");
}

static void test_reconnect_of_a_monitor_is_an_event(void **state)
{
	static const char *const replies[] = { ACQUIRED, "{}", NULL };
	struct fixture *fixture = *state;
	struct vmnet_broker_event *event;
	struct next_broker next;

	acquire_lab(fixture);
	say(fixture, "{}");
	assert_int_equal(vmnet_broker_monitor(fixture->broker), VMNET_BROKER_SUCCESS);
	/* For as long as there is none, no event comes. */
	hang_up(fixture);
	assert_int_equal(unlink(fixture->path), 0);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
	close(fixture->listener);
	fixture->listener = listen_at(fixture->path);
	replace_broker(fixture, &next, replies);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, -1, &event),
			 VMNET_BROKER_SUCCESS);
	assert_int_equal(event->type, VMNET_BROKER_RECONNECTED);
	assert_string_equal(event->network, "");
	vmnet_broker_event_free(event);
	assert_next_asked(fixture, &next, ASKED_ACQUIRE("lab") ASKED_INFO);
	assert_int_equal(vmnet_broker_next_event(fixture->broker, 0, &event), VMNET_BROKER_SUCCESS);
	assert_null(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_connect_fails),
		cmocka_unit_test(test_names_of_statuses_and_events),
		cmocka_unit_test(test_free_of_nothing),
		TEST(test_acquire),
		TEST(test_names_are_checked_before_they_are_sent),
		TEST(test_errors),
		TEST(test_reload),
		TEST(test_list),
		TEST(test_inspect),
		TEST(test_inspect_without_what_is_optional),
		TEST(test_replies_of_another_shape),
		TEST(test_inspections_of_another_shape),
		cmocka_unit_test(test_no_varlink),
		TEST(test_a_reply_without_end),
		TEST(test_the_broker_goes),
		TEST(test_the_broker_goes_in_the_middle),
		TEST(test_the_brokers_last_word),
		TEST(test_descriptors_that_nobody_asked_for),
		TEST(test_attach),
		TEST(test_attach_by_default_and_by_name),
		TEST(test_attach_options_are_checked),
		TEST(test_attachments_of_another_shape),
		TEST(test_attach_without_room_for_descriptors),
		TEST(test_monitor),
		TEST(test_a_signal_ends_the_wait_for_an_event),
		TEST(test_monitoring_ends),
		TEST(test_reconnect_acquires_again),
		TEST(test_reconnect_outlives_several_brokers),
		TEST(test_reconnect_gives_a_call_up_that_brokers_die_of),
		TEST(test_reconnect_is_off_at_first),
		TEST(test_reconnect_does_not_acquire_what_was_released),
		TEST(test_reconnect_that_is_refused_is_tried_again),
		TEST(test_reconnect_of_a_monitor_is_an_event),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
