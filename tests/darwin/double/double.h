/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of macOS, as far as the project calls it: XPC, libdispatch, vmnet,
 * and a little of the rest, so that the sources that ship on macOS run on
 * Linux, in real processes. This header is what its parts share.
 *
 * It is strict where the system is: what the system aborts on, or leaves
 * undefined, is reported ("double: misuse: ...") and aborts. Every object is
 * counted; a process that exits with one left over fails with LEAK_STATUS.
 * What is legal to leave behind is an open connection, with all it needs.
 *
 *	object.c      reference counts, the check at exit
 *	loop.c        the one thread that watches sockets, timers and signals
 *	dispatch_*.c  queues, sources, and what is waited for: groups, semaphores
 *	xpc_*.c       values (object, container), what they look like (look), their
 *	              form on the wire, frames, transactions; and connections, over
 *	              SOCK_SEQPACKET sockets (connection, listener, send, receive)
 *	vmnet_*.c     networks, in a registry that all processes share
 *	host.c        the Mac's addresses and routes, and who listens where
 *	system.c      CoreFoundation's run loop, the log, names of processes
 *
 * One lock guards it all. Blocks and handlers of the program run without it.
 *
 * The world is a folder, DOUBLE_DIR in the environment, kept by the tests:
 *
 *	SERVICE.socket     where launchd's double listens; a broker inherits it as
 *	                   the descriptor that DOUBLE_LISTENER names
 *	transactions       how many transactions the broker has open
 *	log                what went to the unified log
 *	networks/ID        a network that somebody has: how it is configured, with
 *	                   "subnet" (the network's) and "host" (the Mac's address on
 *	                   it). Locked (flock) by the process that made it; unlocked
 *	                   it is left behind by one that was killed, and its addresses
 *	                   are taken until the file goes. "released": its maker has let
 *	                   go of it in order, and interfaces of others keep it
 *	interfaces/ID      a started interface: "network", "name", "mac", "pid"; locked
 *	bridges/bridge100  the bridge of a network's run, from its first interface to its
 *	                   last: "network", "inet", "netmask", "mtu", "prefix", a "member"
 *	                   with its MAC address for each interface, and what serves the
 *	                   network now: "dhcp_reservation", "port_forwarding"
 *	lock               locked by whoever looks at these three, or changes them
 *
 * What tests tell it:
 *
 *	host               what the Mac itself has, a line each: "inet en0 10.0.0.5/24",
 *	                   "inet6 en0 ADDRESS/LENGTH", "route utun3 10.8.0.0/16",
 *	                   "neighbour en0 10.0.0.7" (a route that ARP makes), both of
 *	                   IPv6, too; its lengths are multiples of 8
 *	taken              subnets and prefixes that something else has, one a line
 *	unsigned           names of programs that are signed without the entitlement
 *	creator-is-root    networks are made as root's are, in 192.168.2.0/24 and up
 *	refuse-CALL        the status that a call of vmnet is to fail with
 *	delay-CALL         milliseconds that it takes, beside what it takes anyway
 *	hold-CALL          it waits for as long as this exists: as macOS 27.0 does in
 *	                   vmnet_network_create when InternetSharing hangs, for ever
 *
 * CALL is the name of a call without "vmnet_" and "network_configuration_" before
 * it: configuration_create, set_mtu, ..., network_create, copy_serialization,
 * create_with_serialization; of an interface interface_start and interface_stop,
 * which are told to the handler, and interface_ref: its start returns NULL.
 */
#ifndef TESTS_DARWIN_DOUBLE_H
#define TESTS_DARWIN_DOUBLE_H

#include <dispatch/dispatch.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xpc/xpc.h>

#define LEAK_STATUS 86

/* object.c */

