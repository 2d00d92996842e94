/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl monitor: events, one on a line, as they happen. */
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "json.h"
#include "system.h"
#include "terminal.h"
#include "text.h"
#include "vmnetctl.h"

/* Milliseconds after which the end of a lease is no part of a change. */
#define CHANGE_TIME 50

static void format_lease(const struct vmnet_broker_lease *lease, char *text, size_t size)
{
	char expires[TIME_TEXT_SIZE];

	(void)snprintf(text, size, "%s %s %s expires %s", lease->address, lease->mac_address,
		       lease->hostname ? lease->hostname : "-",
		       lease->expires ? time_format(lease->expires, expires) : "never");
}

/* What the event is about, beside its network. */
static void print_subject(const struct vmnet_broker_event *event)
{
	char text[512] = "";

	if (event->client)
		(void)snprintf(text, sizeof(text), "pid %lld uid %lld %s",
			       (long long)event->client->pid, (long long)event->client->uid,
			       event->client->command);
	else if (event->interface)
		(void)snprintf(text, sizeof(text), "%s %s %s", event->interface->device,
			       event->interface->mac_address,
			       event->interface->name ? event->interface->name : "-");
	else if (event->lease)
		format_lease(event->lease, text, sizeof(text));
	if (text[0] == '\0' && !event->fault)
		return;
	(void)fputs("  ", stdout);
	(void)text_write(stdout, event->fault ? event->fault : text, "");
}

static void print_start(const char *type, const char *network, const struct timeval *now)
{
	char time_text[TIME_TEXT_SIZE];

	(void)printf("%s.%03d  %-18s  ", time_format(now->tv_sec, time_text),
		     (int)(now->tv_usec / 1000), type);
	(void)text_write(stdout, network, "");
}

static void print_line(const struct vmnet_broker_event *event, const struct timeval *now)
{
	const bool is_fault = event->fault && terminal_has_colours();

	print_start(vmnet_broker_event_name(event->type), event->network, now);
	if (is_fault)
		(void)fputs("\033[31m", stdout);
	print_subject(event);
	if (is_fault)
		(void)fputs("\033[0m", stdout);
	(void)putchar('\n');
}

static int print_json(const struct vmnet_broker_event *event, const struct timeval *now)
{
	json_t *value = json_event(event);
	int64_t milliseconds = now->tv_sec * INT64_C(1000) + now->tv_usec / 1000;
	json_t *time = json_real((double)milliseconds / 1000.0);

	if (json_object_set_new(value, "time", time) != 0) {
		json_decref(value);
		value = NULL;
	}
	/* Milliseconds are 13 digits until the year 2286. */
	return json_write(value, JSON_COMPACT | JSON_REAL_PRECISION(13), stdout);
}

/* Returns whether there is somebody left to print for. */
static int print_event(const struct vmnet_broker_event *event, bool as_json)
{
	struct timeval now;
	int result = DONE;

	(void)gettimeofday(&now, NULL);
	if (as_json)
		result = print_json(event, &now);
	else
		print_line(event, &now);
	if (fflush(stdout) != 0)
		result = FAILED; /* main() says why */
	return result;
}

/* A machine that has another address at once: one line. */
static int print_change(const struct vmnet_broker_event *before,
			const struct vmnet_broker_event *event)
{
	struct timeval now;
	char text[512];

	(void)gettimeofday(&now, NULL);
	print_start("lease_changed", event->network, &now);
	(void)fputs("  ", stdout);
	(void)text_write(stdout, before->lease->address, "");
	(void)fputs(" -> ", stdout);
	format_lease(event->lease, text, sizeof(text));
	(void)text_write(stdout, text, "");
	(void)putchar('\n');
	return fflush(stdout) == 0 ? DONE : FAILED; /* main() says why */
}

static bool is_change(const struct vmnet_broker_event *before,
		      const struct vmnet_broker_event *event)
{
	return event->type == VMNET_BROKER_LEASE_ADDED &&
	       strcmp(before->network, event->network) == 0 &&
	       strcmp(before->lease->mac_address, event->lease->mac_address) == 0;
}

/*
 * Takes the next event, or NULL for none in time; kept is one that waits for its other half, or
 * NULL. Returns as print_event().
 */
static int take(struct vmnet_broker_event **kept, struct vmnet_broker_event *event, bool as_json)
{
	struct vmnet_broker_event *before = *kept;
	int result = DONE;

	*kept = NULL;
	if (before && event && is_change(before, event)) {
		result = print_change(before, event);
		vmnet_broker_event_free(event);
		event = NULL;
	} else if (before) {
		result = print_event(before, as_json);
	}
	vmnet_broker_event_free(before);
	if (event && !as_json && event->type == VMNET_BROKER_LEASE_REMOVED) {
		*kept = event;
		return result;
	}
	if (event && result == DONE)
		result = print_event(event, as_json);
	vmnet_broker_event_free(event);
	return result;
}

static int print_events(struct vmnet_broker *broker, char **arguments, int as_json)
{
	struct vmnet_broker_event *kept = NULL;
	vmnet_broker_return_t status;
	int result = DONE;

	(void)arguments;
	keep_broker(broker);
	status = vmnet_broker_monitor(broker);
	while (status == VMNET_BROKER_SUCCESS && result == DONE) {
		struct vmnet_broker_event *event;

		status = vmnet_broker_next_event(broker, kept ? CHANGE_TIME : -1, &event);
		if (status == VMNET_BROKER_SUCCESS)
			result = take(&kept, event, as_json);
	}
	vmnet_broker_event_free(kept);
	return status == VMNET_BROKER_SUCCESS ? result : complain_of(broker, status);
}

int monitor(int argc, char **argv)
{
	bool as_json = false;
	int result = read_arguments(argc, argv, &as_json, 0, 0, "");

	return result == DONE ? with_broker(print_events, NULL, as_json) : result;
}
