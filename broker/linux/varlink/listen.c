/* SPDX-License-Identifier: Apache-2.0 */
/* Finds or makes the listening socket, and takes what else systemd passes. */
#include "listen.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "fdstore.h"

/* How often, and after which time, it is looked again whether another broker is there. */
#define BUSY_TRIES 20
#define BUSY_MSEC 50

static int fill_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		log_error(NULL,
			  "the socket's path %s is longer than %zu bytes; choose another by "
			  "--socket",
			  path, sizeof(address->sun_path) - 1);
		return -1;
	}
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

/*
 * Waits a little before the next of some tries. A broker that was killed may
 * have been about to start a program, which has the broker's sockets until then.
 */
static bool try_again(unsigned int *tries)
{
	if (++*tries == BUSY_TRIES)
		return false;
	(void)poll(NULL, 0, BUSY_MSEC);
	return true;
}

/* Returns 0 or the errno of connect(). */
static int try_connect(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;

	/* Shut first: whoever listens there could send descriptors, to be closed here. */
	if (fd < 0 || shutdown(fd, SHUT_RD) < 0 ||
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		error = errno;
	if (fd >= 0)
		(void)close(fd);
	return error;
}

/* A socket file whose broker has died is in the way of the next one. */
static int remove_stale(const char *path, const struct sockaddr_un *address)
{
	unsigned int tries = 0;
	struct stat status;
	int error;

	/* EAGAIN: it is there, and too busy to answer. */
	do
		error = try_connect(address);
	while ((error == 0 || error == EAGAIN) && try_again(&tries));
	if (error == 0 || error == EAGAIN) {
		log_error(NULL, "another broker serves at %s; stop it, or choose another --socket",
			  path);
		return -1;
	}
	/* So it is said of any other file, too: that one is not ours to remove. */
	if (error != ECONNREFUSED || stat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return 0; /* what is there shows when the socket is bound */
	if (unlink(path) < 0) {
		log_error(NULL, "cannot remove the stale socket %s: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

static int make_parent(const struct options *options)
{
	size_t length = strlen(options->runtime_dir);

	if (strncmp(options->socket, options->runtime_dir, length) != 0 ||
	    options->socket[length] != '/')
		return 0; /* a directory of somebody else's choice is theirs to make */
	if (mkdir(options->runtime_dir, 0755) < 0 && errno != EEXIST) {
		log_error(NULL, "cannot make directory %s: %s", options->runtime_dir,
			  strerror(errno));
		return -1;
	}
	return 0;
}

static int make_socket(const struct options *options)
{
	struct sockaddr_un address;
	int fd;

	if (fill_address(&address, options->socket) < 0 || make_parent(options) < 0 ||
	    remove_stale(options->socket, &address) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(options->socket, 0666) < 0 || listen(fd, SOMAXCONN) < 0) {
		log_error(NULL, "cannot listen at %s: %s", options->socket, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	return fd;
}

/* One descriptor of systemd's: a client's from its store, or the listening socket. */
static int take_passed(int fd, const char *name, struct listener *listener)
{
	int taken = fdstore_take(fd, name);

	if (taken < 0) {
		log_error(NULL, "cannot take over a client's connection: %s", strerror(-taken));
		return -1;
	}
	if (taken > 0)
		return 0;
	if (listener->on_demand || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0) {
		log_error(NULL,
			  "systemd passed something else (%s) than one listening stream socket; "
			  "see vmnet-broker.socket",
			  name);
		return -1;
	}
	*listener = (struct listener){ .fd = fd, .on_demand = true };
	return 0;
}

int listener_open(const struct options *options, struct listener *listener)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names);
	int result = 0;

	*listener = (struct listener){ .fd = -1 };
	if (n < 0) {
		log_error(NULL, "cannot take over systemd's socket: %s", strerror(-n));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		if (result == 0)
			result = take_passed(SD_LISTEN_FDS_START + i, names[i], listener);
		free(names[i]);
	}
	free(names);
	if (result == 0 && !listener->on_demand)
		listener->fd = make_socket(options);
	return listener->fd < 0 ? -1 : result;
}

void listener_remove(const struct options *options, const struct listener *listener)
{
	/* The service user may not be allowed to: the next broker finds it stale. */
	if (!listener->on_demand && unlink(options->socket) < 0)
		log_debug(NULL, "the socket %s stays: %s", options->socket, strerror(errno));
}
