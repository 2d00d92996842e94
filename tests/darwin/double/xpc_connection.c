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
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "double.h"

enum connection_kind {
	CONNECTION_LISTENER,
	CONNECTION_ANONYMOUS, /* a listener that nobody can find */
	CONNECTION_BUNDLED, /* a client of a service within the program's bundle: there is none */
	CONNECTION_CLIENT,
	CONNECTION_PEER, /* a client, as a listener sees it */
};

struct frame_header {
	uint64_t kind; /* enum frame_kind */
	uint64_t id; /* of a request, and of its reply */
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

static struct _xpc_connection_s *connections;
static pthread_cond_t reply_arrived = PTHREAD_COND_INITIALIZER;
static struct watch termination; /* a descriptor that says so */

static void pump(xpc_connection_t connection);
static void flush(xpc_connection_t connection);
static void on_socket(struct watch *watch, bool readable, bool writable, bool due);

/* Making and ending */

static void connection_dispose(struct object *object)
{
	xpc_connection_t connection = (xpc_connection_t)object;
	xpc_connection_t *link = &connections;

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

static xpc_connection_t connection_new(enum connection_kind kind, const char *name,
				       dispatch_queue_t queue)
{
	xpc_connection_t connection =
		object_new(sizeof(*connection), OBJECT_XPC_CONNECTION, connection_dispose);

	lock();
	connection->kind = kind;
	connection->name = name ? copy_text(name) : NULL;
	connection->watch.fd = -1;
	connection->watch.ready = on_socket;
	if (queue)
		object_retain(queue);
	connection->target = queue ? queue : queue_private();
	connection->next = connections;
	connections = connection;
	unlock();
	return connection;
}

static void check(xpc_connection_t connection, const char *call)
{
	object_check(connection, OBJECT_XPC_CONNECTION, call);
}

/* Something of the connection that was released as a whole: an event, or a frame. */

static void event_push(xpc_connection_t connection, xpc_object_t object)
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

static void barrier_run(dispatch_block_t barrier)
{
	/* On a queue of its own: no order with the target queue is promised. */
	dispatch_queue_t queue = queue_private();

	dispatch_async(queue, barrier);
	dispatch_release(queue);
	Block_release(barrier);
}

static void outgoing_drop(struct outgoing *outgoing)
{
	if (outgoing->barrier)
		barrier_run(outgoing->barrier);
	buffer_clear(&outgoing->frame);
	free(outgoing);
}

static void outgoing_drop_all(xpc_connection_t connection)
{
	while (connection->outgoing) {
		struct outgoing *next = connection->outgoing->next;

		outgoing_drop(connection->outgoing);
		connection->outgoing = next;
	}
}

/* Takes over the reply. Of one with a handler this is the end. */
static void waiting_end(struct waiting *waiting, xpc_object_t reply)
{
	dispatch_queue_t queue = waiting->queue;
	xpc_handler_t handler = waiting->handler;

	waiting->reply = reply;
	if (!queue) {
		(void)pthread_cond_broadcast(&reply_arrived);
		return;
	}
	free(waiting);
	dispatch_async(queue, ^{
		handler(reply);
		xpc_release(reply);
	});
	Block_release(handler);
	object_release(queue);
}

static void fail_waiting(xpc_connection_t connection, xpc_object_t error)
{
	while (connection->waiting) {
		struct waiting *waiting = connection->waiting;

		connection->waiting = waiting->next;
		waiting_end(waiting, error);
	}
}

/* The socket has ended, or is to. */
static void disconnect(xpc_connection_t connection, xpc_object_t error)
{
	loop_remove(&connection->watch);
	/* A listener's is launchd's. */
	if (connection->watch.fd >= 0 && connection->kind != CONNECTION_LISTENER)
		close(connection->watch.fd);
	connection->watch.fd = -1;
	fail_waiting(connection, error);
	outgoing_drop_all(connection);
}

static void end(xpc_connection_t connection)
{
	if (connection->ended)
		return;
	connection->ended = true;
	disconnect(connection, XPC_ERROR_CONNECTION_INVALID);
	event_push(connection, XPC_ERROR_CONNECTION_INVALID);
	pump(connection);
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
	flush(connection);
	pump(connection);
	unlock();
	if (last)
		object_release(connection);
}

/* Has the next event delivered, if that may be. */
static void pump(xpc_connection_t connection)
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

/* Sending */

static bool connect_service(xpc_connection_t connection)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[256];
	int fd;

	if (connection->kind == CONNECTION_BUNDLED)
		return false;
	(void)snprintf(name, sizeof(name), "%s.socket", connection->name);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world_path(name));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		broken("double: socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return false;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		broken("double: fcntl");
	connection->watch.fd = fd;
	connection->watch.want_read = true;
	loop_add(&connection->watch);
	return true;
}

static void flush(xpc_connection_t connection)
{
	struct outgoing *first;

	while ((first = connection->outgoing)) {
		if (connection->suspensions > 0 || connection->handling)
			return;
		if (connection->watch.fd < 0 && !connect_service(connection)) {
			end(connection);
			return;
		}
		if (!first->barrier && !frame_send(connection->watch.fd, &first->frame)) {
			connection->watch.want_write = true;
			loop_wake();
			return;
		}
		connection->outgoing = first->next;
		outgoing_drop(first);
	}
}

/* frame and barrier are taken over; one of them is empty. */
static void enqueue(xpc_connection_t connection, struct buffer frame, dispatch_block_t barrier)
{
	struct outgoing *outgoing = allocate(sizeof(*outgoing));
	struct outgoing **link = &connection->outgoing;

	outgoing->frame = frame;
	outgoing->barrier = barrier;
	if (connection->ended) {
		outgoing_drop(outgoing);
		return;
	}
	while (*link)
		link = &(*link)->next;
	*link = outgoing;
	flush(connection);
}

static void send_frame(xpc_connection_t connection, enum frame_kind kind, uint64_t id,
		       xpc_object_t message)
{
	struct frame_header header = { .kind = kind, .id = id };
	struct buffer frame = { .bytes = allocate(sizeof(header)), .length = sizeof(header) };

	memcpy(frame.bytes, &header, sizeof(header));
	if (message)
		value_encode(message, &frame);
	enqueue(connection, frame, NULL);
}

static void check_sender(xpc_connection_t connection, xpc_object_t message, const char *call)
{
	check(connection, call);
	dictionary_check(message, call);
	if (connection->kind == CONNECTION_LISTENER || connection->kind == CONNECTION_ANONYMOUS)
		misuse("%s: on a listener", call);
	if (!connection->active)
		misuse("%s: on a connection that was not activated", call);
}

static void reply_context_free(struct reply_context *context)
{
	object_release(context->connection);
	free(context);
}

void reply_context_drop(struct reply_context *context)
{
	send_frame(context->connection, FRAME_NO_REPLY, context->id, NULL);
	reply_context_free(context);
}

static void send_reply(xpc_connection_t connection, xpc_object_t reply)
{
	struct reply_context *context = dictionary_take_reply_context(reply);

	if (!context)
		misuse("xpc_connection_send_message: a reply is sent twice");
	if (context->connection != connection)
		misuse("xpc_connection_send_message: a reply to another connection");
	send_frame(connection, FRAME_REPLY, context->id, reply);
	reply_context_free(context);
}

void xpc_connection_send_message(xpc_connection_t connection, xpc_object_t message)
{
	lock();
	check_sender(connection, message, "xpc_connection_send_message");
	if (dictionary_is_reply(message))
		send_reply(connection, message);
	else
		send_frame(connection, FRAME_MESSAGE, 0, message);
	unlock();
}

void xpc_connection_send_barrier(xpc_connection_t connection, dispatch_block_t barrier)
{
	lock();
	check(connection, "xpc_connection_send_barrier");
	enqueue(connection, (struct buffer){ 0 }, Block_copy(barrier));
	unlock();
}

xpc_object_t xpc_connection_send_message_with_reply_sync(xpc_connection_t connection,
							 xpc_object_t message)
{
	struct waiting waiting = { .message = message };

	lock();
	check_sender(connection, message, "xpc_connection_send_message_with_reply_sync");
	if (connection->handling && pthread_equal(connection->handler_thread, pthread_self()))
		misuse("xpc_connection_send_message_with_reply_sync: in the connection's own "
		       "handler, which waits for itself");
	if (connection->ended) {
		unlock();
		return XPC_ERROR_CONNECTION_INVALID;
	}
	waiting.id = ++connection->last_id;
	waiting.next = connection->waiting;
	connection->waiting = &waiting;
	send_frame(connection, FRAME_REQUEST, waiting.id, message);
	while (!waiting.reply)
		(void)pthread_cond_wait(&reply_arrived, &double_lock);
	unlock();
	return waiting.reply;
}

void xpc_connection_send_message_with_reply(xpc_connection_t connection, xpc_object_t message,
					    dispatch_queue_t queue, xpc_handler_t handler)
{
	struct waiting *waiting = allocate(sizeof(*waiting));

	lock();
	check_sender(connection, message, "xpc_connection_send_message_with_reply");
	if (queue)
		object_retain(queue);
	waiting->queue = queue ? queue : queue_private();
	waiting->handler = Block_copy(handler);
	waiting->id = ++connection->last_id;
	if (connection->ended) {
		waiting_end(waiting, XPC_ERROR_CONNECTION_INVALID);
	} else {
		waiting->next = connection->waiting;
		connection->waiting = waiting;
		send_frame(connection, FRAME_REQUEST, waiting->id, message);
	}
	unlock();
}

/* Receiving */

static void on_request(xpc_connection_t connection, uint64_t id, xpc_object_t message)
{
	struct reply_context *context = allocate(sizeof(*context));

	object_retain(connection);
	context->connection = connection;
	context->id = id;
	dictionary_set_reply_context(message, context);
	event_push(connection, message);
}

/* Takes over reply. */
static void on_reply(xpc_connection_t connection, uint64_t id, xpc_object_t reply)
{
	for (struct waiting **link = &connection->waiting; *link; link = &(*link)->next) {
		struct waiting *waiting = *link;

		if (waiting->id != id)
			continue;
		*link = waiting->next;
		waiting_end(waiting, reply);
		return;
	}
	misuse("a reply came that nobody waits for");
}

static void on_frame(xpc_connection_t connection, const struct buffer *frame)
{
	struct reader reader = { .buffer = frame, .at = sizeof(struct frame_header) };
	struct frame_header header;
	xpc_object_t value = XPC_ERROR_CONNECTION_INTERRUPTED;

	if (frame->length < sizeof(header))
		misuse("a message of the double is cut");
	memcpy(&header, frame->bytes, sizeof(header));
	if (header.kind != FRAME_NO_REPLY) {
		value = value_decode(&reader);
		dictionary_set_remote(value, connection);
	}
	switch ((enum frame_kind)header.kind) {
	case FRAME_MESSAGE:
		event_push(connection, value);
		break;
	case FRAME_REQUEST:
		on_request(connection, header.id, value);
		break;
	case FRAME_REPLY:
	case FRAME_NO_REPLY:
		on_reply(connection, header.id, value);
		break;
	}
}

static void on_end_of_stream(xpc_connection_t connection)
{
	if (connection->kind == CONNECTION_PEER) {
		end(connection);
		return;
	}
	disconnect(connection, XPC_ERROR_CONNECTION_INTERRUPTED);
	event_push(connection, XPC_ERROR_CONNECTION_INTERRUPTED);
}

static void receive(xpc_connection_t connection)
{
	for (;;) {
		struct buffer frame = { .bytes = allocate(FRAME_MAX) };
		ssize_t length = frame_receive(connection->watch.fd, &frame);

		if (length > 0 && !connection->terminated)
			on_frame(connection, &frame);
		buffer_clear(&frame);
		/* The other side has left something unread; what it wrote comes after this. */
		if (length < 0 && (errno == ECONNRESET || errno == EINTR))
			continue;
		if (length == 0)
			on_end_of_stream(connection);
		if (length <= 0)
			break;
	}
	pump(connection);
}

static void accept_one(xpc_connection_t listener)
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
	event_push(listener, peer);
	pump(listener);
}

