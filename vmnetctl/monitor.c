/* SPDX-License-Identifier: Apache-2.0 */
/* vmnetctl monitor: events, one on a line, as they happen. */
#include <sys/time.h>
#include <time.h>

#include "json.h"
#include "system.h"
#include "text.h"
#include "vmnetctl.h"

/* What the event is about, beside its network. */
static void print_subject(const struct vmnet_broker_event *event)
{
	char text[512] = "", expires[TIME_TEXT_SIZE];

	if (event->client)
		(void)snprintf(text, sizeof(text), "pid %lld uid %lld %s",
			       (long long)event->client->pid, (long long)event->client->uid,
			       event->client->command);
	else if (event->interface)
		(void)snprintf(text, sizeof(text), "%s %s", event->interface->device,
			       event->interface->mac_address);
	else if (event->lease)
		(void)snprintf(text, sizeof(text), "%s %s %s expires %s", event->lease->address,
			       event->lease->mac_address,
			       event->lease->hostname ? event->lease->hostname : "-",
			       event->lease->expires ? time_format(event->lease->expires, expires)
						     : "never");
	if (text[0] == '\0' && !event->fault)
		return;
	(void)fputs("  ", stdout);
	(void)text_write(stdout, event->fault ? event->fault : text, "");
}

static void print_line(const struct vmnet_broker_event *event, const struct timeval *now)
{
	char time_text[TIME_TEXT_SIZE];

	(void)printf("%s.%03d  %-18s  ", time_format(now->tv_sec, time_text),
		     (int)(now->tv_usec / 1000), vmnet_broker_event_name(event->type));
	(void)text_write(stdout, event->network, "");
	print_subject(event);
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
	return json_print(value, JSON_COMPACT | JSON_REAL_PRECISION(13));
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

static int print_events(struct vmnet_broker *broker, char **arguments, int as_json)
{
	vmnet_broker_return_t status;
	int result = DONE;

	(void)arguments;
	keep_broker(broker);
	status = vmnet_broker_monitor(broker);
	while (status == VMNET_BROKER_SUCCESS && result == DONE) {
		struct vmnet_broker_event *event;

		status = vmnet_broker_next_event(broker, -1, &event);
		if (status != VMNET_BROKER_SUCCESS || !event)
			continue;
		result = print_event(event, as_json);
		vmnet_broker_event_free(event);
	}
	return status == VMNET_BROKER_SUCCESS ? result : complain_of(broker, status);
}

int monitor(int argc, char **argv)
{
	bool as_json = false;
	int result = read_arguments(argc, argv, &as_json, 0, 0, "");

	return result == DONE ? with_broker(print_events, NULL, as_json) : result;
}
