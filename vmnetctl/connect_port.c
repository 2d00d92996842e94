/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl connect: a machine's TCP port at standard input and output, for ssh's ProxyCommand. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"
#include "system.h"
#include "text.h"
#include "vmnetctl.h"

#define WAIT_MAX (24 * 60 * 60)
#define PORT_MAX 65535

/* How long an address may keep us from the next one. */
#define ADDRESS_MSEC 3000

static const struct timespec between_tries = { .tv_nsec = 200 * 1000 * 1000 };

/* What has come of the last tries. */
struct tries {
	const char *port;
	char address[ADDRESS_TEXT_SIZE]; /* the likeliest; "": the machine has none */
	int error; /* why that could not be reached */
};

static int64_t milliseconds(void)
{
	struct timespec time = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Waits for a connection that has been begun. Returns 0 or an errno. */
static int finish(int fd)
{
	struct pollfd begun = { .fd = fd, .events = POLLOUT };
	socklen_t size = sizeof(int);
	int error = 0;
	int ready;

	do {
		ready = poll(&begun, 1, ADDRESS_MSEC);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return ETIMEDOUT;
	if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return errno;
	return error;
}

/* Returns 0 or an errno. */
static int begin_and_finish(int fd, const struct addrinfo *to)
{
	int error;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return errno;
	error = connect(fd, to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
	if (error == EINPROGRESS)
		error = finish(fd);
	if (error == 0 && fcntl(fd, F_SETFL, 0) < 0)
		error = errno;
	return error;
}

/* Returns a connected socket, or -1 with an error. */
static int try_address(const char *address, const char *port, int *error)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
					.ai_socktype = SOCK_STREAM };
	struct addrinfo *to;
	int fd;

	if (getaddrinfo(address, port, &hints, &to) != 0) {
		*error = EADDRNOTAVAIL;
		return -1;
	}
	fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
	*error = fd < 0 ? errno : begin_and_finish(fd, to);
	freeaddrinfo(to);
	if (*error == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static int try_all(const struct machine_addresses *addresses, struct tries *tries)
{
	int fd = -1;

	tries->address[0] = '\0';
	for (size_t i = 0; i < addresses->n && fd < 0; i++) {
		int error;

		fd = try_address(addresses->items[i], tries->port, &error);
		if (i > 0)
			continue;
		memcpy(tries->address, addresses->items[i], sizeof(tries->address));
		tries->error = error;
	}
	return fd;
}

static int complain_of_tries(const char *network, const char *machine, const struct tries *tries)
{
	if (tries->address[0] == '\0')
		complain("network \"%s\": no machine \"%s\" has an address; \"vmnetctl inspect "
			 "%s\" shows those that have, --wait waits for it",
			 network, machine, network);
	else if (tries->error == ECONNREFUSED)
		complain("machine \"%s\" lets nobody in at port %s of %s; start there what is to "
			 "answer, or have --wait wait for it",
			 machine, tries->port, tries->address);
	else
		complain("machine \"%s\" cannot be reached at port %s of %s: %s; --wait waits for "
			 "one that starts, and its own firewall may keep it closed",
			 machine, tries->port, tries->address, strerror(tries->error));
	return FAILED;
}

/* Returns a connected socket, or -1 after complaining. */
static int connect_to_machine(struct vmnet_broker *broker, char **arguments, int wait)
{
	int64_t deadline = milliseconds() + wait * INT64_C(1000);
	struct tries tries = { .port = arguments[2] };

	keep_broker(broker);
	for (;;) {
		struct machine_addresses addresses;
		int fd;

		if (find_addresses(broker, arguments[0], arguments[1], &addresses) != DONE)
			return -1;
		fd = try_all(&addresses, &tries);
		if (fd >= 0)
			return fd;
		if (milliseconds() >= deadline)
			break;
		(void)nanosleep(&between_tries, NULL);
	}
	(void)complain_of_tries(arguments[0], arguments[1], &tries);
	return -1;
}

/* Each write is one that somebody waits for; and a machine that has gone is to be noticed. */
static void set_up(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int connect_port(int argc, char **argv)
{
	static const struct option options[] = { { "wait", required_argument, NULL, 'w' }, { 0 } };
	struct vmnet_broker *broker;
	int option, fd, wait = 0;

	while ((option = next_option(argc, argv, OPTIONS_ANYWHERE, options)) != -1) {
		if (option != 'w')
			return option;
		wait = option_number("--wait", optarg, 0, WAIT_MAX);
		if (wait < 0)
			return WRONG_USAGE;
	}
	if (check_arguments(argc, 3, 3, "NETWORK, MACHINE or PORT") != DONE ||
	    option_number("PORT", argv[optind + 2], 1, PORT_MAX) < 0)
		return WRONG_USAGE;
	broker = connect_to_broker();
	if (!broker)
		return FAILED;
	fd = connect_to_machine(broker, argv + optind, wait);
	vmnet_broker_close(broker);
	if (fd < 0)
		return FAILED;
	set_up(fd);
	return relay(fd);
}