static void on_socket(struct watch *watch, bool readable, bool writable, bool due)
{
	xpc_connection_t connection =
		(xpc_connection_t)((char *)watch - offsetof(struct _xpc_connection_s, watch));

	(void)due;
	object_retain(connection);
	if (writable) {
		watch->want_write = false;
		flush(connection);
	}
	if (readable && connection->kind == CONNECTION_LISTENER)
		accept_one(connection);
	else if (readable && watch->fd >= 0)
		receive(connection);
	object_release(connection);
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
	check(connection, "xpc_connection_set_event_handler");
	if (connection->handler)
		Block_release(connection->handler);
	connection->handler = Block_copy(handler);
	unlock();
}

void xpc_connection_set_target_queue(xpc_connection_t connection, dispatch_queue_t queue)
{
	lock();
	check(connection, "xpc_connection_set_target_queue");
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
	check(connection, "xpc_connection_set_context");
	connection->context = context;
	unlock();
}

void *xpc_connection_get_context(xpc_connection_t connection)
{
	check(connection, "xpc_connection_get_context");
	return connection->context;
}

void xpc_connection_set_finalizer_f(xpc_connection_t connection, xpc_finalizer_t finalizer)
{
	lock();
	check(connection, "xpc_connection_set_finalizer_f");
	connection->finalizer = finalizer;
	unlock();
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
	for (xpc_connection_t peer = connections; peer; peer = peer->next) {
		if (peer->kind != CONNECTION_PEER || !peer->active || peer->ended)
			continue;
		peer->terminated = true;
		event_push(peer, XPC_ERROR_TERMINATION_IMMINENT);
		pump(peer);
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

static void listen_service(xpc_connection_t connection)
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

void xpc_connection_activate(xpc_connection_t connection)
{
	lock();
	check(connection, "xpc_connection_activate");
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
		listen_service(connection);
	if (connection->watch.fd >= 0) {
		connection->watch.want_read = true;
		loop_add(&connection->watch);
	}
	pump(connection);
	unlock();
}

void xpc_connection_resume(xpc_connection_t connection)
{
	lock();
	check(connection, "xpc_connection_resume");
	if (!connection->active && connection->suspensions == 0) {
		xpc_connection_activate(connection);
	} else if (connection->suspensions == 0) {
		misuse("xpc_connection_resume: on a connection that is not suspended");
	} else {
		connection->suspensions--;
		flush(connection);
		pump(connection);
	}
	unlock();
}

void xpc_connection_suspend(xpc_connection_t connection)
{
	lock();
	check(connection, "xpc_connection_suspend");
	connection->suspensions++;
	unlock();
}

void xpc_connection_cancel(xpc_connection_t connection)
{
	bool refused;

	lock();
	check(connection, "xpc_connection_cancel");
	refused = connection->kind == CONNECTION_PEER && !connection->active && !connection->ended;
	if (!connection->ended) {
		while (connection->events)
			event_drop(event_take(connection));
		end(connection);
	}
	if (refused) {
		(void)event_take(connection);
		object_release(connection);
	}
	unlock();
}

const char *xpc_connection_get_name(xpc_connection_t connection)
{
	check(connection, "xpc_connection_get_name");
	return connection->name;
}

/* Nobody here is signed, and nobody minds. */
int xpc_connection_set_peer_code_signing_requirement(xpc_connection_t connection,
						     const char *requirement)
{
	check(connection, "xpc_connection_set_peer_code_signing_requirement");
	if (connection->active)
		misuse("xpc_connection_set_peer_code_signing_requirement: on an active connection");
	return requirement ? 0 : EINVAL;
}

pid_t xpc_connection_get_pid(xpc_connection_t connection)
{
	check(connection, "xpc_connection_get_pid");
	return connection->remote.pid;
}

uid_t xpc_connection_get_euid(xpc_connection_t connection)
{
	check(connection, "xpc_connection_get_euid");
	return connection->remote.uid;
}

gid_t xpc_connection_get_egid(xpc_connection_t connection)
{
	check(connection, "xpc_connection_get_egid");
	return connection->remote.gid;
}

/* At exit */

bool connections_excuse(void)
{
	bool open = false;

	for (xpc_connection_t connection = connections; connection; connection = connection->next) {
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
