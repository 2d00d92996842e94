/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users take turns, one call each, and so do the connections of a user. Who has
 * had no turn for longest is next: somebody who calls now and then never waits
 * for a second call of somebody who calls all the time. Between two turns the
 * loop looks at its other sources: nobody's calls keep it from accepting,
 * reading, or hearing of the platform. A call that comes when nobody waits for a
 * turn has it at once (connection_io()).
 *
 * What comes by the sockets of a user is one source of the loop, however many
 * there are: the kernel's list of those that have something is gone through one
 * by one, and the sources of the loop take turns, too.
 */
#include "turns.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admission.h"
#include "base/log.h"
#include "broker/linux/linux.h"
#include "broker/platform.h"
#include "connection.h"
#include "disposal.h"

#define N_BUCKETS 1024U /* a power of two; with as many connections as there may be, 4 in each */
/* So many lines about one user, and about all of them, are logged in such a time. */
#define LINES_MAX 1000U
#define LINES_MAX_ALL 10000U
#define FAULTS_MAX 10U
#define FAULTS_MAX_ALL 100U
#define LINES_USEC ((uint64_t)10 * 1000 * 1000)
/* So many of those who have gone are remembered, for what was logged about them. */
#define REMEMBERED_MAX 4096U

struct arrival {
	STAILQ_ENTRY(arrival) all;
	int fd;
};

static LIST_HEAD(, user) buckets[N_BUCKETS];
static TAILQ_HEAD(users, user) turns = TAILQ_HEAD_INITIALIZER(turns);
/* All but root's. */
static size_t all_bytes;
static unsigned int all_descriptors;
static unsigned int all_arriving;
static unsigned int all_open; /* root's, too */
static struct log_count all_logged; /* of faults root's, too */
static unsigned int remembered;
/*
 * A descriptor that is always readable: its source falls due anew in each round
 * of the loop, behind the others that are. (A "defer" source stays due, and
 * would go before all others for as long as there are calls.)
 */
static sd_event_source *turn_source;
static int spare_epoll = -1; /* for the next new user */
static uint64_t last_turn; /* the number of the last one */

