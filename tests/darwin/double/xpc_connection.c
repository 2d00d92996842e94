/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XPC connections, over SOCK_SEQPACKET sockets: a frame is a header and a
 * value. What the system promises is kept here:
 *
 * - A connection is dead until it is activated, and silent while it is
 *   suspended. Its handler never runs twice at a time, and nothing is sent
 *   while it runs.
 * - XPC_ERROR_CONNECTION_INVALID comes once, last, to either side: when the
 *   program cancels, to a peer also when the client has gone, to a client also
 *   when there is no such service.
 * - XPC_ERROR_CONNECTION_INTERRUPTED comes to a client whose broker has gone.
 *   Its next message connects anew, which has launchd start a broker.
 * - XPC_ERROR_TERMINATION_IMMINENT comes to a peer when the runtime wants the
 *   daemon to end, and no message after it.
 * - A request whose last reference goes without a reply is answered with
 *   XPC_ERROR_CONNECTION_INTERRUPTED.
 * - What is sent to who has gone disappears without a word.
 */
#include <Block.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "xpc_connection.h"

struct _xpc_connection_s *all_connections;

/* Making and ending */

static void connection_dispose(struct object *object)
{
	xpc_connection_t connection = (xpc_connection_t)object;
	xpc_connection_t *link = &all_connections;

	if (connection->suspensions > 0)
		misuse("xpc_release: the last reference to a connection that is suspended");
	if (!connection->active && !connection->ended)
		misuse("xpc_release: the last reference to a connection that was never activated");
	if (!connection->ended)
		misuse("xpc_release: one reference too many to a connection that is open");
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	if (connection->finalizer)
		connection->finalizer(connection->context);
	if (connection->handler)
		Block_release(connection->handler);
	object_release(connection->target);
	free(connection->name);
}

xpc_connection_t connection_new(enum connection_kind kind, const char *name, dispatch_queue_t queue)
{
	xpc_connection_t connection =
		object_new(sizeof(*connection), OBJECT_XPC_CONNECTION, connection_dispose);

	lock();
	connection->kind = kind;
	connection->name = name ? copy_text(name) : NULL;
	connection->watch.fd = -1;
	connection->watch.ready = connection_on_socket;
	if (queue)
		object_retain(queue);
	connection->target = queue ? queue : queue_private();
	connection->next = all_connections;
	all_connections = connection;
	unlock();
	return connection;
}

void connection_check(xpc_connection_t connection, const char *call)
{
	object_check(connection, OBJECT_XPC_CONNECTION, call);
}

/* Events */

void connection_push(xpc_connection_t connection, xpc_object_t object)
{
	struct event *event = allocate(sizeof(*event));
	struct event **link = &connection->events;

	event->object = object;
	while (*link)
		link = &(*link)->next;
	*link = event;
}

static xpc_object_t event_take(xpc_connection_t connection)
{
	struct event *event = connection->events;
	xpc_object_t object = event->object;

	connection->events = event->next;
	free(event);
	return object;
}

static void event_drop(xpc_object_t object)
{
	/* A client that nobody will ever look at. */
	if (xpc_get_type(object) == XPC_TYPE_CONNECTION)
		xpc_connection_cancel(object);
	else
		xpc_release(object);
}

void connection_disconnect(xpc_connection_t connection, xpc_object_t error)
{
	loop_remove(&connection->watch);
	/* A listener's is launchd's. */
	if (connection->watch.fd >= 0 && connection->kind != CONNECTION_LISTENER)
		close(connection->watch.fd);
	connection->watch.fd = -1;
	connection_fail_waiting(connection, error);
	connection_drop_outgoing(connection);
}

void connection_end(xpc_connection_t connection)
{
	if (connection->ended)
		return;
	connection->ended = true;
	connection_disconnect(connection, XPC_ERROR_CONNECTION_INVALID);
	connection_push(connection, XPC_ERROR_CONNECTION_INVALID);
	connection_pump(connection);
}

/* Delivering */

static void deliver(xpc_connection_t connection)
{
	xpc_handler_t handler;
	xpc_object_t object;
	bool last;

	lock();
	connection->scheduled = false;
	if (!connection->events || connection->suspensions > 0) {
		unlock();
		return;
	}
	object = event_take(connection);
	last = object == XPC_ERROR_CONNECTION_INVALID;
	connection->current = object;
	connection->handling = true;
	connection->handler_thread = pthread_self();
	/* It may set another while it runs. */
	handler = Block_copy(connection->handler);
	unlock();
	handler(object);
	Block_release(handler);
	lock();
	connection->handling = false;
	connection->current = NULL;
	/* A peer is its own: it goes after its last event. */
	if (xpc_get_type(object) != XPC_TYPE_CONNECTION)
		xpc_release(object);
	connection_flush(connection);
	connection_pump(connection);
	unlock();
	if (last)
		object_release(connection);
}

void connection_pump(xpc_connection_t connection)
{
	if (!connection->active || connection->suspensions > 0 || connection->scheduled ||
	    connection->handling || !connection->events)
		return;
	connection->scheduled = true;
	object_retain(connection);
	dispatch_async(connection->target, ^{
		deliver(connection);
		object_release(connection);
	});
}

/* What programs call */

xpc_connection_t xpc_connection_create(const char *name, dispatch_queue_t queue)
{
	if (queue)
		object_check(queue, OBJECT_QUEUE, "xpc_connection_create");
	return connection_new(name ? CONNECTION_BUNDLED : CONNECTION_ANONYMOUS, name, queue);
}

