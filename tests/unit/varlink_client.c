/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of the front end for unit tests: see varlink_client.h. */
#include "tests/unit/varlink_client.h"

#include <errno.h>
#include <jansson.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"

#define CONFIG                                                                    \
	"{\"lab\":{\"mode\":\"shared\",\"description\":\"The lab\",\"mtu\":9000," \
	"\"aliases\":[\"labor\"]},"                                               \
	"\"closed\":{\"mode\":\"host\",\"allow\":{\"users\":[\"root\"]}},"        \
	"\"small\":{\"mode\":\"host\",\"max_interfaces\":1}}"
#define MESSAGE_MAX ((size_t)16 * 1024 * 1024)

static const char *path;

int setup(void **state)
{
	(void)state;
	/* What the kernel tells of a client; under valgrind it would be another name. */
	prctl(PR_SET_NAME, "test_varlink");
	log_double_clear();
	path = fake_linux_open(CONFIG);
	return 0;
}

int teardown(void **state)
{
	(void)state;
	fake_linux_close();
	return 0;
}

struct peer peer_connect(void)
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

void peer_close(struct peer *peer)
{
	close(peer->fd);
	vmnet_broker_input_clear(&peer->input);
	*peer = (struct peer){ .fd = -1 };
}

void say(struct peer *peer, const char *text)
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

bool hear(struct peer *peer)
{
	return vmnet_broker_input_receive(&peer->input, peer->fd, MESSAGE_MAX, take_fd, peer) > 0;
}

char *take(struct peer *peer)
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

void assert_says(struct peer *peer, const char *expected)
{
	char *text;
	json_t *said;
	json_t *wanted = json_loads(expected, 0, NULL);

	fake_linux_run();
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

void assert_silent(struct peer *peer)
{
	char byte;

	fake_linux_run();
	assert_int_equal(peer->input.start, peer->input.end);
	assert_int_equal(recv(peer->fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

void assert_disconnected(struct peer *peer)
{
	char byte;
	ssize_t n;

	fake_linux_run();
	n = recv(peer->fd, &byte, 1, 0);
	assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

void assert_answer(const char *call, const char *reply)
{
	struct peer peer = peer_connect();

	say(&peer, call);
	assert_says(&peer, reply);
	peer_close(&peer);
}