static void arm(void)
{
	(void)sd_event_source_set_enabled(turn_source,
					  TAILQ_EMPTY(&turns) ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* The turns are in the order of the last ones. */
static void take_place(struct user *user)
{
	struct user *after;

	TAILQ_FOREACH(after, &turns, turn)
		if (after->last_turn > user->last_turn)
			break;
	if (after)
		TAILQ_INSERT_BEFORE(after, user, turn);
	else
		TAILQ_INSERT_TAIL(&turns, user, turn);
}

/* In the list of turns is who has something to be done. */
static void update_turn(struct user *user)
{
	bool wants = !TAILQ_EMPTY(&user->ready) || !STAILQ_EMPTY(&user->arrivals);

	if (wants && !user->has_turn)
		take_place(user);
	else if (!wants && user->has_turn)
		TAILQ_REMOVE(&turns, user, turn);
	user->has_turn = wants;
	arm();
}

static void count_arriving(struct user *user, int more)
{
	user->arriving += (unsigned int)more;
	if (user->uid != 0)
		all_arriving += (unsigned int)more;
}

/* The caller leaves the user, too. Returns the socket. */
static int take_arrival(struct user *user)
{
	struct arrival *arrival = STAILQ_FIRST(&user->arrivals);
	int fd = arrival->fd;

	STAILQ_REMOVE_HEAD(&user->arrivals, all);
	free(arrival);
	count_arriving(user, -1);
	update_turn(user);
	return fd;
}

static void open_first(struct user *user)
{
	connection_open(take_arrival(user));
	user_leave(user);
}

static int on_turn(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct user *user = TAILQ_FIRST(&turns);
	struct connection *connection = TAILQ_FIRST(&user->ready);

	(void)source;
	(void)fd;
	(void)events;
	(void)userdata;
	TAILQ_REMOVE(&turns, user, turn);
	user->last_turn = ++last_turn;
	TAILQ_INSERT_TAIL(&turns, user, turn);
	user->arrived = !STAILQ_EMPTY(&user->arrivals) && (!user->arrived || !connection);
	/* Both may end the connection, and with it the user. */
	if (user->arrived) {
		open_first(user);
	} else {
		user_dequeue(connection);
		connection_serve(connection);
	}
	return 0;
}

static void user_forget(struct user *user)
{
	LIST_REMOVE(user, all);
	free(user);
	remembered--;
}

int users_start(sd_event *event)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = sd_event_add_io(event, &turn_source, fd, EPOLLIN, on_turn, NULL);
	if (r < 0) {
		close(fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(turn_source, 1);
	arm();
	return 0;
}

void users_stop(void)
{
	struct user *user;

	/* Those who have come last have no connection yet. */
	while ((user = TAILQ_FIRST(&turns))) {
		disposal_leave(take_arrival(user));
		user_leave(user);
	}
	/* user_forget() takes it from the list, which the analyser does not see. */
	for (unsigned int i = 0; i < N_BUCKETS; i++)
		while ((user = LIST_FIRST(&buckets[i])))
			user_forget(user); /* NOLINT(clang-analyzer-unix.Malloc) */
	all_logged = (struct log_count){ 0 };
	if (spare_epoll >= 0)
		(void)close(spare_epoll);
	spare_epoll = -1;
	turn_source = sd_event_source_disable_unref(turn_source);
}

bool users_have_calls(void)
{
	return !TAILQ_EMPTY(&turns);
}

int users_prepare(void)
{
	if (spare_epoll < 0)
		spare_epoll = epoll_create1(EPOLL_CLOEXEC);
	return spare_epoll < 0 ? -errno : 0;
}

/* Who connects faster than he has turns must not have all descriptors by that. */
static bool user_may_arrive(const struct user *user)
{
	return user->uid == 0 || user->arriving + 1 + all_arriving <= USERS_ARRIVALS;
}

/* Returns 0, or -1 when the client cannot wait for a turn. */
static int arrive(int fd, uid_t uid)
{
	struct user *user = user_join(uid);
	struct arrival *arrival;

	if (!user)
		return -1;
	arrival = user_may_arrive(user) ? malloc(sizeof(*arrival)) : NULL;
	if (!arrival) {
		user_leave(user);
		return -1;
	}
	arrival->fd = fd;
	STAILQ_INSERT_TAIL(&user->arrivals, arrival, all);
	count_arriving(user, 1);
	update_turn(user);
	return 0;
}

void users_arrive(int fd)
{
	struct ucred peer = { .uid = DISPOSAL_NOBODY };

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){ sizeof(peer) }) < 0 ||
	    arrive(fd, peer.uid) < 0)
		disposal_close(fd, platform_account(peer.uid));
}

/* Users */

static int on_user_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct epoll_event event;

	(void)source;
	(void)events;
	(void)userdata;
	if (epoll_wait(fd, &event, 1, 0) == 1)
		connection_io(event.data.ptr, event.events);
	return 0;
}

/* Returns 0 or a negative errno. */
static int user_open(struct user *user)
{
	int r = users_prepare();

	if (r < 0)
		return r;
	user->epoll = spare_epoll;
	r = sd_event_add_io(linux_platform.event, &user->io, user->epoll, EPOLLIN, on_user_io,
			    NULL);
	if (r >= 0)
		spare_epoll = -1;
	return r;
}

static uint64_t now_usec(void)
{
	uint64_t now = 0;

	(void)sd_event_now(linux_platform.event, CLOCK_MONOTONIC, &now);
	return now;
}

/* Returns the user, or NULL; forgets those of its bucket that need not be remembered. */
static struct user *user_find(unsigned int bucket, uid_t uid)
{
	struct user *found = NULL;
	struct user *next;

	for (struct user *user = LIST_FIRST(&buckets[bucket]); user; user = next) {
		next = LIST_NEXT(user, all);
		if (user->uid == uid)
			found = user;
		else if (user->connections == 0 && now_usec() - user->logged.since > LINES_USEC)
			user_forget(user);
	}
	return found;
}

static struct user *user_new(uid_t uid)
{
	struct user *user = calloc(1, sizeof(*user));

	if (!user)
		return NULL;
	user->uid = uid;
	user->last_turn = last_turn; /* coming anew is no way to the front */
	TAILQ_INIT(&user->ready);
	STAILQ_INIT(&user->arrivals);
	remembered++;
	return user;
}

/* Knuth's multiplicative hash: users have numbers in a row. */
static unsigned int bucket_of(uid_t uid)
{
	return (uint32_t)uid * 2654435761U / (UINT32_MAX / N_BUCKETS + 1);
}