xpc_connection_t xpc_connection_create_mach_service(const char *name, dispatch_queue_t queue,
						    uint64_t flags)
{
	bool listener = flags & XPC_CONNECTION_MACH_SERVICE_LISTENER;

	if (queue)
		object_check(queue, OBJECT_QUEUE, "xpc_connection_create_mach_service");
	return connection_new(listener ? CONNECTION_LISTENER : CONNECTION_CLIENT, name, queue);
}

void xpc_connection_set_event_handler(xpc_connection_t connection, xpc_handler_t handler)
{
	lock();
	connection_check(connection, "xpc_connection_set_event_handler");
	if (connection->handler)
		Block_release(connection->handler);
	connection->handler = Block_copy(handler);
	unlock();
}

void xpc_connection_set_target_queue(xpc_connection_t connection, dispatch_queue_t queue)
{
	lock();
	connection_check(connection, "xpc_connection_set_target_queue");
	if (connection->active)
		misuse("xpc_connection_set_target_queue: on an active connection");
	if (queue)
		object_retain(queue);
	object_release(connection->target);
	connection->target = queue ? queue : queue_private();
	unlock();
}

void xpc_connection_set_context(xpc_connection_t connection, void *context)
{
	lock();
	connection_check(connection, "xpc_connection_set_context");
	connection->context = context;
	unlock();
}

void *xpc_connection_get_context(xpc_connection_t connection)
{
	connection_check(connection, "xpc_connection_get_context");
	return connection->context;
}

void xpc_connection_set_finalizer_f(xpc_connection_t connection, xpc_finalizer_t finalizer)
{
	lock();
	connection_check(connection, "xpc_connection_set_finalizer_f");
	connection->finalizer = finalizer;
	unlock();
}

void xpc_connection_activate(xpc_connection_t connection)
{
	lock();
	connection_check(connection, "xpc_connection_activate");
	if (!connection->handler)
		misuse("xpc_connection_activate: without an event handler");
	if (connection->active) {
		unlock();
		return;
	}
	connection->active = true;
	/* Until its last event is delivered. A peer has this reference from the start. */
	if (connection->kind != CONNECTION_PEER)
		object_retain(connection);
	if (connection->kind == CONNECTION_LISTENER && !connection->ended)
		connection_listen(connection);
	if (connection->watch.fd >= 0) {
		connection->watch.want_read = true;
		loop_add(&connection->watch);
	}
	connection_pump(connection);
	unlock();
}

void xpc_connection_resume(xpc_connection_t connection)
{
	lock();
	connection_check(connection, "xpc_connection_resume");
	if (!connection->active && connection->suspensions == 0) {
		xpc_connection_activate(connection);
	} else if (connection->suspensions == 0) {
		misuse("xpc_connection_resume: on a connection that is not suspended");
	} else {
		connection->suspensions--;
		connection_flush(connection);
		connection_pump(connection);
	}
	unlock();
}

void xpc_connection_suspend(xpc_connection_t connection)
{
	lock();
	connection_check(connection, "xpc_connection_suspend");
	connection->suspensions++;
	unlock();
}

void xpc_connection_cancel(xpc_connection_t connection)
{
	bool refused;

	lock();
	connection_check(connection, "xpc_connection_cancel");
	refused = connection->kind == CONNECTION_PEER && !connection->active && !connection->ended;
	if (!connection->ended) {
		while (connection->events)
			event_drop(event_take(connection));
		connection_end(connection);
	}
	if (refused) {
		(void)event_take(connection);
		object_release(connection);
	}
	unlock();
}

const char *xpc_connection_get_name(xpc_connection_t connection)
{
	connection_check(connection, "xpc_connection_get_name");
	return connection->name;
}

/* Nobody here is signed, and nobody minds. */
int xpc_connection_set_peer_code_signing_requirement(xpc_connection_t connection,
						     const char *requirement)
{
	connection_check(connection, "xpc_connection_set_peer_code_signing_requirement");
	if (connection->active)
		misuse("xpc_connection_set_peer_code_signing_requirement: on an active connection");
	return requirement ? 0 : EINVAL;
}

pid_t xpc_connection_get_pid(xpc_connection_t connection)
{
	connection_check(connection, "xpc_connection_get_pid");
	return connection->remote.pid;
}

uid_t xpc_connection_get_euid(xpc_connection_t connection)
{
	connection_check(connection, "xpc_connection_get_euid");
	return connection->remote.uid;
}

gid_t xpc_connection_get_egid(xpc_connection_t connection)
{
	connection_check(connection, "xpc_connection_get_egid");
	return connection->remote.gid;
}

/* At exit */

bool connections_excuse(void)
{
	bool open = false;

	for (xpc_connection_t connection = all_connections; connection;
	     connection = connection->next) {
		if (!connection->active || connection->ended)
			continue;
		open = true;
		connection->object.excused = true;
		for (struct event *event = connection->events; event; event = event->next)
			if (xpc_get_type(event->object) != XPC_TYPE_CONNECTION)
				value_excuse(event->object);
		for (struct waiting *at = connection->waiting; at; at = at->next)
			value_excuse(at->message);
		if (connection->current && xpc_get_type(connection->current) != XPC_TYPE_CONNECTION)
			value_excuse(connection->current);
	}
	return open;
}
