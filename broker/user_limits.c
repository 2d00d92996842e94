/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits. What a user has is counted when it matters, from the records
 * themselves: a count that is kept could be wrong.
 */
#include "user_limits.h"

#include <inttypes.h>

#include "interface.h"

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

static unsigned int count_holds(const struct broker *broker, uid_t uid, bool waiting_only)
{
	unsigned int n = 0;

	for (const struct client *client = broker->clients; client; client = client->next)
		for (const struct hold *hold = client->holds;
		     hold && client->credentials.uid == uid; hold = hold->next)
			n += !waiting_only || hold->waiting;
	return n;
}

static unsigned int count_interfaces(const struct broker *broker, uid_t uid, bool waiting_only)
{
	unsigned int n = 0;

	for (const struct network *network = broker->networks; network; network = network->next)
		for (const struct interface *i = network->interfaces; i; i = i->next)
			n += i->owner == uid && (!waiting_only || i->state == INTERFACE_ATTACHING);
	return n;
}

static int check_requests(const struct client *client, struct error *error)
{
	uid_t uid = client->credentials.uid;

	if (count_holds(client->broker, uid, true) + count_interfaces(client->broker, uid, true) >=
	    LIMIT_USER_REQUESTS)
		return exceeded(error, "requests_per_user", LIMIT_USER_REQUESTS, uid,
				"requests under way");
	return 0;
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
	uid_t uid = client->credentials.uid;
	unsigned int n = 0;

	for (const struct client *other = client->broker->clients; other; other = other->next)
		n += other->monitoring && other->credentials.uid == uid;
	if (uid != 0 && n >= LIMIT_USER_MONITORS)
		return exceeded(error, "monitors_per_user", LIMIT_USER_MONITORS, uid,
				"connections that monitor");
	return 0;
}

int limits_check_hold(const struct client *client, struct error *error)
{
	uid_t uid = client->credentials.uid;

	if (uid == 0)
		return 0;
	if (count_holds(client->broker, uid, false) >= LIMIT_USER_HOLDS)
		return exceeded(error, "holds_per_user", LIMIT_USER_HOLDS, uid, "holds");
	return check_requests(client, error);
}

int limits_check_interface(const struct client *client, struct error *error)
{
	uid_t uid = client->credentials.uid;

	if (uid == 0)
		return 0;
	if (count_interfaces(client->broker, uid, false) >= LIMIT_USER_INTERFACES)
		return exceeded(error, "interfaces_per_user", LIMIT_USER_INTERFACES, uid,
				"interfaces");
	return check_requests(client, error);
}
