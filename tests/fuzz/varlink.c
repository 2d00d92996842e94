/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that sends anything, cut anywhere, to the Varlink front end with the real
 * policy behind it. The first byte of the input says how the rest is cut. Every
 * reply has to be a message, there must not be more of them than calls, another
 * client is served all the while, and nothing is left when both have gone.
 */
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/linux/linux.h"
#include "tests/unit/fake_linux.h"
#include "tests/unit/log_double.h"
#include "tests/unit/must.h"
#include "wire/varlink_input.h"

#define CONFIG                                                                     \
	"{\"lab\":{\"mode\":\"shared\",\"aliases\":[\"a\"],\"max_interfaces\":2}," \
	"\"b\":{\"mode\":\"host\",\"allow\":{\"users\":[4000000000]}}}"
#define MESSAGE_MAX ((size_t)16 * 1024 * 1024)
#define GET_INFO "{\"method\":\"org.varlink.service.GetInfo\"}"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *path;

struct peer {
	int fd;
	struct input input;
	size_t n_calls; /* NUL bytes sent */
	size_t n_replies; /* those that are the last for their call */
	size_t n_fds;
};

static void peer_connect(struct peer *peer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*peer = (struct peer){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
					    0) };
	must(peer->fd >= 0);
	strcpy(address.sun_path, path);
	must(connect(peer->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
}

static void take_fd(void *context, int fd)
{
	struct peer *peer = context;

	must(close(fd) == 0);
	peer->n_fds++;
}

/* As many descriptors as the reply says came with it. */
static void check_fds(struct peer *peer, const json_t *parameters)
{
	size_t n = json_array_size(json_object_get(parameters, "tap_fds")) +
		   json_array_size(json_object_get(parameters, "vhost_fds"));

	must(peer->n_fds >= n);
	peer->n_fds -= n;
}

static void check_message(struct peer *peer, const char *text)
{
	json_t *message = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_t *parameters = json_object_get(message, "parameters");

	must(json_is_object(parameters));
	must(!json_object_get(message, "error") ||
	     json_is_string(json_object_get(message, "error")));
	peer->n_replies += !json_is_true(json_object_get(message, "continues"));
	must(peer->n_replies <= peer->n_calls);
	check_fds(peer, parameters);
	json_decref(message);
}

/* Reads what there is. Returns false at the end of the connection. */
static bool hear(struct peer *peer)
{
	const char *message;
	size_t length;
	int result;

	while ((result = vmnet_broker_input_receive(&peer->input, peer->fd, MESSAGE_MAX, take_fd,
						    peer)) > 0)
		while ((message = vmnet_broker_input_take(&peer->input, &length)))
			check_message(peer, message);
	return result == -EAGAIN;
}

static bool say(struct peer *peer, const void *data, size_t size)
{
	const char *bytes = data;

	while (size > 0) {
		ssize_t n = send(peer->fd, bytes, size, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return false;
		for (ssize_t i = 0; i < n; i++)
			peer->n_calls += bytes[i] == '\0';
		bytes += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
		fake_linux_run();
		if (!hear(peer))
			return false;
	}
	return true;
}

static void peer_close(struct peer *peer)
{
	close(peer->fd);
	vmnet_broker_input_clear(&peer->input);
	fake_linux_run();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	path = fake_linux_open(CONFIG);
	atexit(fake_linux_close);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t random = size > 0 ? data[0] : 0;
	struct peer witness;
	struct peer peer;
	bool goes_on = true;

	peer_connect(&witness);
	peer_connect(&peer);
	for (size_t start = 1, part; start < size && goes_on; start += part) {
		part = random == 0 ? size - start : 1 + random % 61;
		if (part > size - start)
			part = size - start;
		random = random * 1103515245U + 12345U;
		goes_on = say(&peer, data + start, part);
		log_double_clear();
	}
	must(say(&witness, GET_INFO, sizeof(GET_INFO)));
	must(witness.n_replies == 1);
	peer_close(&peer);
	peer_close(&witness);
	must(broker_is_idle(linux_platform.broker));
	return 0;
}
