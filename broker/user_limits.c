/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of what users have, in a hash table by user, and their limits. */
#include "user_limits.h"

#include <inttypes.h>
#include <stdlib.h>

#define N_BUCKETS 1024U /* a power of two; with as many connections as there may be, 4 in each */

/*
 * A user's first interfaces get room for more frames than it takes to lose
 * none; later ones share as much again, or what is left, down to the least that
 * TCP is as fast with.
 */
#define FRAMES_SHARED 4096U
#define FRAMES_OF_LEFT 32U /* no more than such a part of what the user may still have */
#define FRAMES_MIN 16U
#define FRAMES_QUEUE_MIN 4U

static struct usage *buckets[N_BUCKETS];
static unsigned int all_frames; /* but root's */

/* Knuth's multiplicative hash: users have numbers in a row. */
static struct usage **bucket_of(uid_t uid)
{
	return &buckets[(uint32_t)uid * 2654435761U / (UINT32_MAX / N_BUCKETS + 1)];
}

static struct usage *usage_new(uid_t uid)
{
	struct usage **bucket = bucket_of(uid);
	struct usage *usage = calloc(1, sizeof(*usage));

	if (!usage)
		return NULL;
	usage->uid = uid;
	usage->next = *bucket;
	*bucket = usage;
	return usage;
}

struct usage *usage_join(uid_t uid)
{
	struct usage *usage = *bucket_of(uid);

	while (usage && usage->uid != uid)
		usage = usage->next;
	if (!usage)
		usage = usage_new(uid);
	if (usage)
		usage->references++;
	return usage;
}

void usage_leave(struct usage *usage)
{
	struct usage **link = bucket_of(usage->uid);

	usage->references--;
	if (usage->references > 0)
		return;
	while (*link != usage)
		link = &(*link)->next;
	*link = usage->next;
	usage_charge_frames(usage, -(int)usage->frames);
	free(usage);
}

void usage_charge_frames(struct usage *usage, int more)
{
	usage->frames += (unsigned int)more;
	if (usage->uid != 0)
		all_frames += (unsigned int)more;
}

void usage_count_capture(struct usage *usage, int more)
{
	usage->captures += (unsigned int)more;
	usage_charge_frames(usage, more * (int)LIMIT_CAPTURE_FRAMES);
}

static int exceeded(struct error *error, const char *limit, unsigned int value, uid_t uid,
		    const char *what)
{
	error_set(error, ERROR_LIMIT_EXCEEDED,
		  "user %ju has %u %s, as many as the broker allows; end some of them first",
		  (uintmax_t)uid, value, what);
	error->limit = limit;
	error->value = value;
	return -1;
}

/* have: what the user has of it already. */
static int check(const struct usage *usage, unsigned int have, const char *limit,
		 unsigned int value, const char *what, struct error *error)
{
	if (usage->uid == 0 || have < value)
		return 0;
	return exceeded(error, limit, value, usage->uid, what);
}

static int check_requests(const struct usage *usage, struct error *error)
{
	return check(usage, usage->requests, "requests_per_user", LIMIT_USER_REQUESTS,
		     "requests under way", error);
}

int limits_check_connection(uid_t uid, unsigned int own, unsigned int all, struct error *error)
{
	if (all >= LIMIT_CONNECTIONS - (uid == 0 ? 0 : LIMIT_CONNECTIONS_RESERVED)) {
		error_set(error, ERROR_LIMIT_EXCEEDED,
			  "the broker has %u connections, as many as it allows; try again later",
			  all);
		error->limit = "connections";
		error->value = LIMIT_CONNECTIONS;
		return -1;
	}
	if (uid != 0 && own >= LIMIT_USER_CONNECTIONS)
		return exceeded(error, "connections_per_user", LIMIT_USER_CONNECTIONS, uid,
				"connections");
	return 0;
}

int limits_check_monitor(const struct client *client, struct error *error)
{
	return check(client->usage, client->usage->monitors, "monitors_per_user",
		     LIMIT_USER_MONITORS, "connections that monitor", error);
}

int limits_check_hold(const struct client *client, struct error *error)
{
	const struct usage *usage = client->usage;

	if (check(usage, usage->holds, "holds_per_user", LIMIT_USER_HOLDS, "holds", error) < 0)
		return -1;
	return check_requests(usage, error);
}

/* How many more the user may have. What an earlier broker left may be more than all. */
static unsigned int frames_left(const struct usage *usage)
{
	unsigned int taken = usage->frames + all_frames;

	if (usage->uid == 0)
		return LIMIT_FRAMES;
	return taken < LIMIT_FRAMES ? LIMIT_FRAMES - taken : 0;
}

static unsigned int at_most(unsigned int value, unsigned int most)
{
	return value < most ? value : most;
}

static unsigned int at_least(unsigned int value, unsigned int least)
{
	return value > least ? value : least;
}

unsigned int limits_frames(const struct usage *usage, unsigned int queues)
{
	unsigned int frames = at_most(FRAMES_SHARED / (usage->interfaces + 1),
				      frames_left(usage) / FRAMES_OF_LEFT);

	frames = at_least(at_most(frames, LIMIT_INTERFACE_FRAMES), FRAMES_MIN);
	return at_least(frames / queues, FRAMES_QUEUE_MIN);
}

static int check_frames(const struct usage *usage, unsigned int frames, struct error *error)
{
	if (frames <= frames_left(usage))
		return 0;
	error_set(error, ERROR_LIMIT_EXCEEDED,
		  "no room is left for frames that another machine does not read: the interfaces "
		  "of user %ju may hold %u, and the rest is for others; stop some machines first",
		  (uintmax_t)usage->uid, usage->frames);
	error->limit = "frames_per_user";
	error->value = LIMIT_FRAMES / 2;
	return -1;
}

int limits_check_capture(const struct client *client, struct error *error)
{
	const struct usage *usage = client->usage;

	if (check(usage, usage->captures, "captures_per_user", LIMIT_USER_CAPTURES, "captures",
		  error) < 0)
		return -1;
	return check_frames(usage, LIMIT_CAPTURE_FRAMES, error);
}

int limits_check_ports(const struct client *client, unsigned int more, struct error *error)
{
	const struct usage *usage = client->usage;

	if (usage->uid == 0 || usage->ports + more <= LIMIT_USER_PORTS)
		return 0;
	error_set(error, ERROR_LIMIT_EXCEEDED,
		  "user %ju has %u forwarded ports and may have %u, not %u more; ask for fewer, or "
		  "stop some machines first",
		  (uintmax_t)usage->uid, usage->ports, LIMIT_USER_PORTS, more);
	error->limit = "forwarded_ports_per_user";
	error->value = LIMIT_USER_PORTS;
	return -1;
}

int limits_check_interface(const struct client *client, unsigned int frames, struct error *error)
{
	const struct usage *usage = client->usage;

	if (check(usage, usage->interfaces, "interfaces_per_user", LIMIT_USER_INTERFACES,
		  "interfaces", error) < 0)
		return -1;
	if (check_frames(usage, frames, error) < 0)
		return -1;
	return check_requests(usage, error);
}