enum object_kind {
	OBJECT_QUEUE,
	OBJECT_SOURCE,
	OBJECT_SEMAPHORE,
	OBJECT_GROUP,
	OBJECT_XPC_VALUE,
	OBJECT_XPC_CONNECTION,
	OBJECT_VMNET_CONFIGURATION,
	OBJECT_VMNET_NETWORK,
	OBJECT_VMNET_INTERFACE,
};

/* The start of every object. */
struct object {
	uint64_t magic;
	enum object_kind kind;
	int references; /* IMMORTAL is never counted */
	bool excused; /* at exit: an open connection needs it */
	void (*dispose)(struct object *object);
	struct object *next;
	struct object *previous;
};

#define OBJECT_MAGIC 0x64726164306f626aULL
#define IMMORTAL (-1)

_Noreturn void misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void broken(const char *what); /* the double itself cannot go on */

void lock(void);
void unlock(void);
extern pthread_mutex_t double_lock;

void *object_new(size_t size, enum object_kind kind, void (*dispose)(struct object *object));
void object_retain(void *object);
void object_release(void *object);

/* Aborts when object is not a living one of this kind; call: who asks. */
void object_check(const void *object, enum object_kind kind, const char *call);

void *allocate(size_t size);
char *copy_text(const char *text);

/* A file of the world; the text is static to the thread. */
const char *world_path(const char *name);

/* loop.c */

/* Something to be watched, embedded in what it is of. */
struct watch {
	struct watch *next;
	int fd; /* -1: none */
	bool want_read;
	bool want_write;
	uint64_t deadline; /* nanoseconds of the monotonic clock; 0: none */
	void (*ready)(struct watch *watch, bool readable, bool writable, bool due); /* locked */
};

void loop_add(struct watch *watch);
void loop_remove(struct watch *watch);
void loop_wake(void); /* after a change to a watch */
uint64_t now(void);

/* dispatch_queue.c */

dispatch_queue_t queue_private(void);
void queue_main_run(const bool *stop);
void queue_main_wake(void);
unsigned int queues_at_work(void); /* but the main queue; locked */

/* xpc_object.c, xpc_container.c, xpc_wire.c */

enum frame_kind {
	FRAME_MESSAGE,
	FRAME_REQUEST, /* wants a reply */
	FRAME_REPLY,
	FRAME_NO_REPLY, /* there will never be one */
};

/* Where the reply to a request goes. Of a dictionary that has one; taken by its reply. */
struct reply_context {
	xpc_connection_t connection; /* counted */
	uint64_t id;
};

#define FDS_MAX 64

struct buffer {
	uint8_t *bytes;
	size_t length;
	int fds[FDS_MAX]; /* owned */
	size_t n_fds;
};

struct reader {
	const struct buffer *buffer;
	size_t at;
	size_t next_fd;
};

void buffer_clear(struct buffer *buffer);
void value_encode(xpc_object_t value, struct buffer *buffer);
xpc_object_t value_decode(struct reader *reader);
void value_excuse(xpc_object_t value);
/* The connection that it came over. */
void dictionary_set_remote(xpc_object_t dictionary, xpc_connection_t connection);
struct reply_context *dictionary_take_reply_context(xpc_object_t dictionary);
void dictionary_set_reply_context(xpc_object_t dictionary, struct reply_context *context);
bool dictionary_is_reply(xpc_object_t dictionary);
void dictionary_check(xpc_object_t dictionary, const char *call);

/* xpc_frame.c */

#define FRAME_MAX ((size_t)1 << 20)

/* Returns whether the frame is off, or will never be. */
bool frame_send(int fd, const struct buffer *frame);
/* Returns what recvmsg() does; the buffer has room for FRAME_MAX. */
ssize_t frame_receive(int fd, struct buffer *frame);

/* xpc_transaction.c */

unsigned int transactions_open(void);

/* xpc_send.c */

/* Frees the context; the other side learns that no reply will come. */
void reply_context_drop(struct reply_context *context);

/* xpc_connection.c */

/* Excuses what open connections need. Returns whether there is one. */
bool connections_excuse(void);

#endif
