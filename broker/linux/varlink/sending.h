/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection is sent: replies, errors and events. Their bytes and
 * descriptors go out in stream.h.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_SENDING_H
#define VMNET_BROKER_LINUX_VARLINK_SENDING_H

#include <jansson.h>
#include <stddef.h>

struct connection;
struct interface_fds;

/*
 * Sends a message.
 * message: taken over; NULL, as jansson gives without memory, ends the connection. One longer
 *	than REPLY_SIZE_MAX is replaced by an error that says so.
 * fds: NULL, or sent with it and taken over.
 */
void connection_send(struct connection *connection, json_t *message, struct interface_fds *fds);

/*
 * Sends a part of a list: messages, as text of so many bytes, which is taken over; NULL (no
 * memory) ends the connection. One that is too long ends the list with an error that says so.
 */
void connection_send_part(struct connection *connection, char *text, size_t size);

/* Sends it events, as text of so many bytes: taken over; NULL (no memory) ends the connection. */
void connection_send_events(struct connection *connection, char *text, size_t size);

/*
 * A client that monitors and does not read: it loses what was not sent, gets a
 * last word, for which the socket is given some room, and is dropped.
 */
void connection_drop_slow_reader(struct connection *connection);

/* Sends what waits, as far as the socket takes it. */
void connection_flush(struct connection *connection);

#endif
