/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the broker one user may have: connections, holds, requests that wait, monitors,
 * interfaces, their ports of the host, captures, and the frames in both. Reaching a limit is an
 * error for that user alone; root has no limit but that of all connections. What a user may have
 * waiting on the socket is limited elsewhere (broker/linux/varlink/turns.h).
 *
 * What a user has is counted as it comes and goes, and looked up when a client connects or an
 * interface is made: a check takes no longer for who has more. Users are accounts here, as
 * platform_account() has them.
 */
#ifndef VMNET_BROKER_USER_LIMITS_H
#define VMNET_BROKER_USER_LIMITS_H

#include "broker.h"

#define LIMIT_CONNECTIONS 4096U /* of all users together */
#define LIMIT_CONNECTIONS_RESERVED 64U /* of these, for root */
#define LIMIT_USER_CONNECTIONS 1024U
#define LIMIT_USER_HOLDS 4096U
#define LIMIT_USER_INTERFACES 1024U
#define LIMIT_USER_REQUESTS 256U /* waiting for a network or an interface to be made */
#define LIMIT_USER_CAPTURES 8U
#define LIMIT_USER_PORTS 4096U /* of the host that lead to their machines: others have some, too */
#define LIMIT_USER_MONITORS 32U /* each event costs as much as there are of them */

/*
 * Frames for machines that read none are kept in the kernel's memory, up to
 * 64 KiB each, and are charged to nobody. This is what the queues of all users'
 * interfaces but root's may hold together: one user has no more of it than what
 * is left for the others.
 */
#define LIMIT_FRAMES 51200U
#define LIMIT_INTERFACE_FRAMES 128U /* of all its queues */
#define LIMIT_CAPTURE_FRAMES 1024U /* of each device that frames are captured by */

struct usage {
	struct usage *next; /* in its bucket */
	uid_t uid;
	unsigned int references; /* clients, interfaces and captures */
	unsigned int holds;
	unsigned int interfaces;
	unsigned int requests; /* of holds and interfaces, those that are waited for */
	unsigned int monitors;
	unsigned int captures;
	unsigned int ports; /* of the host that lead to its interfaces */
	unsigned int frames; /* that its interfaces and captures may hold */
};

/* What this user has. Returns it, for usage_leave(), or NULL when memory is short. */
struct usage *usage_join(uid_t uid);
void usage_leave(struct usage *usage);

/* Its interfaces may hold so many more frames, or fewer. */
void usage_charge_frames(struct usage *usage, int more);

/* It has one capture more (1), or less (-1), and the frames in it. */
void usage_count_capture(struct usage *usage, int more);

/*
 * Each returns 0, or -1 with error (ERROR_LIMIT_EXCEEDED). For a front end, before
 * broker_client_new() and broker_monitor(); for the policy, before a hold, an
 * interface or a capture.
 */

/* own, all: connections that the user has, and all users together. */
int limits_check_connection(uid_t uid, unsigned int own, unsigned int all, struct error *error);
int limits_check_monitor(const struct client *client, struct error *error);
int limits_check_hold(const struct client *client, struct error *error);

int limits_check_capture(const struct client *client, struct error *error);

/* more: what an interface would have of LIMIT_USER_PORTS. */
int limits_check_ports(const struct client *client, unsigned int more, struct error *error);

/* frames: what all its queues may hold. */
int limits_check_interface(const struct client *client, unsigned int frames, struct error *error);

/* How many frames each queue of the user's next interface may hold, which has so many queues. */
unsigned int limits_frames(const struct usage *usage, unsigned int queues);

#endif
