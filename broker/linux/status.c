/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts what there is, at most once a second, and only after it has changed.
 */
#include "status.h"

#include <stdio.h>
#include <string.h>

#include "broker/interface.h"
#include "broker/platform.h"
#include "linux.h"
#include "notify.h"
#include "timer.h"

#define TELL_USEC ((uint64_t)1000 * 1000)

static struct {
	sd_event_source *tell; /* NULL: nobody is told */
	char text[128];
} status;

struct counts {
	unsigned int networks, interfaces, faults;
};

static void count(struct counts *counts, const struct network *network)
{
	counts->networks += network->state == NETWORK_ACTIVE;
	for (const struct interface *i = network->interfaces; i; i = i->next)
		counts->interfaces++;
	for (size_t i = 0; i < N_FAULTS; i++)
		counts->faults += network->faults[i] != NULL;
}

static void tell(void)
{
	struct counts counts = { 0 };
	char text[sizeof(status.text)];

	for (const struct network *i = linux_platform.broker->networks; i; i = i->next)
		count(&counts, i);
	(void)snprintf(text, sizeof(text),
		       "STATUS=%u active network%s, %u machine interface%s, %u fault%s",
		       counts.networks, counts.networks == 1 ? "" : "s", counts.interfaces,
		       counts.interfaces == 1 ? "" : "s", counts.faults,
		       counts.faults == 1 ? "" : "s");
	if (strcmp(text, status.text) == 0)
		return;
	strcpy(status.text, text);
	notify(text);
}

static int on_tell(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	(void)userdata;
	tell();
	return 0;
}

static void tell_soon(void)
{
	if (status.tell)
		timer_set_unless_on(status.tell, TELL_USEC);
}

void status_heard(enum event_type type)
{
	switch (type) {
	case EVENT_NETWORK_CREATED:
	case EVENT_NETWORK_REMOVED:
	case EVENT_INTERFACE_ATTACHED:
	case EVENT_INTERFACE_DETACHED:
		tell_soon();
		break;
	default:
		break;
	}
}

void platform_fault_changed(void)
{
	tell_soon();
}

int status_start(sd_event *event)
{
	int result;

	if (!notify_has_manager())
		return 0;
	result = timer_add(event, &status.tell, on_tell, NULL);
	if (result >= 0)
		tell();
	return result;
}

void status_stop(void)
{
	status.tell = sd_event_source_disable_unref(status.tell);
}
