/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of the last events; each connection knows the number of the next one that it has not been
 * sent. Whoever is behind the oldest one does not read, and is dropped.
 */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/json_text.h"
#include "broker/broker.h"
#include "broker/linux/status.h"
#include "broker/platform.h"
#include "connection.h"
#include "describe.h"
#include "sending.h"

#define RING_SIZE 4096U /* a power of two; an event takes more than 64 bytes */
#define BATCH_BYTES ((size_t)4 * 1024) /* sent to a client at once */

struct kept_event {
	char *text; /* NULL: memory was short, and nobody will know what it was */
	size_t size; /* with the NUL */
	struct network_config *config; /* who may know of it; counted */
};

static struct {
	TAILQ_HEAD(, connection) all;
	unsigned int n;
	unsigned int passed; /* of them, in a row, there was nothing to be done for */
	struct kept_event ring[RING_SIZE];
	uint64_t first; /* the oldest that is kept */
	uint64_t next; /* will be the next one's number */
	size_t bytes;
	sd_event_source *source; /* always readable, as the one of turns (turns.c) */
} monitors = { .all = TAILQ_HEAD_INITIALIZER(monitors.all) };

static struct kept_event *kept_event(uint64_t number)
{
	return &monitors.ring[number % RING_SIZE];
}

static void drop_oldest(void)
{
	struct kept_event *oldest = kept_event(monitors.first);

	monitors.first++;
	monitors.bytes -= oldest->size;
	free(oldest->text);
	network_config_unref(oldest->config);
	*oldest = (struct kept_event){ 0 };
}

/* What the connection has not been sent and may know of, up to a size. Returns it, or NULL. */
static char *take_batch(struct connection *connection, size_t *size)
{
	char *batch = malloc(BATCH_BYTES);

	*size = 0;
	while (batch && connection->next_event < monitors.next) {
		const struct kept_event *event = kept_event(connection->next_event);

		if (broker_may_know(connection->client, event->config)) {
			if (!event->text) {
				free(batch);
				return NULL;
			}
			if (*size + event->size > BATCH_BYTES)
				break;
			memcpy(batch + *size, event->text, event->size);
			*size += event->size;
		}
		connection->next_event++;
	}
	return batch;
}

/* Returns whether there was something to be done. */
static bool serve(struct connection *connection)
{
	size_t size;
	char *batch;

	if (connection->state != CONNECTION_MONITORING || connection->next_event == monitors.next)
		return false;
	if (connection->next_event < monitors.first) {
		connection_drop_slow_reader(connection);
		return true;
	}
	if (connection->stream.output)
		return false; /* events_wake() tells when it has been sent */
	batch = take_batch(connection, &size);
	connection_send_events(connection, batch, size);
	return true;
}

static int on_turn(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct connection *connection = TAILQ_FIRST(&monitors.all);

	(void)fd;
	(void)events;
	(void)userdata;
	if (connection) {
		TAILQ_REMOVE(&monitors.all, connection, monitor);
		TAILQ_INSERT_TAIL(&monitors.all, connection, monitor);
		monitors.passed = serve(connection) ? 0 : monitors.passed + 1;
	}
	if (monitors.passed >= monitors.n)
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

void events_wake(void)
{
	monitors.passed = 0;
	(void)sd_event_source_set_enabled(monitors.source, SD_EVENT_ON);
}

bool events_are_pending(void)
{
	return sd_event_source_get_enabled(monitors.source, NULL) > 0;
}

static char *event_text(const struct event *event)
{
	json_t *message = json_pack("{s:{s:o}, s:b}", "parameters", "event", describe_event(event),
				    "continues", true);
	char *text = json_text_dump(message, JSON_COMPACT);

	json_decref(message);
	return text;
}

void platform_event(const struct event *event)
{
	struct kept_event *kept = kept_event(monitors.next);

	status_heard(event->type);
	if (TAILQ_EMPTY(&monitors.all))
		return;
	if (monitors.next - monitors.first == RING_SIZE)
		drop_oldest();
	kept->text = event_text(event);
	kept->size = kept->text ? strlen(kept->text) + 1 : 0;
	kept->config = network_config_ref(event->network->config);
	monitors.bytes += kept->size;
	monitors.next++;
	while (monitors.bytes > EVENTS_BYTES)
		drop_oldest();
	events_wake();
}

void events_join(struct connection *connection)
{
	connection->next_event = monitors.next;
	connection->monitors = true;
	TAILQ_INSERT_TAIL(&monitors.all, connection, monitor);
	monitors.n++;
}

void events_leave(struct connection *connection)
{
	if (!connection->monitors)
		return;
	connection->monitors = false;
	TAILQ_REMOVE(&monitors.all, connection, monitor);
	monitors.n--;
}

int events_start(sd_event *event)
{
	int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (fd < 0)
		return -errno;
	r = sd_event_add_io(event, &monitors.source, fd, EPOLLIN, on_turn, NULL);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	(void)sd_event_source_set_io_fd_own(monitors.source, 1);
	return 0;
}

void events_stop(void)
{
	while (monitors.first < monitors.next)
		drop_oldest();
	monitors.source = sd_event_source_disable_unref(monitors.source);
}
