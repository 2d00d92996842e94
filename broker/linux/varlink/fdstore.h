/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the broker of clients' connections. The service manager stores a copy of each
 * client's socket (the file descriptor store of systemd) and gives it to the next broker; what the
 * client holds is in RUNTIME_DIR/NUMBER.client, and what its connection is at is noted on the
 * socket itself. Without a manager nothing is stored. Going on with them is restore.h's.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_FDSTORE_H
#define VMNET_BROKER_LINUX_VARLINK_FDSTORE_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/broker.h"

/* What a connection is at. A socket starts with the first. */
enum fdstore_state {
	FDSTORE_OPEN, /* between two calls */
	FDSTORE_WAITING, /* a reply is due, and nothing else is on its way */
	FDSTORE_MONITORING,
	FDSTORE_BUSY, /* a message is on its way in or out: another broker cannot go on */
};

struct fdstore_hold {
	struct fdstore_hold *next;
	char network[NETWORK_NAME_MAX + 1];
	struct mac_address *named; /* of named interfaces */
	size_t n_named;
};

/* A connection that an earlier broker left. */
struct fdstore_entry {
	struct fdstore_entry *next;
	unsigned int number; /* the manager's name for it */
	int fd;
	struct fdstore_hold *holds;
	bool damaged; /* what it holds cannot be read */
};

/*
 * Takes a descriptor that the manager passed, if it is a stored connection by its
 * name. Returns 1 if it is (and fd is taken over), 0 if not, or -ENOMEM.
 */
int fdstore_take(int fd, const char *name);

/*
 * Reads what the connections that were taken hold, and removes what others held; and whatever
 * an earlier broker was writing in the directory, for any purpose, when it was killed.
 */
void fdstore_load(const char *runtime_dir);

/*
 * Calls each() with the name of every network that one of them holds. Returns
 * 0, or the first negative value of each().
 */
int fdstore_list_networks(int (*each)(const char *network, void *userdata), void *userdata);

/* Whether one of them holds a network, or has a named interface there. */
bool fdstore_holds(const char *network);
bool fdstore_has_named(const char *network, const struct mac_address *mac);

/* Takes the next one out, for fdstore_free(); its fd is the caller's. NULL after the last. */
struct fdstore_entry *fdstore_next(void);
void fdstore_free(struct fdstore_entry *entry);

/* Gives a copy of a client's socket to the manager. Its number, or 0 when it is not stored. */
unsigned int fdstore_add(int fd);

/* Takes it back, at the connection's end, while fd is open, with what was written of it. */
void fdstore_remove(const char *runtime_dir, unsigned int number, int fd);

/* Writes what the client holds, which is kept from then on. A failure is logged. */
void fdstore_save(const char *runtime_dir, unsigned int number, const struct client *client);

/* What the connection is at: to the socket, and from there. */
void fdstore_note(int fd, enum fdstore_state state);
enum fdstore_state fdstore_noted(int fd);

#endif
