/* SPDX-License-Identifier: Apache-2.0 */
/* What is common to all timers. When one is set, nothing can fail. */
#include "timer.h"

#include <time.h>

int timer_add(sd_event *event, sd_event_source **timer, sd_event_time_handler_t handler,
	      void *userdata)
{
	int result = sd_event_add_time(event, timer, CLOCK_MONOTONIC, 0, 0, handler, userdata);

	return result < 0 ? result : sd_event_source_set_enabled(*timer, SD_EVENT_OFF);
}

void timer_set(sd_event_source *timer, uint64_t usec)
{
	(void)sd_event_source_set_time_relative(timer, usec);
	(void)sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

void timer_set_unless_on(sd_event_source *timer, uint64_t usec)
{
	if (!timer_is_on(timer))
		timer_set(timer, usec);
}

bool timer_is_on(sd_event_source *timer)
{
	return sd_event_source_get_enabled(timer, NULL) > 0;
}