struct user *user_known(uid_t uid)
{
	uid = platform_account(uid);
	return user_find(bucket_of(uid), uid);
}

struct user *user_join(uid_t uid)
{
	unsigned int bucket;
	struct user *user;

	uid = platform_account(uid);
	bucket = bucket_of(uid);
	user = user_find(bucket, uid);
	if (!user) {
		user = user_new(uid);
		if (!user)
			return NULL;
		LIST_INSERT_HEAD(&buckets[bucket], user, all);
	}
	if (user->connections == 0) {
		if (user_open(user) < 0)
			return NULL; /* it is remembered */
		remembered--;
	}
	user->connections++;
	return user;
}

void user_leave(struct user *user)
{
	user->connections--;
	if (user->connections > 0)
		return;
	user->io = sd_event_source_disable_unref(user->io);
	(void)close(user->epoll);
	remembered++;
	if (remembered > REMEMBERED_MAX || (user->logged.lines == 0 && user->logged.faults == 0))
		user_forget(user);
}

static int watch(struct connection *connection, int operation, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = connection };

	return epoll_ctl(connection->user->epoll, operation, connection->stream.fd, &event) < 0
		       ? -errno
		       : 0;
}

int user_watch(struct connection *connection, uint32_t events)
{
	return watch(connection, EPOLL_CTL_ADD, events);
}

int user_watch_other(struct connection *connection, uint32_t events)
{
	return watch(connection, EPOLL_CTL_MOD, events);
}

void user_unwatch(struct connection *connection)
{
	(void)watch(connection, EPOLL_CTL_DEL, 0);
}

void user_take_turn(struct user *user)
{
	user->last_turn = ++last_turn;
}

void user_enqueue(struct connection *connection)
{
	TAILQ_INSERT_TAIL(&connection->user->ready, connection, turn);
	connection->ready = true;
	update_turn(connection->user);
}

void user_dequeue(struct connection *connection)
{
	TAILQ_REMOVE(&connection->user->ready, connection, turn);
	connection->ready = false;
	update_turn(connection->user);
}

/* Limits */

unsigned int users_open(void)
{
	return all_open;
}

void user_count_open(struct user *user, int more)
{
	user->open += (unsigned int)more;
	all_open += (unsigned int)more;
}

bool user_may_have_bytes(const struct user *user, size_t more)
{
	return user->uid == 0 || user->bytes + more + all_bytes <= USERS_BYTES;
}

bool user_may_have_descriptors(const struct user *user, unsigned int more)
{
	return user->uid == 0 || user->descriptors + more + all_descriptors <= USERS_DESCRIPTORS;
}

void user_charge_bytes(struct user *user, ssize_t more)
{
	user->bytes += (size_t)more;
	if (user->uid != 0)
		all_bytes += (size_t)more;
}

void user_charge_descriptors(struct user *user, int more)
{
	user->descriptors += (unsigned int)more;
	if (user->uid != 0)
		all_descriptors += (unsigned int)more;
}

static void begin_anew(struct log_count *count, uint64_t now)
{
	if (now - count->since > LINES_USEC)
		*count = (struct log_count){ .since = now };
}

/* What was left out in the time that is over. */
static void log_left_out(const struct user *user)
{
	const struct log_count *logged = &user->logged;

	if (logged->faults > FAULTS_MAX)
		log_warning(NULL, "%u more faults of user %ju were not logged",
			    logged->faults - FAULTS_MAX, (uintmax_t)user->uid);
	if (logged->lines > LINES_MAX)
		log_info(NULL, "%u more lines about user %ju were not logged",
			 logged->lines - LINES_MAX, (uintmax_t)user->uid);
}

/* What is left out is counted, and their number logged later. */
bool platform_may_log(uid_t uid, bool fault)
{
	struct user *user = user_known(uid);
	uint64_t now = now_usec();
	bool may = true;

	if (!fault && uid == 0)
		return true;
	begin_anew(&all_logged, now);
	if (user) {
		if (now - user->logged.since > LINES_USEC)
			log_left_out(user);
		begin_anew(&user->logged, now);
		may = fault ? ++user->logged.faults <= FAULTS_MAX
			    : ++user->logged.lines <= LINES_MAX;
	}
	/* Also what is logged about those of whom nothing is remembered. */
	return may && (fault ? ++all_logged.faults <= FAULTS_MAX_ALL
			     : ++all_logged.lines <= LINES_MAX_ALL);
}
