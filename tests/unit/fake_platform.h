/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform that does nothing until it is told to: it remembers what the
 * policy asked for, answers when a test says so, and checks on the way that the
 * policy keeps its side of platform.h.
 */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include "broker/broker.h"
#include "broker/capture.h"
#include "broker/interface.h"

/* A client as its front end sees it: client->connection points to one. */
struct fake_client {
	struct client *client;
	bool asked; /* an answer is due */
	unsigned int answers;
	struct error error; /* of the last answer */
	char network[NETWORK_NAME_MAX + 1]; /* of the last answer; "" after an error */
	char interface[INTERFACE_NAME_SIZE]; /* the same */
	bool ended; /* by somebody, with the error */
	void (*answered)(struct fake_client *client); /* called with each answer; may be NULL */
};

/* Events that monitoring clients were told of, one a line: "network_created lab\n". */
extern char fake_events[65536];
extern unsigned int fake_idle_calls;
extern unsigned int fake_discarded; /* descriptors given back with nobody to take them */
extern unsigned int fake_devices; /* devices that exist */
extern const void *fake_gone; /* the last network or interface that has gone */

void fake_reset(void);

struct fake_client *fake_connect(struct broker *broker, uid_t uid, gid_t gid);
void fake_acquire(struct fake_client *client, const char *name);
void fake_attach(struct fake_client *client, const struct attach_request *request);
void fake_capture(struct fake_client *client, const char *network, const char *device);
/* Ends the connection and frees both sides of it. */
void fake_disconnect(struct fake_client *client);

/* The network of this name in this state, or NULL. */
struct network *fake_network(const struct broker *broker, const char *name,
			     enum network_state state);

/*
 * A network that an earlier broker left, with the holds of these n clients, of
 * which the first has a named interface where it is told to have one.
 */
struct network *fake_adopt(struct broker *broker, const char *name, struct fake_client **clients,
			   size_t n, bool named);

/* The platform's answers; each fails the test when nothing was asked. */
void fake_created(struct network *network);
void fake_create_failed(struct network *network, const char *reason);
void fake_removed(struct network *network);
void fake_attached(struct interface *interface);
void fake_attach_failed(struct interface *interface, const char *reason);
/* The device has gone, as it was asked to or by itself. */
void fake_detached(struct interface *interface);

/* Answers with a device, or with an error that says why there is none. */
void fake_captured(struct capture *capture, const char *failure);

/* The process ends here unless all that must hold at any time does. */
void fake_check_invariants(const struct broker *broker);

#endif
