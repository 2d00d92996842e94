/* SPDX-License-Identifier: Apache-2.0 */
/* The line that the service manager shows of the broker ("systemctl status"). */
#ifndef VMNET_BROKER_LINUX_STATUS_H
#define VMNET_BROKER_LINUX_STATUS_H

#include <systemd/sd-event.h>

#include "broker/broker.h"

/*
 * Tells it, and again within a second of what changes it. Without a manager nothing happens.
 * event: the loop; status_stop() comes before its end. Returns 0 or a negative errno.
 */
int status_start(sd_event *event);

/* An event that may change it. */
void status_heard(enum event_type type);

/* Tells no more. */
void status_stop(void);

#endif
