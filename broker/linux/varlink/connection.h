/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection, driven by the event loop: it is read while there is
 * no call of it to be served, and served while it takes what it is sent.
 */
#ifndef VMNET_BROKER_CONNECTION_H
#define VMNET_BROKER_CONNECTION_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "broker/broker.h"
#include "broker/linux/fds.h"
#include "calls.h"
#include "kept.h"
#include "stream.h"
#include "turns.h"

enum connection_state {
	CONNECTION_OPEN, /* calls are read and served */
	CONNECTION_WAITING, /* a call of it is not answered yet; no other is read */
	CONNECTION_MONITORING, /* it gets events until it ends; nothing more is read */
	CONNECTION_ENDING, /* shut down: the loop will see that and end it */
};

struct connection {
	TAILQ_ENTRY(connection) all;
	TAILQ_ENTRY(connection) turn; /* while ready */
	bool ready; /* it is its user's to be served */
	bool eof; /* the client sends nothing more */
	enum connection_state state; /* the methods set WAITING and MONITORING */
	struct user *user;
	struct client *client; /* client->door is this connection */
	struct stream stream;
	struct call call; /* the last one served; being answered while WAITING or MONITORING */
	TAILQ_ENTRY(connection) monitor; /* while it monitors */
	bool monitors; /* it is one of those */
	uint64_t next_event; /* the number of the first that it has not been sent */
	uint32_t events; /* that it is watched for */
	size_t bytes; /* charged to the user */
	unsigned int descriptors; /* charged to the user: on their way, as far as is known */
	unsigned int kept; /* its number with the service manager, 0: it ends with the broker */
	enum kept_state noted;
};

/*
 * Serves a client on fd, which is taken over, and which stream_refuse_fds() knows. One that
 * cannot be served is told so.
 */
void connection_open(int fd);

/*
 * Goes on with the connections that an earlier broker left: their holds are put
 * back on the networks that were adopted. One that cannot go on is ended.
 */
void connections_restore(void);

/* Nothing more is read: calls that have come are served, and the next broker goes on. */
void connections_leave(void);

/* Ends every connection; after connections_leave(), lets go of it as it is. */
void connections_end(void);

/* Events of epoll_ctl(2) on its socket. May end the connection. */
void connection_io(struct connection *connection, uint32_t events);

/* Serves the next call. May end the connection. */
void connection_serve(struct connection *connection);

/* The call that the connection was WAITING with has its answer: it is served again. */
void connection_answered(struct connection *connection);

/* The names in the configuration are known: those that wait for it to be read are answered. */
void connections_reload(void);

/*
 * So many descriptors are going to be sent. Returns 0, or -1 with error when those that the
 * user's clients have not taken are too many.
 */
int connection_reserve_descriptors(struct connection *connection, unsigned int n,
				   struct error *error);

/* From now on the client gets events, and is not listened to any more. */
void connection_monitor(struct connection *connection);

/* Sends it some, as text of so many bytes: taken over; NULL (no memory) ends the connection. */
void connection_send_events(struct connection *connection, char *text, size_t size);

/*
 * A client that monitors and does not read: it loses what was not sent, gets a
 * last word, for which the socket is given some room, and is dropped.
 */
void connection_drop_slow_reader(struct connection *connection);

/* What the client holds has changed: written for the next broker, before the client is told. */
void connection_keep(struct connection *connection);

/*
 * Sends a message.
 * message: taken over; NULL, as jansson gives without memory, ends the connection. One longer
 *	than REPLY_SIZE_MAX is replaced by an error that says so.
 * fds: NULL, or sent with it and taken over.
 */
void connection_send(struct connection *connection, json_t *message, struct interface_fds *fds);

#endif
