/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client's connection, driven by the event loop: it is read while there is no call of it to be
 * served, and served while it takes what it is sent. Bytes are stream.h's, calls calls.h's.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_CONNECTION_H
#define VMNET_BROKER_LINUX_VARLINK_CONNECTION_H

#include <stdbool.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "broker/broker.h"
#include "broker/linux/fds.h"
#include "calls.h"
#include "fdstore.h"
#include "stream.h"
#include "turns.h"

enum connection_state {
	CONNECTION_OPEN, /* calls are read and served */
	CONNECTION_WAITING, /* a call of it is not answered yet; no other is read */
	CONNECTION_LISTING, /* it is sent a list, part by part; no other call is read */
	CONNECTION_MONITORING, /* it gets events until it ends; nothing more is read */
	CONNECTION_ENDING, /* shut down: the loop will see that and end it */
};

struct connection {
	TAILQ_ENTRY(connection) all;
	TAILQ_ENTRY(connection) turn; /* while ready */
	bool ready; /* it is its user's to be served */
	bool eof; /* the client sends nothing more */
	enum connection_state state; /* the methods set all but ENDING */
	struct user *user;
	struct client *client; /* client->connection is this connection */
	struct stream stream;
	struct call call; /* the last one served; being answered unless OPEN */
	TAILQ_ENTRY(connection) monitor; /* while it monitors */
	bool monitors; /* it is one of those */
	uint64_t next_event; /* the number of the first that it has not been sent */
	uint32_t events; /* that it is watched for */
	size_t bytes; /* charged to the user */
	unsigned int descriptors; /* charged to the user: on their way, as far as is known */
	unsigned int stored; /* its number with the service manager, 0: it ends with the broker */
	enum fdstore_state noted;
};

extern struct connections all_connections;

/*
 * A connection of this client, in the list of all. Takes over fd and what is in credentials on
 * success. Returns NULL when memory is short.
 */
struct connection *connection_new(int fd, struct credentials *credentials);

/* Ends it, and what its client holds: from the loop only, or at the front end's start and end. */
void connection_end(struct connection *connection);

/* The same, from anywhere else: it is ENDING, and the loop sees to it. */
void connection_shut_down(struct connection *connection);

/* A client's own fault: told to the administrator, not too often, and to nobody else. */
void connection_log_fault(const struct connection *connection, const char *fault);

/* What the connection is at is noted for the next broker, if it is not what is noted. */
void connection_note(struct connection *connection, enum fdstore_state state);

/* Makes the loop look for what the connection can go on with. */
void connection_update(struct connection *connection);

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

/* From now on the client gets events, and is not listened to any more. */
void connection_monitor(struct connection *connection);

/* What the client holds has changed: written for the next broker, before the client is told. */
void connection_keep(struct connection *connection);

#endif
