/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, on their way to those who monitor. What makes one waits for nobody: its text is made
 * once, and connections take it in turns between other things. Names are broker/event.c's.
 */
#ifndef VMNET_BROKER_LINUX_VARLINK_EVENTS_H
#define VMNET_BROKER_LINUX_VARLINK_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* Bytes of events that wait for a client that does not read them. */
#define EVENTS_BYTES ((size_t)256 * 1024)

struct connection;

/* Returns 0 or a negative errno. */
int events_start(sd_event *event);

/* After the end of all connections. */
void events_stop(void);

/* The connection, which is MONITORING, gets what happens from now on; and no longer. */
void events_join(struct connection *connection);
void events_leave(struct connection *connection);

/* A connection can be sent events again. */
void events_wake(void);

/* Some have not been sent yet to a client that reads them. */
bool events_are_pending(void);

#endif
