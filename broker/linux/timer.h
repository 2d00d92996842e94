/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of the loop, each of which runs out once, in a while from when it was set. */
#ifndef VMNET_BROKER_LINUX_TIMER_H
#define VMNET_BROKER_LINUX_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Adds one that is off. timer: the caller's, to be ended by sd_event_source_disable_unref().
 * Returns 0 or a negative errno.
 */
int timer_add(sd_event *event, sd_event_source **timer, sd_event_time_handler_t handler,
	      void *userdata);

/* Has it run out so many microseconds from now, also when it is on already. */
void timer_set(sd_event_source *timer, uint64_t usec);

/* The same, unless it is on. */
void timer_set_unless_on(sd_event_source *timer, uint64_t usec);

bool timer_is_on(sd_event_source *timer);

#endif
