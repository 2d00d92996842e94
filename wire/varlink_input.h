/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from a Varlink socket, for both of its ends: messages, each ended by a NUL byte, and
 * the descriptors that come with them. Nothing is sent here, and no JSON looked at. The
 * broker's own side is broker/linux/varlink/stream.h, the library's client/linux/transport.h.
 */
#ifndef VMNET_WIRE_VARLINK_INPUT_H
#define VMNET_WIRE_VARLINK_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Empty when all zero. */
struct input {
	char *bytes;
	size_t size; /* allocated */
	size_t start; /* of the first message that was not taken */
	size_t scanned; /* no NUL lies between start and here */
	size_t end;
};

/* Takes over a descriptor that has come. fd: -1 stands for some that got lost. */
typedef void vmnet_broker_input_fd_function(void *context, int fd);

/*
 * Reads once, without waiting.
 * max: bytes of the longest message, with its NUL.
 * take_fd: called with context for each descriptor that has come; NULL: none may.
 * Returns 1 when something came, 0 at the end of the stream, or a negative
 * errno: -EAGAIN when nothing has come, -EMSGSIZE when a message is longer than
 * max, -EPERM when descriptors have come that may not, which stay where they
 * are, -ENOMEM.
 */
int vmnet_broker_input_receive(struct input *input, int fd, size_t max,
			       vmnet_broker_input_fd_function *take_fd, void *context);

/*
 * Looks at what would be received next, without waiting. Returns how many
 * bytes, 0 at the end of the stream, or a negative errno: -EAGAIN when nothing
 * has come, -EPERM when they bring descriptors.
 */
ssize_t vmnet_broker_input_peek(int fd, void *bytes, size_t size);

/* A whole message has come and was not taken yet. */
bool vmnet_broker_input_has_message(struct input *input);

/*
 * Takes the next message, terminated and valid until more is received, or
 * returns NULL.
 * length: gets its length without the terminator.
 */
const char *vmnet_broker_input_take(struct input *input, size_t *length);

/* Forgets what was not taken, and frees the memory. */
void vmnet_broker_input_clear(struct input *input);

#endif
