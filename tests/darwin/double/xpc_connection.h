/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of XPC's connections share; all of it with the lock of double.h.
 *
 *	xpc_connection.c  their life, their events, and what programs call
 *	xpc_listener.c    the service: who connects, and when the daemon is to end
 *	xpc_send.c        what is sent, and who waits for a reply
 *	xpc_receive.c     what comes in
 */
#ifndef TESTS_DARWIN_XPC_CONNECTION_H
#define TESTS_DARWIN_XPC_CONNECTION_H

#include "double.h"

enum connection_kind {
	CONNECTION_LISTENER,
	CONNECTION_ANONYMOUS, /* a listener that nobody can find */
	CONNECTION_BUNDLED, /* a client of a service within the program's bundle: there is none */
	CONNECTION_CLIENT,
	CONNECTION_PEER, /* a client, as a listener sees it */
};

/* Waits for the handler. */
struct event {
	struct event *next;
	xpc_object_t object; /* counted */
};

/* Waits for the socket: a frame, or a barrier. */
struct outgoing {
	struct outgoing *next;
	struct buffer frame;
	dispatch_block_t barrier; /* a copy; NULL: it is a frame */
};

/* Who waits for a reply: a thread, or a handler on a queue. */
struct waiting {
	struct waiting *next;
	uint64_t id;
	xpc_object_t message; /* the caller's, which keeps it */
	xpc_object_t reply;
	dispatch_queue_t queue; /* counted; NULL: a thread */
	xpc_handler_t handler; /* a copy */
};

struct _xpc_connection_s {
	struct object object;
	struct _xpc_connection_s *next; /* of all */
	enum connection_kind kind;
	char *name;
	struct watch watch; /* the socket; a client has none before its first message */
	struct {
		pid_t pid;
		uid_t uid;
		gid_t gid;
	} remote;
	dispatch_queue_t target; /* counted */
	xpc_handler_t handler; /* a copy */
	void *context;
	xpc_finalizer_t finalizer;
	bool active;
	unsigned int suspensions;
	bool terminated; /* XPC_ERROR_TERMINATION_IMMINENT has come */
	bool ended; /* its last event is on its way, or was delivered */
	bool scheduled; /* an event is on the target queue */
	bool handling; /* the handler runs */
	pthread_t handler_thread; /* while it does */
	struct event *events;
	xpc_object_t current; /* the event that is being delivered */
	struct outgoing *outgoing;
	struct waiting *waiting;
	uint64_t last_id;
};

struct frame_header {
	uint64_t kind; /* enum frame_kind */
	uint64_t id; /* of a request, and of its reply */
};

/* xpc_connection.c */

extern struct _xpc_connection_s *all_connections;

xpc_connection_t connection_new(enum connection_kind kind, const char *name,
				dispatch_queue_t queue);
void connection_check(xpc_connection_t connection, const char *call);

/* Takes over the object, an event; connection_pump() has the next one delivered, if that may be. */
void connection_push(xpc_connection_t connection, xpc_object_t object);
void connection_pump(xpc_connection_t connection);

/* The socket has ended, or is to; and the same for the connection, whose last event this makes. */
void connection_disconnect(xpc_connection_t connection, xpc_object_t error);
void connection_end(xpc_connection_t connection);

/* xpc_listener.c */

void connection_listen(xpc_connection_t connection);
void connection_accept(xpc_connection_t listener);

/* xpc_send.c */

/* Sends what waits, as far as the socket takes it; or drops it. */
void connection_flush(xpc_connection_t connection);
void connection_drop_outgoing(xpc_connection_t connection);

/* Those who wait get a reply, which is taken over; or all of them an error. */
void connection_on_reply(xpc_connection_t connection, uint64_t id, xpc_object_t reply);
void connection_fail_waiting(xpc_connection_t connection, xpc_object_t error);

/* xpc_receive.c */

void connection_on_socket(struct watch *watch, bool readable, bool writable, bool due);

#endif
