/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the policy asks of the system it runs on: networks, interfaces, replies, the loop. One
 * platform is linked in (linux/, darwin/, or the tests' own); what it calls in turn is declared
 * in broker.h and interface.h.
 */
#ifndef VMNET_BROKER_PLATFORM_H
#define VMNET_BROKER_PLATFORM_H

#include "broker.h"

/* The command line. Strings are the process's arguments or static. */
struct options {
	const char *config;
	const char *socket; /* NULL where clients come by other ways */
	const char *state_dir;
	const char *runtime_dir; /* NULL where nothing is kept in one */
	int idle_exit; /* seconds; -1: not given. Of the defaults: when started on demand */
};

/* The system's own values for what the command line leaves out. */
extern const struct options platform_defaults;

/*
 * Serves until asked to stop or idle for long enough. Returns the process's
 * exit status; the reason for a failure has been logged.
 */
int platform_run(struct broker *broker, const struct options *options);

/*
 * Makes the network that network->config describes and sets
 * network->addresses. Answered by broker_network_created(). What a failed
 * creation made has been undone when it is answered.
 *
 * Returns 0, or -1 when memory is short: then it is not answered.
 */
int platform_network_create(struct network *network);

/*
 * Removes the network and everything made for it. Answered by
 * broker_network_removed(). Cannot fail: what resists is logged.
 */
void platform_network_remove(struct network *network);

/* The answer to broker_acquire(): error is NULL when the client holds the network. */
void platform_acquired(struct client *client, const struct network *network,
		       const struct error *error);

/*
 * The end of a client's hold: what goes with it goes (interface.h, where the
 * broker makes interfaces).
 */
void platform_hold_ended(struct client *client, struct network *network);

/*
 * Whether a line about what a user did may be logged: not too many are, in a time.
 * fault: it is an error or a warning, of which there are fewer.
 */
bool platform_may_log(uid_t uid, bool fault);

/*
 * To which user what this one has is charged: to another one, where it is one of
 * several ids that somebody has. Of permissions it says nothing.
 */
uid_t platform_account(uid_t uid);

/*
 * One event, for each client that monitors and that broker_may_know() of it. Must not end a
 * client from within.
 */
void platform_event(const struct event *event);

/* A network or an interface is about to be freed, for which somebody may wait (end.h). */
void platform_gone(const void *what);

/* A network has a fault more or less, which clients are told of when they ask. */
void platform_fault_changed(void);

/* broker_is_idle() has become true; it may be false again by the time it matters. */
void platform_idle(void);

/* Microseconds since 1970-01-01 00:00:00 UTC, by the host's clock. */
int64_t platform_now(void);

/* Random bytes that nobody can foresee. */
void platform_random(void *bytes, size_t size);

/* Interfaces: on systems where the broker makes them, see interface.h. */
struct capture;
struct interface;
struct interface_fds;

/* Random bytes that are this host's, and stay the same. */
struct host_key {
	uint8_t bytes[16];
};

/* Returns 0, or -1 with error when there is a key that cannot be read: there is no other. */
int platform_host_key(struct host_key *key, struct error *error);

/*
 * Whose an address is that a machine has taken beside the one that it has by DHCP. NULL:
 * nobody's that is known of. It is the platform's, until the policy's function returns.
 */
const struct mac_address *platform_taken_ipv4(const struct network *network,
					      struct in_addr address);

/*
 * Of a network that is on several hosts, whose an address is on any, or was a while ago, as far as
 * the kernel has heard. *is_elsewhere: on another than this, now. Returns as the last does.
 */
const struct mac_address *platform_known_ipv4(const struct network *network, struct in_addr address,
					      bool *is_elsewhere);
const struct mac_address *platform_known_ipv6(const struct network *network,
					      const struct in6_addr *address, bool *is_elsewhere);

/* The same: the address that a machine has on another host, or had. Returns whether it has. */
bool platform_moved_ipv4(const struct network *network, const struct mac_address *mac,
			 struct in_addr *address);

/*
 * Makes the device that interface describes, joins it to its network, and sets
 * interface->name. Answered by broker_interface_attached().
 *
 * Returns 0, or -1 when memory is short: then it is not answered.
 */
int platform_interface_attach(struct interface *interface);

/* Removes the device. Answered by broker_interface_detached(). */
void platform_interface_detach(struct interface *interface);

/* Ends a client's connection, and tells it why if it can be told anything. */
void platform_client_end(struct client *client, const struct network *network,
			 const struct error *error);

/*
 * Makes a device by which what the machine of an interface sends and gets can be read, for the
 * capture's owner. Answered by broker_capture_started().
 *
 * Returns 0, or -1 when memory is short: then it is not answered.
 */
int platform_capture_start(struct capture *capture, const struct interface *interface);

/* The answer to broker_capture(). fds, the device alone, is taken over; NULL when error is not. */
void platform_captured(struct client *client, struct interface_fds *fds, const struct error *error);

/*
 * The answer to broker_attach(). fds is taken over; interface and fds are NULL
 * when error is not.
 */
void platform_attached(struct client *client, const struct interface *interface,
		       struct interface_fds *fds, const struct error *error);

/* Closes descriptors that nobody is left to take. */
void platform_fds_discard(struct interface_fds *fds);

#endif
