/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side of a service: who connects to it, and when the runtime wants the
 * daemon to end, which its peers are told.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xpc_connection.h"

static struct watch termination; /* a descriptor that says so */

void connection_accept(xpc_connection_t listener)
{
	int fd = accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred remote;
	xpc_connection_t peer;

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &remote, &(socklen_t){ sizeof(remote) }) < 0)
		broken("double: SO_PEERCRED");
	peer = connection_new(CONNECTION_PEER, NULL, NULL);
	peer->remote.pid = remote.pid;
	peer->remote.uid = remote.uid;
	peer->remote.gid = remote.gid;
	peer->watch.fd = fd;
	connection_push(listener, peer);
	connection_pump(listener);
}

/* The runtime wants the daemon to end: every peer is told, and no more messages come of it. */
static void on_termination(struct watch *watch, bool readable, bool writable, bool due)
{
	uint64_t count;

	(void)readable;
	(void)writable;
	(void)due;
	if (read(watch->fd, &count, sizeof(count)) < 0)
		return;
	for (xpc_connection_t peer = all_connections; peer; peer = peer->next) {
		if (peer->kind != CONNECTION_PEER || !peer->active || peer->ended)
			continue;
		peer->terminated = true;
		connection_push(peer, XPC_ERROR_TERMINATION_IMMINENT);
		connection_pump(peer);
	}
}

static void on_termination_signal(int number)
{
	(void)number;
	(void)eventfd_write(termination.fd, 1);
}

/* SIGUSR2 stands for what has the runtime want that. */
static void watch_termination(void)
{
	struct sigaction action = { .sa_handler = on_termination_signal, .sa_flags = SA_RESTART };

	termination.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	termination.want_read = true;
	termination.ready = on_termination;
	if (termination.fd < 0 || sigaction(SIGUSR2, &action, NULL) < 0)
		broken("double: SIGUSR2");
	loop_add(&termination);
}

void connection_listen(xpc_connection_t connection)
{
	const char *service = getenv("DOUBLE_SERVICE");
	const char *listener = getenv("DOUBLE_LISTENER");

	if (!service || !listener || strcmp(service, connection->name) != 0)
		misuse("a listener for \"%s\", which no launchd.plist of this process names",
		       connection->name);
	connection->watch.fd = atoi(listener);
	if (fcntl(connection->watch.fd, F_SETFD, FD_CLOEXEC) < 0)
		broken("double: DOUBLE_LISTENER");
	watch_termination();
}
