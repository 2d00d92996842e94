/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Varlink's messages over one socket, for a caller that waits: whole messages in and out, and the
 * descriptors that come with them. What the other side sends is bounded, however it means it. What
 * a message says is not looked at.
 */
#ifndef VMNET_CLIENT_LINUX_TRANSPORT_H
#define VMNET_CLIENT_LINUX_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/varlink_input.h"

/* Bytes of one message, with its NUL. */
#define TRANSPORT_REPLY_MAX ((size_t)16 * 1024 * 1024)
/* A TAP and a vhost-net descriptor for each of 16 queues. */
#define TRANSPORT_FDS_MAX 32U

struct transport {
	int fd;
	struct input input;
	bool wants_fds; /* descriptors that come are kept, not closed */
	bool lost_fds; /* some could not be taken */
	int fds[TRANSPORT_FDS_MAX];
	size_t n_fds;
};

#define TRANSPORT_INIT   \
	{                \
		.fd = -1 \
	}

/* Connects to the socket at path. Returns 0 or a negative errno. */
int vmnet_broker_transport_connect(struct transport *transport, const char *path);

/*
 * The same for a transport whose connection has ended: a new socket takes the
 * number of the old one, and what was not taken is forgotten.
 */
int vmnet_broker_transport_connect_again(struct transport *transport, const char *path);

/* Closes the socket and every descriptor that was not taken. */
void vmnet_broker_transport_close(struct transport *transport);

/* Ends the connection, whose descriptor stays until vmnet_broker_transport_close(). */
void vmnet_broker_transport_shut_down(struct transport *transport);

/* Sends all of a message. Returns 0 or a negative errno; never a signal. */
int vmnet_broker_transport_send(struct transport *transport, const char *text, size_t size);

/*
 * Waits for a message.
 * timeout: milliseconds; 0 does not wait, -1 waits for as long as it takes.
 * message, length: get it, terminated and valid until the next call.
 *
 * Returns 0 or a negative errno: -ETIMEDOUT, -EINTR after a signal,
 * -ECONNRESET when the connection has ended, -EMSGSIZE when the message is
 * longer than TRANSPORT_REPLY_MAX, -ENOMEM.
 */
int vmnet_broker_transport_receive(struct transport *transport, int timeout, const char **message,
				   size_t *length);

/* Closes the descriptors in fds[] that were not taken out (set to -1), and forgets them. */
void vmnet_broker_transport_close_fds(struct transport *transport);

#endif
